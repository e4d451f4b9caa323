# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""App passwords in the database: what Dovecot is told, what the history keeps, what a row may be."""

from __future__ import annotations

import psycopg
import pytest

DIGESTS = ["0" * 64, "f" * 64]


@pytest.fixture(autouse=True)
def filled(connection):
    connection.execute("INSERT INTO virtual_domains (name) VALUES ('a.test')")
    connection.execute(
        "INSERT INTO virtual_users (domain_id, email, password, password_protocols)"
        " VALUES (1, 'x@a.test', '{X}own', 'web'), (1, 'y@a.test', '{X}own', NULL)"
    )
    connection.execute(
        "INSERT INTO virtual_app_passwords (email, name, password, protocols) VALUES"
        f" ('x@a.test', 'phone', '{{SHA256}}{DIGESTS[0]}', 'imap smtp'), ('x@a.test', 'all', '{{SHA256}}{DIGESTS[1]}', NULL)"
    )


@pytest.mark.parametrize(
    ("login", "digest", "answer"),
    [
        ("X@A.test", DIGESTS[0], ("x@a.test", "{SHA256}" + DIGESTS[0], "imap smtp")),
        ("x@a.test", DIGESTS[1], ("x@a.test", "{SHA256}" + DIGESTS[1], None)),
        ("x@a.test", "1" * 64, ("x@a.test", "{X}own", "web")),
        ("x@a.test", "", ("x@a.test", "{X}own", "web")),
        ("y@a.test", DIGESTS[0], ("y@a.test", "{X}own", None)),
        ("nobody@a.test", DIGESTS[0], None),
    ],
)
def test_the_password_that_is_asked_for_or_else_the_own(connection, login, digest, answer):
    assert connection.execute("SELECT * FROM mail_lookup.passdb(%s, %s)", (login, digest)).fetchone() == answer


def test_no_app_password_of_who_is_inactive(connection):
    connection.execute("UPDATE virtual_users SET active = false WHERE email = 'x@a.test'")
    assert connection.execute("SELECT * FROM mail_lookup.passdb('x@a.test', %s)", (DIGESTS[0],)).fetchall() == []


@pytest.mark.parametrize(
    ("statement", "entries"),
    [
        (
            "UPDATE virtual_app_passwords SET protocols = 'imap' WHERE name = 'phone'",
            [("x@a.test/phone", "updated", {"protocols": "imap smtp"}, {"protocols": "imap"})],
        ),
        (
            f"UPDATE virtual_app_passwords SET password = '{{SHA256}}{'1' * 64}' WHERE name = 'phone'",
            [("x@a.test/phone", "updated", {"password": "set"}, {"password": "changed"})],
        ),
        (
            "DELETE FROM virtual_users WHERE email = 'x@a.test'",
            [
                ("x@a.test/all", "deleted", {"key": "x@a.test/all", "protocols": None, "managed": False}, None),
                ("x@a.test/phone", "deleted", {"key": "x@a.test/phone", "protocols": "imap smtp", "managed": False}, None),
            ],
        ),
    ],
)
def test_history(connection, statement, entries):
    connection.execute("DELETE FROM mail_internal.history")
    connection.execute(statement)
    query = "SELECT key, verb, before, after FROM mail_internal.history WHERE kind = 'app password' ORDER BY key"
    assert connection.execute(query).fetchall() == entries


@pytest.mark.parametrize(
    "values",
    [
        f"('x@a.test', 'a/b', '{{SHA256}}{'1' * 64}', 'imap')",
        f"('x@a.test', '', '{{SHA256}}{'1' * 64}', 'imap')",
        "('x@a.test', 'new', 'app-0123456789abcdefghij', 'imap')",
        f"('x@a.test', 'new', '{{SHA256}}{'1' * 64}', 'imap ftp')",
        f"('x@a.test', 'phone', '{{SHA256}}{'1' * 64}', 'imap')",
        f"('x@a.test', 'new', '{{SHA256}}{DIGESTS[0]}', 'imap')",
        f"('nobody@a.test', 'new', '{{SHA256}}{'1' * 64}', 'imap')",
    ],
)
def test_rows_that_cannot_be(connection, values):
    with pytest.raises(psycopg.errors.IntegrityError):
        connection.execute(f"INSERT INTO virtual_app_passwords (email, name, password, protocols) VALUES {values}")
