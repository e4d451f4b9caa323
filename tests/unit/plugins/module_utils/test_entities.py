# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.virtmail.mailserver.plugins.module_utils import _entities
from ansible_collections.virtmail.mailserver.plugins.module_utils._entities import ALIAS, DOMAIN, OMITTED, USER


def parse(kind, *given, defaults=None):
    empty = {**dict.fromkeys(kind.options), "state": "present"}
    desired = _entities.Desired(defaults or {})
    desired.add_list(kind, [{**empty, **row} for row in given])
    return list(desired.rows[kind.plural].values()), [str(fault) for fault in desired.faults]


@pytest.mark.parametrize(
    ("text", "size"),
    [("0", 0), ("512", 512), ("1K", 1024), ("500M", 500 * 1024**2), ("5G", 5 * 1024**3), ("5 gb", 5 * 1024**3)]
    + [("5GiB", 5 * 1024**3), ("2T", 2 * 1024**4), ("default", None)],
)
def test_quota(text, size):
    assert _entities.parse_quota(text) == size
    assert _entities.parse_quota(_entities.format_quota(size)) == size


@pytest.mark.parametrize("text", ["", "5X", "G", "-1", "1.5G", "5GG", "5Gb/s", "8192P", "unlimited", "5K5"])
def test_quota_that_is_no_size_is_refused(text):
    with pytest.raises(ValueError, match="quota"):
        _entities.parse_quota(text)


def test_only_given_options_become_values():
    ((row,), faults) = parse(DOMAIN, {"name": "Example.com", "active": False})
    assert (row.key, row.values, faults) == ("example.com", DOMAIN.record(organization=OMITTED, description=OMITTED, active=False), [])


def test_every_fault_is_reported_with_its_row():
    dummy, faults = parse(
        USER,
        {"email": "alice@example.com", "quota": "5X", "display_name": "A\nB", "password": "short"},
        {"email": "alice"},
        {"email": "bob@example.com", "password": "correct horse", "password_hash": "{X}y"},
        {"email": "carol@example.com", "password": "correct horse", "password_scheme": "ROT13"},
    )
    assert [fault.split(":")[0] for fault in faults] == [
        *["users[0] (alice@example.com)"] * 3,
        "users[1] (alice)",
        "users[2] (bob@example.com)",
        "users[3] (carol@example.com)",
    ]


def test_single_row_has_no_index():
    desired = _entities.Desired({})
    desired.add(DOMAIN, {"name": "no domain"}, "domain {given}")
    assert str(desired.faults[0]).startswith("domain no domain: ")


def test_duplicates_are_found_in_any_spelling():
    dummy, faults = parse(DOMAIN, {"name": "bücher.example"}, {"name": "XN--bcher-kva.Example"})
    assert faults == [
        "domains[1] (XN--bcher-kva.Example): domains[0] (bücher.example) is the same domain: keep one of them."
    ]


def test_of_an_absent_row_only_the_key_matters():
    rows, faults = parse(USER, {"email": "alice@example.com", "quota": "5X", "password": "x", "state": "absent"})
    assert (rows[0].present, faults) == (False, [])


def test_scheme_and_cost_of_the_call_go_together():
    common = {"password_scheme": "SHA512-CRYPT", "password_cost": 6000}
    user = {"email": "alice@example.com", "password": "correct horse"}
    ((row,), faults) = parse(USER, user, defaults=common)
    assert row.values.password.stored_form().startswith("{SHA512-CRYPT}$6$rounds=6000$")
    ((row,), faults) = parse(USER, {**user, "password_scheme": "ARGON2ID"}, defaults=common)
    assert not faults and "t=2" in row.values.password.stored_form()
    ((row,), faults) = parse(USER, {**user, "password_cost": 7000}, defaults=common)
    assert row.values.password.stored_form().startswith("{SHA512-CRYPT}$6$rounds=7000$")


def test_own_update_password_wins():
    user = {"email": "alice@example.com", "update_password": "always"}
    ((row,), dummy) = parse(USER, user, defaults={"update_password": "on_create"})
    assert not row.keeps_password


def test_destinations_are_sorted():
    ((row,), faults) = parse(ALIAS, {"source": "@Example.com", "destination": ["B@example.net", "a@example.net"]})
    assert (row.key, row.values.destination, faults) == ("@example.com", ("a@example.net", "b@example.net"), [])


@pytest.mark.parametrize(
    ("source", "destination", "words"),
    [
        ("a@example.com", [], "no destination"),
        ("a@example.com", None, "no destination"),
        ("a@example.com", ["b", "c"], "destination b: there is no @"),
        ("a@example.com", ["b@example.com", "B@example.com"], "is there twice"),
        ("a@example.com", ["@example.net"], "whole domain"),
    ],
)
def test_bad_destinations_are_refused(source, destination, words):
    dummy, faults = parse(ALIAS, {"source": source, "destination": destination})
    assert words in faults[0]
