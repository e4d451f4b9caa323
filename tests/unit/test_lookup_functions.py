# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The functions that Postfix and Dovecot ask, and the notifications about changes."""

from __future__ import annotations

import psycopg
import pytest

DIRECTORY = """
INSERT INTO virtual_domains (name, active) VALUES
  ('a.test', true), ('catch.test', true), ('old.test', true), ('older.test', true), ('off.test', false),
  ('ring1.test', true), ('ring2.test', true);
INSERT INTO virtual_users (domain_id, email, password, quota_bytes, active)
SELECT domain.id, email, '{X}' || email, quota, account.active
FROM (VALUES
  ('alice@a.test', 1000, true), ('bob@a.test', NULL, true), ('gone@a.test', 0, false), ('away@a.test', 0, false),
  ('box@catch.test', NULL, true), ('gone@catch.test', NULL, false), ('user@off.test', NULL, true)
) AS account (email, quota, active)
JOIN virtual_domains AS domain ON domain.name = split_part(email, '@', 2);
INSERT INTO virtual_app_passwords (email, name, password)
SELECT email, name, '{SHA256}' || repeat(digit, 64)
FROM (VALUES ('alice@a.test', 'phone', '1'), ('alice@a.test', 'laptop', '2'), ('bob@a.test', 'phone', '1')) AS app (email, name, digit);
INSERT INTO virtual_aliases (domain_id, source, destination)
SELECT domain.id, source, destination
FROM (VALUES
  ('info@a.test', 'alice@a.test'), ('info@a.test', 'someone@outside.test'),
  ('nested@a.test', 'info@a.test'), ('half@a.test', 'away@a.test'), ('half@a.test', 'bob@a.test'),
  ('dead@a.test', 'away@a.test'), ('dead@a.test', 'user@off.test'), ('dead@a.test', 'nobody@a.test'),
  ('loop1@a.test', 'loop2@a.test'), ('loop2@a.test', 'loop1@a.test'),
  ('bob@a.test', 'bob@a.test'), ('bob@a.test', 'copy@outside.test'),
  ('gone@a.test', 'gone@a.test'), ('gone@a.test', 'copy@outside.test'),
  ('tagged+one@a.test', 'alice@a.test'),
  ('@catch.test', 'bob@a.test'), ('@old.test', '@a.test'), ('@older.test', '@old.test'), ('@older.test', 'box@catch.test'),
  ('x@off.test', 'alice@a.test'), ('@off.test', 'alice@a.test'),
  ('@ring1.test', '@ring2.test'), ('@ring2.test', '@ring1.test')
) AS alias (source, destination)
JOIN virtual_domains AS domain ON domain.name = split_part(source, '@', 2);
"""


@pytest.fixture
def ask(connection):
    """Ask one function; the answer is a sorted list of its rows, bare values where they have one column."""
    connection.execute(DIRECTORY)

    def ask(function, *arguments):
        marks = ", ".join(["%s"] * len(arguments))
        rows = connection.execute(f"SELECT * FROM mail_lookup.{function}({marks})", arguments).fetchall()
        return sorted(row[0] if len(row) == 1 else row for row in rows)

    return ask


@pytest.mark.parametrize(
    ("domain", "answer"),
    [("a.test", ["a.test"]), ("A.Test", ["a.test"]), ("off.test", ["off.test"]), ("outside.test", [])],
)
def test_mailbox_domain(ask, domain, answer):
    assert ask("mailbox_domain", domain) == answer


@pytest.mark.parametrize(
    ("address", "answer"),
    [
        ("alice@a.test", ["alice@a.test"]),
        ("ALICE@A.test", ["alice@a.test"]),
        ("alice+tag@a.test", []),
        ("gone@a.test", []),
        ("user@off.test", []),
        ("info@a.test", []),
    ],
)
def test_mailbox(ask, address, answer):
    assert ask("mailbox", address) == answer


@pytest.mark.parametrize(
    ("address", "answer"),
    [
        # own aliases
        ("info@a.test", ["alice@a.test", "someone@outside.test"]),
        ("INFO@a.test", ["alice@a.test", "someone@outside.test"]),
        ("bob@a.test", ["bob@a.test", "copy@outside.test"]),
        ("nested@a.test", ["info@a.test"]),
        ("gone@a.test", ["copy@outside.test"]),
        # extensions: without an alias of its own, the address without it decides, and Postfix asks for that itself
        ("info+tag@a.test", []),
        ("alice+tag@a.test", []),
        ("tagged+one@a.test", ["alice@a.test"]),
        ("tagged+two@a.test", []),
        # what leads nowhere is not an answer
        ("half@a.test", ["bob@a.test"]),
        ("dead@a.test", []),
        ("loop1@a.test", []),
        # boxes, active or not, are not swallowed by a catch-all
        ("any@catch.test", ["bob@a.test"]),
        ("any+tag@catch.test", ["bob@a.test"]),
        ("box@catch.test", ["box@catch.test"]),
        ("box+tag@catch.test", []),
        ("gone@catch.test", []),
        ("gone+tag@catch.test", []),
        # whole domains
        ("alice@old.test", ["alice@a.test"]),
        ("alice+tag@old.test", ["alice+tag@a.test"]),
        ("info@old.test", ["info@a.test"]),
        ("away@old.test", []),
        ("gone@old.test", ["gone@a.test"]),
        ("nobody@old.test", []),
        ("alice@older.test", ["alice@a.test"]),
        ("nobody@older.test", ["box@catch.test"]),
        ("any@ring1.test", []),
        # inactive domains, others' domains, things that are no address
        ("x@off.test", []),
        ("any@off.test", []),
        ("any@outside.test", []),
        ("alice", []),
        ("@catch.test", []),
        ("", []),
    ],
)
def test_alias(ask, address, answer):
    assert ask("alias", address) == answer


@pytest.mark.parametrize(
    ("address", "answer"),
    [
        ("alice@a.test", ["alice@a.test"]),
        ("Alice+tag@a.test", ["alice@a.test"]),
        ("bob@a.test", ["bob@a.test"]),
        ("info@a.test", ["alice@a.test"]),
        ("nested@a.test", ["alice@a.test"]),
        ("alice@older.test", ["alice@a.test"]),
        ("any@catch.test", ["bob@a.test"]),
        ("gone@a.test", []),
        ("gone@catch.test", []),
        ("dead@a.test", []),
        ("loop1@a.test", []),
        ("user@off.test", []),
        ("x@off.test", []),
        ("someone@outside.test", []),
    ],
)
def test_sender_login(ask, address, answer):
    assert ask("sender_login", address) == answer


def test_dovecot_sees_active_users_of_active_domains(ask):
    assert ask("usernames") == ["alice@a.test", "bob@a.test", "box@catch.test"]
    assert ask("passdb", "Alice@a.test") == [("alice@a.test", "{X}alice@a.test", None)]
    assert ask("userdb", "Alice@a.test") == [("alice@a.test", 1000)]
    assert ask("userdb", "bob@a.test") == [("bob@a.test", None)]
    for absent in ("gone@a.test", "user@off.test", "alice+tag@a.test", "info@a.test"):
        assert ask("passdb", absent) == ask("userdb", absent) == []


def test_lookups_do_not_read_the_whole_of_a_large_directory(ask, connection):
    connection.execute(
        """
        INSERT INTO virtual_aliases (domain_id, source, destination)
        SELECT id, 'many' || number || '@a.test', 'alice@a.test'
        FROM virtual_domains, generate_series(1, 50000) AS number WHERE name = 'a.test'
        """
    )
    connection.execute("ANALYZE")
    for address, answers in ("many777@a.test", ["alice@a.test"]), ("nobody@a.test", []):
        with connection.transaction():
            assert ask("alias", address) == answers
            read = "SELECT seq_tup_read FROM pg_stat_xact_user_tables WHERE relname = 'virtual_aliases'"
            assert connection.execute(read).fetchone() == (0,)


@pytest.fixture
def heard(ask, connection, database):
    """Execute a statement, return what is notified about it."""

    def heard(statement):
        with psycopg.connect(
            host=database["login_unix_socket"], user="postgres", dbname=database["login_db"], autocommit=True
        ) as other:
            (channel,) = other.execute("SELECT mail_lookup.channel()").fetchone()
            other.execute(f'LISTEN "{channel}"')
            connection.execute(statement)
            connection.execute("SELECT pg_notify(%s, 'end')", (channel,))
            payloads = []
            for notice in other.notifies(timeout=60):
                if notice.payload == "end":
                    break
                payloads.append(notice.payload)
            return sorted(payloads)

    return heard


@pytest.mark.parametrize(
    ("statement", "payloads"),
    [
        ("UPDATE virtual_users SET password = '{X}new' WHERE email = 'alice@a.test'", ["user alice@a.test"]),
        ("UPDATE virtual_users SET quota_bytes = 5 WHERE email LIKE '%@catch.test'", ["user box@catch.test", "user gone@catch.test"]),
        ("UPDATE virtual_users SET active = NOT active WHERE email = 'gone@a.test'", ["user gone@a.test"]),
        ("UPDATE virtual_users SET email = 'al@a.test' WHERE email = 'alice@a.test'", ["user al@a.test", "user alice@a.test"]),
        ("UPDATE virtual_users SET password_protocols = 'web' WHERE email = 'alice@a.test'", ["user alice@a.test"]),
        ("UPDATE virtual_users SET display_name = 'Somebody'", []),
        ("UPDATE virtual_users SET password = password", []),
        ("DELETE FROM virtual_users WHERE email = 'bob@a.test'", ["user bob@a.test"]),
        (
            "INSERT INTO virtual_users (domain_id, email, password) SELECT id, 'new@a.test', '{X}' FROM virtual_domains WHERE name = 'a.test'",
            ["user new@a.test"],
        ),
        (
            "INSERT INTO virtual_users (domain_id, email, password)"
            " SELECT id, n || '@a.test', '{X}' FROM virtual_domains, generate_series(1, 101) AS n WHERE name = 'a.test'",
            ["all"],
        ),
        ("UPDATE virtual_app_passwords SET protocols = 'imap'", ["user alice@a.test", "user bob@a.test"]),
        ("UPDATE virtual_app_passwords SET email = 'bob@a.test' WHERE name = 'laptop'", ["user alice@a.test", "user bob@a.test"]),
        ("UPDATE virtual_app_passwords SET managed = true, name = name || ' of old'", []),
        (
            "INSERT INTO virtual_app_passwords (email, name, password) VALUES ('bob@a.test', 'new', '{SHA256}' || repeat('3', 64))",
            ["user bob@a.test"],
        ),
        ("DELETE FROM virtual_app_passwords WHERE name = 'laptop'", ["user alice@a.test"]),
        ("TRUNCATE virtual_app_passwords", ["all"]),
        ("UPDATE virtual_domains SET active = false WHERE name = 'a.test'", ["domain a.test"]),
        ("UPDATE virtual_domains SET description = 'text'", []),
        ("INSERT INTO virtual_domains (name) VALUES ('new.test')", ["domain new.test"]),
        ("DELETE FROM virtual_domains WHERE name = 'off.test'", ["domain off.test", "user user@off.test"]),
        ("DELETE FROM virtual_aliases", []),
        ("TRUNCATE virtual_domains CASCADE", ["all"]),
    ],
)
def test_notifications(heard, statement, payloads):
    assert heard(statement) == payloads
