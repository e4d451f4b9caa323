# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib

from ansible_collections.virtmail.mailserver.plugins.module_utils import _plan
from ansible_collections.virtmail.mailserver.plugins.module_utils._entities import (
    ALIAS,
    APP_PASSWORD,
    DOMAIN,
    LISTED_KINDS,
    ORGANIZATION,
    USER,
    Desired,
)
from ansible_collections.virtmail.mailserver.plugins.module_utils._password import Password

HASH = Password("correct horse", "SHA512-CRYPT", 5001).stored_form()
SECRET = "app-0123456789abcdefghij"
DIGEST = "{SHA256}" + hashlib.sha256(SECRET.encode()).hexdigest()
STORED = {
    "organizations": {"acme": ORGANIZATION.record(max_users=5)},
    "domains": {"example.com": DOMAIN.record(description="Office")},
    "users": {"alice@example.com": USER.record(password=HASH, quota_bytes=1024, display_name="Alice")},
    "app_passwords": {"alice@example.com/phone": APP_PASSWORD.record(password=DIGEST, protocols="imap smtp")},
    "aliases": {"info@example.com": ALIAS.record(destination=("alice@example.com", "bob@example.net"))},
}


def complete(kind, row):
    """A row with all options, as Ansible gives it."""
    apps = [complete(APP_PASSWORD, app) for app in row.get("app_passwords", ())]
    return {**dict.fromkeys(kind.options), "state": "present", **row, "app_passwords": apps}


def plan(organizations=(), domains=(), users=(), aliases=(), purge=()):
    desired = Desired({})
    for kind, given in zip(LISTED_KINDS, (organizations, domains, users, aliases)):
        desired.add_list(kind, [complete(kind, row) for row in given])
    assert not desired.faults
    comparisons = _plan.find_comparisons(desired.rows, STORED)
    others = {key for key, password, stored in comparisons if not password.matches(stored)}
    return _plan.make_plan(desired.rows, STORED, purge, others)


def test_omitted_options_keep_what_is_stored():
    assert not plan(domains=[{"name": "example.com"}], users=[{"email": "alice@example.com"}])


def test_omitted_options_of_a_new_row_get_their_defaults():
    (change,) = plan(domains=[{"name": "example.net"}])
    assert (change.verb, change.after) == ("created", DOMAIN.record(description="", active=True))


def test_only_what_differs_changes():
    (change,) = plan(users=[{"email": "ALICE@example.com", "quota": "2K", "display_name": "Alice", "active": True}])
    assert (change.verb, change.columns) == ("updated", ["quota_bytes"])


def test_quota_can_go_back_to_the_default():
    (change,) = plan(users=[{"email": "alice@example.com", "quota": "default"}])
    assert change.after.quota_bytes is None


def test_absent_rows():
    changes = plan(
        users=[{"email": "alice@example.com", "state": "absent"}, {"email": "nobody@example.com", "state": "absent"}]
    )
    assert [(change.key, change.verb) for change in changes] == [
        ("alice@example.com", "deleted"),
        ("alice@example.com/phone", "deleted"),
    ]


def test_same_password_is_no_change():
    assert not plan(users=[{"email": "alice@example.com", "password": "correct horse"}])
    assert not plan(users=[{"email": "alice@example.com", "password_hash": HASH}])


def test_other_password_is_a_change_unless_only_on_create():
    user = {"email": "alice@example.com", "password": "battery staple"}
    (change,) = plan(users=[user])
    assert change.columns == ["password"]
    assert not plan(users=[{**user, "update_password": "on_create"}])


def test_passwords_are_compared_only_where_it_decides(monkeypatch):
    monkeypatch.setattr(Password, "matches", lambda self, stored: 1 / 0)
    plan(
        users=[
            {"email": "alice@example.com", "password": "battery staple", "update_password": "on_create"},
            {"email": "new@example.com", "password": "battery staple"},
        ]
    )


def test_purge_takes_what_is_not_named():
    changes = plan(aliases=[{"source": "x@example.com", "destination": ["a@example.net"]}], purge=["aliases"])
    assert [(change.key, change.verb, change.purged) for change in changes] == [
        ("info@example.com", "deleted", True),
        ("x@example.com", "created", False),
    ]


def test_purge_leaves_what_others_have_written(monkeypatch):
    monkeypatch.setitem(STORED, "aliases", {"info@example.com": ALIAS.record(("a@example.net",), managed=False)})
    assert not plan(domains=[{"name": "example.com"}], purge=["aliases"])


def test_declared_rows_are_adopted_unless_given_away(monkeypatch):
    monkeypatch.setitem(STORED, "domains", {"example.com": DOMAIN.record(description="Office", managed=False)})
    (change,) = plan(domains=[{"name": "example.com"}])
    assert (change.verb, change.columns) == ("updated", ["managed"])
    assert not plan(domains=[{"name": "example.com", "managed": False}])


def test_diff_is_sorted_and_shows_no_secret():
    changes = plan(
        domains=[{"name": "example.org"}],
        users=[
            {"email": "zoe@example.com", "password": "battery staple"},
            {"email": "alice@example.com", "password": "battery staple", "quota": "5G"},
        ],
        aliases=[{"source": "info@example.com", "destination": ["alice@example.com"]}],
    )
    assert _plan.diff(changes) == {
        "before": (
            "user alice@example.com password: set\n"
            "user alice@example.com quota: 1K\n"
            "alias info@example.com destination: alice@example.com\n"
            "alias info@example.com destination: bob@example.net\n"
        ),
        "after": (
            "domain example.org organization: \n"
            "domain example.org description: \n"
            "domain example.org active: true\n"
            "domain example.org managed: true\n"
            "user alice@example.com password: changed\n"
            "user alice@example.com quota: 5G\n"
            "user zoe@example.com password: set\n"
            "user zoe@example.com password_protocols: all\n"
            "user zoe@example.com quota: default\n"
            "user zoe@example.com display_name: \n"
            "user zoe@example.com active: true\n"
            "user zoe@example.com managed: true\n"
            "alias info@example.com destination: alice@example.com\n"
        ),
    }


def test_summary_counts_all_and_names_some():
    changes = plan(domains=[{"name": f"d{number}.example"} for number in range(30)])
    summary = _plan.summary(changes)
    assert summary["counts"]["domains"] == {"created": 30, "updated": 0, "deleted": 0}
    assert len(summary["names"]["domains"]["created"]) == 20


def test_output_of_info_is_no_change_as_input():
    given = _plan.as_input(STORED, with_hashes=True)
    assert not plan(**given)
    assert all("password_hash" not in user for user in _plan.as_input(STORED, with_hashes=False)["users"])
    assert {kind.plural for kind in LISTED_KINDS} == set(given)
