# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program that brings a certificate to port 25, with real keys, and name servers that say what they are told."""

from __future__ import annotations

import subprocess

import dns.rrset
import pytest

NAME = "mail.example.com"


@pytest.fixture
def program(tmp_path, load_program):
    module = load_program("certbot/files/mail-mx-certificate")
    module.STATE = tmp_path / "mx-certificate.json"
    module.reload_postfix = lambda: None
    return module


@pytest.fixture
def directory(tmp_path):
    path = tmp_path / "certificates"
    path.mkdir()
    new_pair(path)
    return path


@pytest.fixture
def zone(program, monkeypatch):
    """{name server: (TTL, key digests)}; to be filled by the test."""
    servers = {}

    def published(name):
        return {server: records(name, ttl, digests) for server, (ttl, digests) in servers.items()}

    monkeypatch.setattr(program, "published", published)
    return servers


@pytest.fixture
def clock(program, monkeypatch):
    """A clock that the test turns."""

    class Clock:
        now = 1_000_000

    monkeypatch.setattr(program.time, "time", lambda: Clock.now)
    return Clock


def records(name, ttl, digests):
    return dns.rrset.from_text(f"_25._tcp.{name}.", ttl, "IN", "TLSA", *(f"3 1 1 {each}" for each in digests)) if digests else None


def new_pair(directory, key="new", suffix=""):
    """A new certificate, with a new key unless it is to be the old one."""
    keys = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-keyout"] if key == "new" else ["-key"]
    command = ["openssl", "req", "-x509", "-nodes", "-subj", f"/CN={NAME}", *keys, directory / f"privkey{suffix}.pem"]
    subprocess.run([*command, "-out", directory / f"fullchain{suffix}.pem"], check=True, capture_output=True)


def bring(program, directory, is_check=False, suffixes=("",)):
    try:
        return program.bring(directory, [NAME], suffixes, is_check)
    except program.Waits as exc:
        return f"waits: {exc}"


def served(program, directory):
    """The key that port 25 has; certificate and key have to fit."""
    (key,) = program.key_digests(directory / "mx.pem")
    assert key == program.certificate_digest(directory / "mx.pem")
    return key


def newest(program, directory, suffix=""):
    (key,) = program.key_digests(directory / f"privkey{suffix}.pem")
    return key


def test_the_first_certificate_waits_for_nothing(program, directory, zone):
    zone["ns1"] = (3600, ["00" * 32])
    assert bring(program, directory, is_check=True) == "changed"
    assert not (directory / "mx.pem").exists()
    assert bring(program, directory) == "changed"
    assert served(program, directory) == newest(program, directory)
    assert (directory / "mx.pem").stat().st_mode & 0o777 == 0o600
    assert bring(program, directory) == "unchanged"


def test_a_new_certificate_of_the_same_key_waits_for_nothing(program, directory, zone):
    bring(program, directory)
    zone["ns1"] = (3600, [newest(program, directory)])
    new_pair(directory, key="old")
    assert bring(program, directory) == "changed"
    assert (directory / "fullchain.pem").read_text() in (directory / "mx.pem").read_text()


def test_a_new_key_waits_for_nothing_where_no_record_is_published(program, directory, zone):
    bring(program, directory)
    new_pair(directory)
    assert bring(program, directory) == "changed"
    assert served(program, directory) == newest(program, directory)


def test_a_new_key_waits_for_all_name_servers_and_then_for_the_longest_ttl(program, directory, zone, clock):
    bring(program, directory)
    old = newest(program, directory)
    new_pair(directory)
    new = newest(program, directory)

    zone.update(ns1=(3600, [old]), ns2=(3600, [old]))
    assert bring(program, directory) == f"waits: ns1 has no record _25._tcp.{NAME}. TLSA 3 1 1 {new}"
    zone["ns1"] = (60, [old, new])
    clock.now += 100_000
    assert bring(program, directory) == f"waits: ns2 has no record _25._tcp.{NAME}. TLSA 3 1 1 {new}"
    zone["ns2"] = (60, [old, new])
    assert bring(program, directory).startswith("waits: 3600 seconds")
    clock.now += 3599
    assert bring(program, directory).startswith("waits: 1 seconds")
    assert served(program, directory) == old
    clock.now += 1
    assert bring(program, directory, is_check=True) == "changed"
    assert served(program, directory) == old
    assert bring(program, directory) == "changed"
    assert served(program, directory) == new


def test_not_a_part_of_a_second_is_forgiven(program, directory, zone, clock):
    bring(program, directory)
    new_pair(directory)
    zone["ns1"] = (60, [newest(program, directory)])
    clock.now += 0.75
    assert bring(program, directory).startswith("waits: 60 seconds")
    clock.now += 59.5
    assert bring(program, directory).startswith("waits: 1 seconds")
    clock.now += 0.5
    assert bring(program, directory) == "changed"


def test_a_second_key_waits_until_others_know_it_too(program, directory, zone, clock):
    bring(program, directory)
    first = newest(program, directory)
    zone["ns1"] = (60, [first])
    new_pair(directory, suffix="-rsa")
    second = newest(program, directory, "-rsa")
    both = {"suffixes": ("", "-rsa")}
    assert bring(program, directory, **both) == f"waits: ns1 has no record _25._tcp.{NAME}. TLSA 3 1 1 {second}"
    new_pair(directory, key="old")
    assert bring(program, directory, **both).startswith("waits: ")
    assert (directory / "fullchain.pem").read_text() in (directory / "mx.pem").read_text(), "the renewed certificate of the first waits, too"
    assert program.key_digests(directory / "mx.pem") == [first]

    zone["ns1"] = (60, [first, second])
    assert bring(program, directory, **both).startswith("waits: 60 seconds")
    clock.now += 60
    assert bring(program, directory, **both) == "changed"
    assert program.key_digests(directory / "mx.pem") == [first, second]
    new_pair(directory, key="old", suffix="-rsa")
    assert bring(program, directory, **both) == "changed"

    zone["ns1"] = (60, [first])
    assert bring(program, directory) == "changed", "one key less is no stranger to anybody"
    assert program.key_digests(directory / "mx.pem") == [first]


@pytest.mark.parametrize("mishap", ["the record goes away", "another key takes its place"])
def test_the_time_begins_anew_after_a_mishap(program, directory, zone, clock, mishap):
    bring(program, directory)
    old = newest(program, directory)
    new_pair(directory)
    zone["ns1"] = (3600, [old, newest(program, directory)])
    bring(program, directory)
    clock.now += 3599
    if mishap == "the record goes away":
        zone["ns1"] = (3600, [old])
    else:
        new_pair(directory)
    assert "has no record" in bring(program, directory)
    zone["ns1"] = (3600, [old, newest(program, directory)])
    assert bring(program, directory).startswith("waits: 3600 seconds")


def test_a_record_that_others_do_not_keep_is_waited_for(program, directory, zone):
    bring(program, directory)
    zone["ns1"] = (0, [newest(program, directory)])
    new_pair(directory)
    assert "has no record" in bring(program, directory)


def test_a_look_leaves_no_trace(program, directory, zone):
    bring(program, directory)
    zone["ns1"] = (3600, [newest(program, directory)])
    new_pair(directory)
    bring(program, directory, is_check=True)
    assert not program.STATE.exists()


@pytest.mark.parametrize("error", [dns.exception.Timeout(), OSError("no network")])
def test_nobody_is_guessed_at(program, directory, monkeypatch, error):
    def published(name):
        raise error

    bring(program, directory)
    new_pair(directory)
    monkeypatch.setattr(program, "published", published)
    assert bring(program, directory).startswith("waits: it is not known")


def test_a_key_of_another_certificate_is_left_alone(program, directory, zone):
    bring(program, directory)
    before = (directory / "mx.pem").read_bytes()
    (directory / "privkey.pem").write_text(program.openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"))
    with pytest.raises(SystemExit, match="is not the key of"):
        bring(program, directory)
    assert (directory / "mx.pem").read_bytes() == before


def interrupted(dummy):
    raise KeyboardInterrupt


def test_whoever_is_killed_leaves_a_whole_file(program, directory, zone, monkeypatch):
    bring(program, directory)
    before = (directory / "mx.pem").read_bytes()
    new_pair(directory)
    monkeypatch.setattr(program.os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        bring(program, directory)
    assert (directory / "mx.pem").read_bytes() == before
    monkeypatch.undo()
    program.published = lambda name: {}
    assert bring(program, directory) == "changed"
    assert served(program, directory) == newest(program, directory)


def test_only_records_of_keys_count(program):
    text = ("3 0 1 " + "aa" * 32, "2 1 1 " + "bb" * 32, "3 1 1 " + "cc" * 32)
    assert program.keys(dns.rrset.from_text("_25._tcp.example.com.", 60, "IN", "TLSA", *text)) == {"cc" * 32}
    assert program.keys(None) == set()
