# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program that gets the certificates of the MTA-STS policies, with an authority and a DNS that say what they are told."""

from __future__ import annotations

import dns.exception
import pytest

HOST = "mail.example.com"


@pytest.fixture
def program(load_program):
    return load_program("mta_sts/files/mail-mta-sts")


@pytest.fixture
def zone(program, monkeypatch):
    """{name: addresses}; to be filled by the test."""
    names = {HOST: {"192.0.2.1", "2001:db8::1"}}
    monkeypatch.setattr(program, "addresses", lambda name: names.get(name, set()))
    return names


class Authority:
    """Takes note of who asks, and refuses some."""

    def __init__(self, refused=(), good=()):
        self.refused, self.good, self.asked = refused, good, []

    def is_good(self, name):
        return name in self.good

    def get(self, name):
        self.asked.append(name)
        return "refused" if name in self.refused else None


@pytest.mark.parametrize(
    ("found", "leads_here"),
    [
        (set(), False),
        ({"192.0.2.1"}, True),
        ({"192.0.2.1", "2001:db8::1"}, True),
        ({"192.0.2.2"}, False),
        ({"192.0.2.1", "2001:db8::2"}, False),
    ],
)
def test_the_authority_is_asked_only_about_names_that_lead_here(program, zone, found, leads_here):
    zone["mta-sts.example.org"] = found
    authority = Authority()
    program.get_certificates(authority, ["mta-sts.example.org"], HOST)
    assert authority.asked == (["mta-sts.example.org"] if leads_here else [])


def test_a_refused_name_holds_up_no_other(program, zone, capsys):
    names = [f"mta-sts.{number}.example" for number in range(20)]
    zone.update(dict.fromkeys(names, {"192.0.2.1"}))
    authority = Authority(refused=names[:3], good=names[-1:])
    program.get_certificates(authority, names, HOST)
    assert set(authority.asked) == set(names[:-1])
    assert capsys.readouterr().err.count("no certificate for") == 3


def test_an_authority_that_refuses_all_is_left_alone(program, zone):
    names = [f"mta-sts.{number}.example" for number in range(100)]
    zone.update(dict.fromkeys(names, {"192.0.2.1"}))
    authority = Authority(refused=names)
    program.get_certificates(authority, names, HOST)
    assert len(authority.asked) == program.PATIENCE


def test_a_silent_dns_is_no_answer(program, monkeypatch):
    def addresses(name):
        raise dns.exception.Timeout()

    monkeypatch.setattr(program, "addresses", addresses)
    assert "does not say" in program.obstacle("mta-sts.example.org", HOST)


def test_what_a_killed_certbot_left_is_put_out_of_the_way(program, tmp_path, monkeypatch):
    name = "mta-sts.example.org"
    for folder in ("renewal", f"live/{name}", f"archive/{name}"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "renewal" / f"{name}.conf").touch()
    certificates = program.Certificates(tmp_path, [])
    assert not certificates.exists(name)
    monkeypatch.setattr(program.subprocess, "run", lambda *_, **__: type("Done", (), {"returncode": 0}))
    assert certificates.get(name) is None
    assert [path.name for path in tmp_path.rglob("*") if name in path.name] == []
