# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The limits of organizations, which the database keeps whoever writes."""

from __future__ import annotations

import threading

import psycopg
import pytest

DIRECTORY = """
INSERT INTO virtual_organizations (name, max_domains, max_users, max_aliases, max_quota_bytes) VALUES
  ('acme', 2, 3, 2, 1000), ('free', NULL, NULL, NULL, NULL);
INSERT INTO virtual_domains (id, name, organization) VALUES
  (1, 'a.test', 'acme'), (2, 'b.test', 'acme'), (3, 'free.test', 'free'), (4, 'none.test', NULL), (5, 'empty.test', NULL);
INSERT INTO virtual_users (domain_id, email, password, quota_bytes) VALUES
  (1, 'x@a.test', 'p', 400), (2, 'y@b.test', 'p', 400),
  (3, 'x@free.test', 'p', NULL), (4, 'w@none.test', 'p', NULL), (4, 'x@none.test', 'p', NULL);
INSERT INTO virtual_aliases (domain_id, source, destination) VALUES (1, 'i@a.test', 'x@a.test'), (4, 'i@none.test', 'x@none.test');
"""
USERS = "INSERT INTO virtual_users (domain_id, email, password, quota_bytes) VALUES "
ALIASES = "INSERT INTO virtual_aliases (domain_id, source, destination) VALUES "

TOO_MUCH = [
    (
        USERS + "(1, 'z@a.test', 'p', 1), (2, 'z@b.test', 'p', 1)",
        "organization acme may have 3 users and would have 4",
    ),
    (USERS + "(1, 'z@a.test', 'p', 201)", "organization acme may have 1000 bytes of quota and would have 1001"),
    (
        USERS + "(1, 'z@a.test', 'p', NULL)",
        "organization acme may have 1000 bytes of quota, and user z@a.test has no quota of its own",
    ),
    ("UPDATE virtual_users SET quota_bytes = 0 WHERE id = 1", "and user x@a.test has no quota of its own"),
    ("UPDATE virtual_users SET quota_bytes = 9223372036854775807", "and would have 18446744073709551614"),
    ("UPDATE virtual_users SET id = id + 100, quota_bytes = 700", "may have 1000 bytes of quota and would have 1400"),
    (
        "UPDATE virtual_users SET domain_id = 1, quota_bytes = 1",
        "organization acme may have 3 users and would have 5",
    ),
    (
        ALIASES + "(1, 'j@a.test', 'x@a.test'), (1, 'i@a.test', 'y@b.test')",
        "organization acme may have 2 destinations of aliases and would have 3",
    ),
    ("UPDATE virtual_aliases SET domain_id = 1;" + ALIASES + "(2, 'i@b.test', 'x@a.test')", "would have 3"),
    (
        "INSERT INTO virtual_domains (id, name, organization) VALUES (9, 'c.test', 'acme')",
        "organization acme may have 2 domains and would have 3",
    ),
    ("UPDATE virtual_domains SET organization = 'acme' WHERE name = 'empty.test'", "may have 2 domains and would have 3"),
    (
        "UPDATE virtual_domains SET organization = NULL WHERE id = 1;"
        "UPDATE virtual_domains SET organization = 'acme' WHERE id = 4",
        "organization acme may have 1000 bytes of quota, and user w@none.test has no quota of its own",
    ),
    ("UPDATE virtual_organizations SET max_users = 1", "organization acme may have 1 users and would have 2"),
    ("UPDATE virtual_organizations SET max_quota_bytes = 1 WHERE name = 'free'", "organization free may have 1 bytes"),
    ("UPDATE virtual_organizations SET name = 'new', max_users = 1 WHERE name = 'acme'", "organization new may have 1 users"),
]


@pytest.fixture(autouse=True)
def filled(connection):
    connection.execute(DIRECTORY)


@pytest.fixture
def other(database):
    """A second connection."""
    options = {"host": database["login_unix_socket"], "user": "postgres", "dbname": database["login_db"]}
    with psycopg.connect(**options) as connection:
        yield connection
        connection.rollback()


@pytest.mark.parametrize(("statement", "message"), TOO_MUCH)
def test_too_much_is_refused(connection, rows, statement, message):
    before = rows()
    with pytest.raises(psycopg.errors.CheckViolation, match=message), connection.transaction():
        connection.execute(statement)
    assert rows() == before


def test_copy_is_refused(connection, rows):
    before = rows()
    with pytest.raises(psycopg.errors.CheckViolation, match="may have 3 users and would have 4"):
        with connection.cursor().copy("COPY virtual_users (domain_id, email, password, quota_bytes) FROM STDIN") as copy:
            copy.write("1\tz@a.test\tp\t1\n2\tz@b.test\tp\t1\n")
    assert rows() == before


@pytest.mark.parametrize("mode", ["SET CONSTRAINTS ALL IMMEDIATE", "SET CONSTRAINTS ALL DEFERRED"])
def test_each_of_many_statements_counts(connection, mode):
    with pytest.raises(psycopg.errors.CheckViolation, match="may have 3 users and would have 4"), connection.transaction():
        connection.execute(mode)
        connection.execute(USERS + "(1, 'z@a.test', 'p', 1)")
        connection.execute(USERS + "(2, 'z@b.test', 'p', 1)")


def test_only_the_end_of_a_transaction_counts(connection, rows):
    with connection.transaction():
        connection.execute(USERS + "(1, 'z@a.test', 'p', 500), (2, 'z@b.test', 'p', 1)")
        connection.execute("UPDATE virtual_domains SET organization = 'free' WHERE id = 2")
        connection.execute("UPDATE virtual_users SET quota_bytes = 100 WHERE email = 'z@a.test'")
    assert len(rows()["users"]) == 7


def test_up_to_the_limit_and_without_one(connection):
    connection.execute(USERS + "(1, 'z@a.test', 'p', 200)")
    connection.execute(ALIASES + "(1, 'j@a.test', 'x@a.test')")
    connection.execute(USERS + "(3, 'y@free.test', 'p', 0), (4, 'y@none.test', 'p', NULL)")
    connection.execute("UPDATE virtual_users SET password = 'q', active = false")
    connection.execute("DELETE FROM virtual_users WHERE domain_id = 1")


def test_an_organization_with_domains_stays(connection):
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        connection.execute("DELETE FROM virtual_organizations WHERE name = 'acme'")


# Each of the two keeps the limits alone. The second waits for the first, or fails.
RACES = [
    (USERS + "(1, 'z@a.test', 'p', 1)", USERS + "(2, 'z@b.test', 'p', 1)"),
    ("UPDATE virtual_users SET quota_bytes = 600 WHERE id = 1", "UPDATE virtual_users SET quota_bytes = 600 WHERE id = 2"),
    (ALIASES + "(1, 'j@a.test', 'x@a.test')", ALIASES + "(2, 'i@b.test', 'x@a.test')"),
    (USERS + "(1, 'z@a.test', 'p', 1)", "UPDATE virtual_organizations SET max_users = 2 WHERE name = 'acme'"),
    (USERS + "(5, 'z@empty.test', 'p', NULL)", "UPDATE virtual_domains SET organization = 'acme' WHERE id = 5"),
    (
        "UPDATE virtual_users SET quota_bytes = 700 WHERE domain_id = 4",
        "UPDATE virtual_domains SET organization = CASE WHEN id = 4 THEN 'acme' END WHERE id IN (1, 2, 4)",
    ),
]


@pytest.mark.parametrize("level", [psycopg.IsolationLevel.READ_COMMITTED, psycopg.IsolationLevel.REPEATABLE_READ])
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("race", RACES)
def test_two_writers_at_once(connection, other, race, order, level):
    if "id = 5" in race[1]:
        connection.execute("UPDATE virtual_domains SET organization = NULL WHERE id = 2")
    if "id = 4 THEN" in race[1]:
        connection.execute("UPDATE virtual_users SET quota_bytes = 400 WHERE domain_id = 4")
    first, second = race[::order]
    other.isolation_level = level
    other.execute("SELECT 1 FROM virtual_users")  # a snapshot from before
    refusals = []

    def write():
        try:
            other.execute(second)
            other.commit()
        except (psycopg.errors.CheckViolation, psycopg.errors.SerializationFailure, psycopg.errors.RaiseException) as exc:
            refusals.append(exc)

    with connection.transaction():
        connection.execute(first)
        thread = threading.Thread(target=write)
        thread.start()
        thread.join(0.3)
        assert thread.is_alive() and not refusals  # it waits
    thread.join(10)
    assert len(refusals) == 1
