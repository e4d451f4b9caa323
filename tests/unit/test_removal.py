# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the database remembers of removed users, and whom it keeps out meanwhile."""

from __future__ import annotations

import psycopg
import pytest

ADDED = (
    "INSERT INTO virtual_users (domain_id, email, password, quota_bytes)"
    " SELECT id, %s, '{X}secret', 5 FROM virtual_domains WHERE name = split_part(%s, '@', 2)"
)


@pytest.fixture(autouse=True)
def filled(connection):
    connection.execute("INSERT INTO virtual_domains (name) VALUES ('a.test'), ('b.test')")
    for address in ("x@a.test", "y@a.test", "x@b.test"):
        connection.execute(ADDED, (address, address))


@pytest.fixture
def add(connection):
    return lambda address: connection.execute(ADDED, (address, address))


@pytest.fixture
def entries(connection):
    """The addresses that are to be put away."""

    def read(with_kept=False):
        rows = connection.execute("SELECT address FROM mail_lookup.removed_mailboxes('', %s)", (with_kept,)).fetchall()
        return [address for (address,) in rows]

    return read


@pytest.fixture
def put_away(connection):
    def mark(address):
        connection.execute(
            "SELECT mail_lookup.put_away(address, removed_at) FROM mail_lookup.removed_mailboxes('', false) WHERE address = %s",
            (address,),
        )

    return mark


@pytest.fixture
def look_up(connection):
    """The answers of both functions; None for an error, which Dovecot takes for a temporary failure."""

    def answer(function, address):
        try:
            return connection.execute(f"SELECT * FROM mail_lookup.{function}(%s)", (address,)).fetchall()
        except psycopg.errors.ObjectNotInPrerequisiteState:
            return None

    return lambda address: (answer("passdb", address), answer("userdb", address))


def known(address):
    return [(address, "{X}secret", None)], [(address, 5)]


UNKNOWN = ([], [])
REFUSED = (None, None)


@pytest.mark.parametrize(
    ("statement", "removed"),
    [
        ("DELETE FROM virtual_users WHERE email = 'x@a.test'", ["x@a.test"]),
        ("DELETE FROM virtual_users", ["x@a.test", "x@b.test", "y@a.test"]),
        ("DELETE FROM virtual_domains WHERE name = 'a.test'", ["x@a.test", "y@a.test"]),
        ("TRUNCATE virtual_users CASCADE", ["x@a.test", "x@b.test", "y@a.test"]),
        ("TRUNCATE virtual_domains CASCADE", ["x@a.test", "x@b.test", "y@a.test"]),
        ("UPDATE virtual_users SET email = 'z@a.test' WHERE email = 'x@a.test'", ["x@a.test"]),
        ("UPDATE virtual_users SET email = 'new' || email", ["x@a.test", "x@b.test", "y@a.test"]),
        ("UPDATE virtual_users SET email = email, password = 'x', active = false, quota_bytes = 1, id = id + 10", []),
        ("UPDATE virtual_domains SET active = false", []),
        ("DELETE FROM virtual_users WHERE false", []),
    ],
)
def test_whoever_is_removed_is_remembered(connection, entries, statement, removed):
    connection.execute(statement)
    assert entries() == removed


def test_a_removal_that_is_undone_is_forgotten(connection, entries):
    with connection.transaction(force_rollback=True):
        connection.execute("TRUNCATE virtual_users CASCADE")
    assert entries() == []


def test_a_new_user_waits_until_the_old_mail_is_away(connection, add, put_away, look_up):
    assert look_up("x@a.test") == known("x@a.test")
    connection.execute("DELETE FROM virtual_users WHERE email = 'x@a.test'")
    assert look_up("x@a.test") == UNKNOWN
    add("x@a.test")
    assert look_up("x@a.test") == look_up("X@A.test") == REFUSED
    assert look_up("y@a.test") == known("y@a.test")
    put_away("x@a.test")
    assert look_up("x@a.test") == known("x@a.test")


def test_replaced_in_one_transaction(connection, add, look_up):
    """A restored backup, or a program that knows no UPDATE, cannot be told from a new owner."""
    with connection.transaction():
        connection.execute("DELETE FROM virtual_users WHERE email = 'x@a.test'")
        add("x@a.test")
    assert look_up("x@a.test") == REFUSED


def test_a_user_who_takes_the_address_of_another(connection, look_up):
    connection.execute("DELETE FROM virtual_users WHERE email = 'y@a.test'")
    connection.execute("UPDATE virtual_users SET email = 'y@a.test' WHERE email = 'x@a.test'")
    assert look_up("y@a.test") == REFUSED
    assert look_up("x@a.test") == UNKNOWN


def test_put_away_before_there_is_a_new_user(connection, entries, add, put_away, look_up):
    """The address is looked at once more when it is given away: a delivery may have been under way."""
    connection.execute("DELETE FROM virtual_users WHERE email = 'x@a.test'")
    put_away("x@a.test")
    assert entries() == []
    add("x@a.test")
    assert entries() == ["x@a.test"] and look_up("x@a.test") == REFUSED
    put_away("x@a.test")
    assert entries() == [] and look_up("x@a.test") == known("x@a.test")


def test_put_away_for_long_is_forgotten(connection, add, put_away, look_up):
    connection.execute("DELETE FROM virtual_domains WHERE name = 'a.test'")
    put_away("x@a.test")
    connection.execute("UPDATE mail_internal.removed_mailboxes SET put_away_at = now() - interval '61 minutes' WHERE email = 'x@a.test'")
    put_away("y@a.test")
    assert connection.execute("SELECT email FROM mail_internal.removed_mailboxes").fetchall() == [("y@a.test",)]


def test_kept_until_somebody_waits_for_it(connection, entries, add, look_up):
    connection.execute("TRUNCATE virtual_users CASCADE")
    assert entries() == entries(with_kept=True) == ["x@a.test", "x@b.test", "y@a.test"]
    connection.execute("SELECT mail_lookup.keep_in_place(address, removed_at) FROM mail_lookup.removed_mailboxes('', true)")
    assert entries() == [] and len(entries(with_kept=True)) == 3
    add("y@a.test")
    assert look_up("y@a.test") == REFUSED
    found = connection.execute("SELECT address, is_awaited FROM mail_lookup.removed_mailboxes('', false)").fetchall()
    assert found == [("y@a.test", True)]


def test_removed_again_before_it_was_put_away(connection, add):
    """The mail there is still that of the first user."""
    dates = []
    for dummy in range(2):
        connection.execute("DELETE FROM virtual_users WHERE email = 'x@a.test'")
        dates += connection.execute("SELECT removed_at FROM mail_lookup.removed_mailboxes('', false)").fetchall()
        add("x@a.test")
    assert len(dates) == 2 and dates[0] == dates[1]


def test_removed_again_while_it_was_put_away(connection, entries, add, put_away):
    connection.execute("DELETE FROM virtual_users WHERE email = 'x@a.test'")
    (old,) = connection.execute("SELECT removed_at FROM mail_lookup.removed_mailboxes('', false)").fetchone()
    put_away("x@a.test")
    add("x@a.test")
    connection.execute("DELETE FROM virtual_users WHERE email = 'x@a.test'")
    connection.execute("SELECT mail_lookup.put_away('x@a.test', %s)", (old,))
    assert entries() == ["x@a.test"]


def test_a_thousand_at_a_time(connection):
    connection.execute(
        "INSERT INTO virtual_users (domain_id, email, password)"
        " SELECT id, 'u' || n || '@a.test', '{X}' FROM virtual_domains, generate_series(1, 1500) AS n WHERE name = 'a.test'"
    )
    connection.execute("TRUNCATE virtual_users CASCADE")
    found, last = [], ""
    while rows := connection.execute("SELECT address FROM mail_lookup.removed_mailboxes(%s, false)", (last,)).fetchall():
        assert len(rows) <= 1000
        found += [address for (address,) in rows]
        last = found[-1]
    assert len(found) == len(set(found)) == 1503


def test_postfix_goes_on_to_know_the_address(connection, add):
    """So that mail waits for Dovecot, rather than bounce."""
    connection.execute("DELETE FROM virtual_users WHERE email = 'x@a.test'")
    add("x@a.test")
    assert connection.execute("SELECT * FROM mail_lookup.mailbox('x@a.test')").fetchall() == [("x@a.test",)]
