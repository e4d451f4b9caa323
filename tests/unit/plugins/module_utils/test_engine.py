# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever is stored and whatever is wanted: the modules reach it, and then there is nothing more to do."""

from __future__ import annotations

import contextlib
import hashlib

import psycopg
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from ansible_collections.virtmail.mailserver.plugins.module_utils import _plan, _store
from ansible_collections.virtmail.mailserver.plugins.module_utils._entities import (
    APP_PASSWORD,
    KINDS,
    LISTED_KINDS,
    OMITTED,
    Desired,
    split_app_key,
)
from ansible_collections.virtmail.mailserver.plugins.module_utils._password import Password

HASHES = [Password(text, "SHA512-CRYPT", 5001).stored_form() for text in ("correct horse", "battery staple")]
NAMES = ["a.test", "b.test", "c.test"]
CUSTOMERS = ["acme", "self"]
ADDRESSES = [f"{name}@{domain}" for name in "xyz" for domain in NAMES[:2]]
TEXT = st.none() | st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF, categories=["L", "N", "P", "S"]), max_size=8)
SWITCH = st.none() | st.booleans()
STATE = st.sampled_from(["present", "present", "absent"])


def one_each(key, values, **options):
    row = st.fixed_dictionaries({key: st.sampled_from(values), "managed": SWITCH, "state": STATE, **options})
    return st.lists(row, unique_by=lambda given: given[key], max_size=len(values))


APPS = ["phone", "laptop", "old pc"]
PROTOCOLS = st.none() | st.lists(st.sampled_from(["imap", "pop3", "smtp", "web"]), unique=True) | st.just(["all"])
# What the same user may not have twice; two that swap theirs are left to a test of its own
DIGESTS = {name: ["{SHA256}" + hashlib.sha256(f"{name}{number}".encode()).hexdigest() for number in range(2)] for name in APPS}


def app_passwords():
    row = st.sampled_from(APPS).flatmap(
        lambda name: st.fixed_dictionaries(
            {
                "name": st.just(name),
                "password_hash": st.sampled_from(DIGESTS[name]),
                "protocols": PROTOCOLS,
                "managed": SWITCH,
                "state": STATE,
            }
        )
    )
    return st.lists(row, unique_by=lambda given: given["name"], max_size=3)


LIMIT = st.none() | st.sampled_from(["unlimited", "0", "2", "5"])
ORGANIZATIONS = one_each(
    "name",
    CUSTOMERS,
    description=TEXT,
    max_domains=LIMIT,
    max_users=LIMIT,
    max_aliases=LIMIT,
    max_quota=st.none() | st.sampled_from(["unlimited", "8G"]),
    database_role=st.none() | st.sampled_from(["", "panel", "other"]),
)


def directories(organizations, domains, sources):
    return st.fixed_dictionaries(
        {
            "organizations": organizations,
            "domains": domains,
            "users": one_each(
                "email",
                ADDRESSES,
                password_hash=st.sampled_from(HASHES),
                update_password=st.sampled_from(["always", "on_create"]),
                password_protocols=PROTOCOLS,
                app_passwords=st.none() | app_passwords(),
                display_name=TEXT,
                quota=st.none() | st.sampled_from(["0", "5G", "default", "12345"]),
                active=SWITCH,
            ),
            "aliases": one_each(
                "source",
                sources,
                destination=st.lists(st.sampled_from([*ADDRESSES, "o@elsewhere.test"]), min_size=1, max_size=4, unique=True),
            ),
        }
    )


def domain(name, state):
    return st.fixed_dictionaries(
        {
            "name": st.just(name),
            "organization": st.none() | st.sampled_from(["", *CUSTOMERS]),
            "description": TEXT,
            "active": SWITCH,
            "managed": SWITCH,
            "state": state,
        }
    )


# Aliases of users, loops, and what else only the engine takes
ANYTHING = directories(
    st.just([{"name": name} for name in CUSTOMERS]),
    st.tuples(*(domain(name, st.just("present")) for name in NAMES)).map(list),
    [*ADDRESSES, "@a.test"],
)
# What the modules take too
SOUND = directories(
    ORGANIZATIONS,
    st.tuples(*(domain(name, st.just("present")) for name in NAMES[:2]), domain(NAMES[2], STATE)).map(list),
    ["i@a.test", "j@a.test", "i@b.test", "@a.test"],
)
PURGES = st.lists(st.sampled_from(["organizations", "users", "app_passwords", "aliases"]), unique=True)
# What somebody else does between our runs
MEDDLING = st.lists(
    st.sampled_from(
        [
            "UPDATE virtual_users SET managed = NOT managed WHERE email LIKE 'x@%'",
            "UPDATE virtual_aliases SET managed = NOT managed WHERE destination LIKE 'y@%'",
            "UPDATE virtual_domains SET managed = false",
            "UPDATE virtual_organizations SET managed = false, description = 'own', max_users = NULL WHERE name = 'acme'",
            "UPDATE virtual_domains SET organization = NULL WHERE name = 'a.test'",
            "UPDATE virtual_users SET password = 'own', display_name = E'own\\\\name\\t' WHERE email LIKE 'y@%'",
            "UPDATE virtual_app_passwords SET managed = NOT managed, protocols = 'web' WHERE name = 'phone'",
            "INSERT INTO virtual_app_passwords (email, name, password)"
            " SELECT email, 'tablet', '{SHA256}' || repeat('0', 64) FROM virtual_users ON CONFLICT (email, name) DO NOTHING",
            "INSERT INTO virtual_aliases (domain_id, source, destination) SELECT id, 'i@' || name, 'web@elsewhere.test'"
            " FROM virtual_domains ON CONFLICT DO NOTHING",
            "INSERT INTO virtual_users (domain_id, email, password) SELECT id, 'z@' || name, 'own'"
            " FROM virtual_domains ON CONFLICT DO NOTHING",
        ]
    ),
    max_size=3,
)
THOROUGH = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def desired(directory):
    wanted = Desired({})
    for kind in LISTED_KINDS:
        wanted.add_list(kind, [complete(kind, row) for row in directory[kind.plural]])
    assert not wanted.faults
    return wanted.rows


def complete(kind, row):
    """A row with all options, as Ansible gives it."""
    row = {**dict.fromkeys(kind.options), "state": "present", **row}
    if row.get("app_passwords"):
        row["app_passwords"] = [complete(APP_PASSWORD, app) for app in row["app_passwords"]]
    return row


def snapshot(connection):
    """All rows, as PostgreSQL sees them."""
    return {kind.plural: set(connection.execute(f"SELECT {columns(kind)} FROM {kind.table}").fetchall()) for kind in KINDS}


def columns(kind):
    return ", ".join(["id", key(kind), *kind.record._fields])


def key(kind):
    return "key" if kind is APP_PASSWORD else kind.key


@THOROUGH
@given(steps=st.lists(st.tuples(ANYTHING, PURGES, MEDDLING), min_size=1, max_size=3))
def test_the_plan_reaches_what_is_wanted(database, steps):
    parameters = {"host": database["login_unix_socket"], "user": database["login_user"], "dbname": database["login_db"]}
    with psycopg.connect(**parameters) as connection:
        connection.execute("TRUNCATE virtual_organizations CASCADE")
        for directory, purge, meddling in steps:
            rows = desired(directory)
            stored = _store.fetch(connection)
            changes = _plan.make_plan(rows, stored, purge)
            unmanaged = _unmanaged(connection, rows)
            _store.apply(connection, changes)

            after = _store.fetch(connection)
            assert after == _plan.apply_plan(stored, changes)
            assert not _plan.make_plan(rows, after, purge)
            _assert_as_wanted(rows, after)
            assert _with_their_users(connection, unmanaged) <= _unmanaged(connection, rows)
            for statement in meddling:
                connection.execute(statement)


def _assert_as_wanted(rows, after):
    for kind in KINDS:
        for key, row in rows[kind.plural].items():
            if not row.present:
                assert key not in after[kind.plural]
                continue
            for name, wanted, found in zip(kind.record._fields, row.values, after[kind.plural][key]):
                assert wanted in (OMITTED, found) or (name == "password" and row.keeps_password)


def _unmanaged(connection, rows):
    """The rows that nobody has declared, and that are not ours."""
    found = set()
    for kind in KINDS:
        for name, *values in connection.execute(f"SELECT {key(kind)}, {columns(kind)} FROM {kind.table} WHERE NOT managed"):
            if name not in rows[kind.plural]:
                found.add((kind.name, *values))
    return found


def _with_their_users(connection, unmanaged):
    """Without the app passwords of users who are gone."""
    users = {email for (email,) in connection.execute("SELECT email FROM virtual_users")}
    return {row for row in unmanaged if row[0] != APP_PASSWORD.name or split_app_key(row[2])[0] in users}


@THOROUGH
@given(steps=st.lists(st.tuples(SOUND, PURGES, MEDDLING), min_size=1, max_size=3))
def test_the_module_does_what_check_mode_foretells(run, connection, steps):
    connection.execute("TRUNCATE virtual_organizations CASCADE")
    for directory, purge, meddling in steps:
        wanted = desired(directory)
        some = [plural for plural in purge if any(row.present for row in wanted[plural].values())]
        options = {**directory, "purge": some, "purge_limit": "100%"}
        before = snapshot(connection)
        foretold = run("virtual_directory", check=True, **options)
        assert snapshot(connection) == before
        unmanaged = _unmanaged(connection, wanted)
        real = run("virtual_directory", **options)
        assert real == foretold
        assert _with_their_users(connection, unmanaged) <= _unmanaged(connection, wanted)
        if real.get("failed"):
            assert snapshot(connection) == before
        else:
            again = run("virtual_directory", **options)
            assert not again["changed"] and again["diff"] == {"before": "", "after": ""}
        for statement in meddling:
            with contextlib.suppress(psycopg.errors.CheckViolation):  # an organization's limits hold for everybody
                connection.execute(statement)


@THOROUGH
@given(directory=SOUND)
def test_an_export_is_the_directory(run, connection, tmp_path, directory):
    connection.execute("TRUNCATE virtual_organizations CASCADE")
    assume(run("virtual_directory", **directory).get("changed"))
    path = str(tmp_path / "directory.json")
    run("virtual_directory_info", dest=path, include_password_hashes=True)
    before = {table: {row[1:] for row in rows} for table, rows in snapshot(connection).items()}
    connection.execute("TRUNCATE virtual_organizations CASCADE")
    assert run("virtual_directory", src=[path])["changed"]
    assert {table: {row[1:] for row in rows} for table, rows in snapshot(connection).items()} == before
    assert not run("virtual_directory", src=[path])["changed"]


def test_rows_that_vanish_meanwhile_are_an_error(connection):
    rows = desired({"organizations": [], "domains": [{"name": "a.test"}], "users": [], "aliases": []})
    with connection.transaction():
        _store.apply(connection, _plan.make_plan(rows, _store.fetch(connection)))
    with connection.transaction():
        stored = _store.fetch(connection)
    connection.execute("TRUNCATE virtual_organizations CASCADE")
    rows = desired({"organizations": [], "domains": [{"name": "a.test", "active": False}], "users": [], "aliases": []})
    with pytest.raises(_store.MailserverError, match="run this again"), connection.transaction():
        _store.apply(connection, _plan.make_plan(rows, stored))
