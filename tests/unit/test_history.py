# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The database's own record of every change of a row."""

from __future__ import annotations

import json

import pytest

SECRETS = ("{SHA512-CRYPT}$6$first", "{SHA512-CRYPT}$6$second")
COLUMNS = "role, kind, key, verb, before, after"


@pytest.fixture
def history(connection):
    """Executes a statement and returns what it has left in the history."""

    def read(statement):
        connection.execute("DELETE FROM mail_internal.history")
        connection.execute(statement)
        entries = connection.execute(f"SELECT {COLUMNS} FROM mail_internal.history ORDER BY id").fetchall()
        assert not any(secret in json.dumps(entries) for secret in SECRETS)
        assert all(role == "postgres" for role, *dummy in entries)
        return [entry[1:] for entry in entries]

    return read


@pytest.fixture(autouse=True)
def filled(connection):
    connection.execute(
        "INSERT INTO virtual_domains (name) VALUES ('a.test'), ('b.test');"
        "INSERT INTO virtual_users (domain_id, email, password) SELECT id, 'x@' || name, '{SHA512-CRYPT}$6$first' FROM virtual_domains;"
        "INSERT INTO virtual_aliases (domain_id, source, destination) SELECT id, 'i@' || name, 'x@' || name FROM virtual_domains"
    )


def user(address, **values):
    unset = dict.fromkeys(["quota_bytes", "password_protocols"])
    return {"email": address, "display_name": "", "active": True, "managed": False, **unset, **values}


def test_creation(history):
    statement = (
        "INSERT INTO virtual_users (domain_id, email, password, quota_bytes)"
        " SELECT id, 'new@a.test', '{SHA512-CRYPT}$6$first', 5 FROM virtual_domains WHERE name = 'a.test'"
    )
    assert history(statement) == [("user", "new@a.test", "created", None, user("new@a.test", quota_bytes=5))]


def test_copy(history, connection):
    with connection.cursor().copy("COPY virtual_domains (name) FROM STDIN") as copy:
        copy.write("c.test\nd.test\n")
    found = connection.execute("SELECT key FROM mail_internal.history WHERE verb = 'created' AND kind = 'domain' ORDER BY id")
    assert found.fetchall() == [("a.test",), ("b.test",), ("c.test",), ("d.test",)]


@pytest.mark.parametrize(
    ("assignment", "before", "after"),
    [
        ("quota_bytes = 7, active = false", {"quota_bytes": None, "active": True}, {"quota_bytes": 7, "active": False}),
        ("password = '{SHA512-CRYPT}$6$second'", {"password": "set"}, {"password": "changed"}),
        ("managed = true, password = 'x'", {"managed": False, "password": "set"}, {"managed": True, "password": "changed"}),
        ("email = 'y@a.test'", {"email": "x@a.test"}, {"email": "y@a.test"}),
    ],
)
def test_update(history, assignment, before, after):
    key = after.get("email", "x@a.test")
    assert history(f"UPDATE virtual_users SET {assignment} WHERE email = 'x@a.test'") == [("user", key, "updated", before, after)]


def test_update_that_changes_nothing(history):
    assert history("UPDATE virtual_users SET active = true, password = password") == []
    assert history("DELETE FROM virtual_users WHERE email = 'nobody@a.test'") == []


def test_update_of_many_rows_is_as_many_entries(history):
    assert [entry[1] for entry in history("UPDATE virtual_domains SET description = name")] == ["a.test", "b.test"]


def test_deletion_takes_what_is_in_the_domain(history):
    entries = history("DELETE FROM virtual_domains WHERE name = 'a.test'")
    assert sorted(entry[:3] for entry in entries) == [
        ("alias", "i@a.test", "deleted"),
        ("domain", "a.test", "deleted"),
        ("user", "x@a.test", "deleted"),
    ]
    assert ("user", "x@a.test", "deleted", user("x@a.test"), None) in entries


def test_truncation(history):
    assert len(history("TRUNCATE virtual_domains CASCADE")) == 6


def test_trimming(history, connection):
    history("UPDATE virtual_domains SET active = false")
    connection.execute("UPDATE mail_internal.history SET at = at - interval '10 days' WHERE key = 'a.test'")
    connection.execute("SELECT mail_internal.trim_history('9 days')")
    assert connection.execute("SELECT key FROM mail_internal.history").fetchall() == [("b.test",)]


def test_organizations(history):
    statement = (
        "INSERT INTO virtual_organizations (name, max_users) VALUES ('acme', 5);"
        "UPDATE virtual_domains SET organization = 'acme' WHERE name = 'a.test';"
        "UPDATE virtual_users SET quota_bytes = quota_bytes"
    )
    unset = dict.fromkeys(["max_domains", "max_aliases", "max_quota_bytes", "database_role"])
    assert history(statement) == [
        ("organization", "acme", "created", None, {"name": "acme", "description": "", "max_users": 5, "managed": False, **unset}),
        ("domain", "a.test", "updated", {"organization": None}, {"organization": "acme"}),
    ]
