# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""mail_dkim_rotation against a real name server."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

DOMAIN = "example.com"
SOON = {"rotate_after": 0}
# How long records of the zones may be remembered
TTL = 600


class Directory:
    """The keys of domains on a mail server."""

    def __init__(self, path):
        self.path = path

    def begin(self, domain, days=0, algorithms=("rsa", "ed25519")):
        """The domain's first keys have signed for as many days."""
        (self.path / domain).mkdir()
        self.write(domain, [f"{algorithm}-1 {algorithm} signing {ago(days=days)}" for algorithm in algorithms])
        self.make(domain, *(f"{algorithm}-1" for algorithm in algorithms))

    def write(self, domain, lines):
        (self.path / domain / "selectors").write_text("".join(f"{line}\n" for line in lines))

    def make(self, domain, *selectors):
        for selector in selectors:
            (self.path / domain / f"{selector}.key").write_text("secret")
            (self.path / domain / f"{selector}.txt").write_text(f"{value(selector)}\n")

    def states(self, domain=DOMAIN):
        lines = (self.path / domain / "selectors").read_text().splitlines()
        return {line.split()[0]: line.split()[2] for line in lines}

    def let_pass(self, state, domain=DOMAIN, **time):
        """All keys in this state have been in it for so long."""
        lines = [line.split() for line in (self.path / domain / "selectors").read_text().splitlines()]
        self.write(domain, [" ".join([*line[:3], ago(**time) if line[2] == state else line[3]]) for line in lines])

    def files(self, domain=DOMAIN):
        return {file.name for file in (self.path / domain).iterdir()}


def ago(**time):
    return (datetime.now(timezone.utc) - timedelta(**time)).strftime("%Y-%m-%dT%H:%M:%SZ")


def value(selector):
    return f"v=DKIM1; p={selector.replace('-', '/')}"


def lines(*selectors):
    """Of a zone that shows the records of these keys."""
    return "".join(f'{selector}._domainkey TXT "{value(selector)}"\n' for selector in selectors)


@pytest.fixture
def keys(tmp_path):
    return Directory(tmp_path)


@pytest.fixture
def turn(run_anywhere, new_name_server, keys):
    """Runs the module while the name server has these lines in the zone example.com."""

    def call(shown="", domains=(DOMAIN,), zones=(), **options):
        with new_name_server({DOMAIN: shown, **dict(zones)}) as server:
            return run_anywhere("mail_dkim_rotation", **{
                "domains": list(domains),
                "dkim_directory": str(keys.path),
                "nameservers": ["127.0.0.1"],
                "nameserver_port": server.port,
                "timeout": 2,
                **options,
            })

    return call


def text(result):
    (rotation,) = result["rotations"]
    return rotation["text"]


def test_a_rotation_from_its_begin_to_its_end(keys, turn):
    keys.begin(DOMAIN, days=200)
    old, new = lines("rsa-1", "ed25519-1"), lines("rsa-2", "ed25519-2")

    assert turn(old)["changed"]
    assert keys.states() == {"rsa-1": "signing", "ed25519-1": "signing", "rsa-2": "next", "ed25519-2": "next"}
    assert text(turn(old)).endswith("wait to be shown by all name servers: rsa-2 is not made yet.")
    keys.make(DOMAIN, "rsa-2", "ed25519-2")
    waiting = turn(old + lines("rsa-2"))
    assert not waiting["changed"] and "ns.example.com has no TXT record ed25519-2._domainkey.example.com" in text(waiting)

    assert turn(old + new)["changed"]
    assert keys.states()["rsa-2"] == "shown"
    keys.let_pass("shown", seconds=TTL - 60)
    assert not turn(old + new)["changed"]
    keys.let_pass("shown", seconds=TTL)
    assert turn(old + new)["changed"]
    assert keys.states() == {"rsa-1": "retired", "ed25519-1": "retired", "rsa-2": "signing", "ed25519-2": "signing"}

    keys.let_pass("retired", days=6, hours=23)
    assert not turn(old + new, **SOON)["changed"]
    keys.let_pass("retired", days=7)
    removal = turn(old + new)
    assert {record["name"]: record["value"] for record in removal["removed_records"]} == {
        f"{selector}._domainkey.{DOMAIN}": value(selector) for selector in ("rsa-1", "ed25519-1")
    }
    assert keys.files() == {
        "selectors", "rsa-1.removed", "ed25519-1.removed", "rsa-2.key", "rsa-2.txt", "ed25519-2.key", "ed25519-2.txt"
    }
    assert turn(old + new)["removed_records"] == removal["removed_records"]
    assert turn(lines("ed25519-1") + new)["removed_records"] == removal["removed_records"]

    assert turn(new)["changed"]
    assert keys.states() == {"rsa-2": "signing", "ed25519-2": "signing"}
    assert keys.files() == {"selectors", "rsa-2.key", "rsa-2.txt", "ed25519-2.key", "ed25519-2.txt"}
    settled = turn(new)
    assert (settled["changed"], settled["rotations"], settled["removed_records"]) == (False, [], [])


def test_check_mode_predicts(keys, turn):
    keys.begin(DOMAIN, days=200)
    before = keys.states()
    predicted = turn(check=True)
    assert predicted["changed"] and keys.states() == before
    (difference,) = turn()["diff"]
    assert difference["after"].split("Z\n")[-3].startswith("rsa-2 rsa next")
    assert [each["after"].count("next") for each in predicted["diff"]] == [2]


def test_keys_that_one_server_does_not_show_wait(keys, turn):
    """One of them may be away, or lag behind."""
    keys.begin(DOMAIN, days=200)
    turn()
    keys.make(DOMAIN, "rsa-2", "ed25519-2")
    new = lines("rsa-2", "ed25519-2")
    waiting = turn(f"{new}@ NS ns2\nns2 A 127.0.0.2\n")
    assert keys.states()["rsa-2"] == "next"
    assert "ns2.example.com gives no answer" in text(waiting)
    assert "the name server ns.elsewhere.test has no address" in text(turn(f"{new}@ NS ns.elsewhere.test.\n"))


def test_a_record_that_is_gone_again_has_to_be_shown_anew(keys, turn):
    keys.begin(DOMAIN, days=200)
    turn()
    keys.make(DOMAIN, "rsa-2", "ed25519-2")
    turn(lines("rsa-2", "ed25519-2"))
    keys.let_pass("shown", days=1)
    turn(lines("rsa-2"))
    assert keys.states()["rsa-2"] == "next"
    assert "has another TXT record ed25519-2" in text(turn(lines("rsa-2") + 'ed25519-2._domainkey TXT "v=DKIM1; p=else"\n'))
    turn(lines("rsa-2", "ed25519-2"))
    assert keys.states() == {"rsa-1": "signing", "ed25519-1": "signing", "rsa-2": "shown", "ed25519-2": "shown"}


def test_each_domain_goes_on_by_itself(keys, turn):
    for domain in (DOMAIN, "unpublished.test", "example.org"):
        keys.begin(domain, days=200)
    domains = [DOMAIN, "unpublished.test", "example.org", "without-keys.test"]
    turn(domains=domains)
    for domain in domains[:3]:
        keys.make(domain, "rsa-2", "ed25519-2")
    zones = {"example.org": lines("rsa-2", "ed25519-2")}
    turn(domains=domains, zones=zones)
    keys.let_pass("shown", "example.org", days=1)
    last = turn(domains=domains, zones=zones)
    assert [keys.states(domain)["rsa-1"] for domain in domains[:3]] == ["signing", "signing", "retired"]
    assert last["keyless"] == ["without-keys.test"]


@pytest.mark.parametrize(
    ("options", "follow"),
    [
        pytest.param({}, set(), id="not due"),
        pytest.param(SOON, {"rsa-2", "ed25519-2"}, id="asked for"),
        pytest.param({"algorithms": ["rsa"]}, {"rsa-2"}, id="of other kinds"),
    ],
)
def test_when_keys_follow(keys, turn, options, follow):
    keys.begin(DOMAIN, days=100)
    turn(**options)
    assert keys.states().keys() - {"rsa-1", "ed25519-1"} == follow


def test_a_selector_is_never_used_again(keys, turn):
    keys.begin(DOMAIN, days=200, algorithms=["rsa"])
    keys.make(DOMAIN, "rsa-7")
    turn(algorithms=["rsa"])
    assert keys.states() == {"rsa-1": "signing", "rsa-8": "next"}


def test_a_key_that_another_may_have_is_removed_at_once(keys, turn):
    keys.begin(DOMAIN, algorithms=["rsa"])
    options = {"algorithms": ["rsa"], "rotate_after": 0, "retire_after": 0}
    turn(**options)
    keys.make(DOMAIN, "rsa-2")
    turn(lines("rsa-1", "rsa-2"), **options)
    keys.let_pass("shown", seconds=TTL)
    turn(lines("rsa-1", "rsa-2"), **options)
    assert keys.states()["rsa-1"] == "removed"
    assert "rsa-1.key" not in keys.files()
    assert not turn(lines("rsa-1", "rsa-2"), **options)["changed"], "another rotation begins while the old record is there"


def test_an_empty_line_in_a_table_is_none(keys, turn):
    keys.begin(DOMAIN)
    keys.write(DOMAIN, [f"rsa-1 rsa signing {ago()}", "", f"ed25519-1 ed25519 signing {ago()}"])
    assert not turn()["changed"]


def test_a_table_that_is_none_is_named(keys, turn):
    keys.begin(DOMAIN)
    keys.write(DOMAIN, ["rsa-1 rsa signs now"])
    assert f"{keys.path}/{DOMAIN}/selectors is not as it was written" in turn()["msg"]
