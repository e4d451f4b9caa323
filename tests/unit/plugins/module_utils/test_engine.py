# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever is stored and whatever is wanted: the plan reaches it, and then there is nothing more to do."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.virtmail.mailserver.plugins.module_utils import _plan, _store
from ansible_collections.virtmail.mailserver.plugins.module_utils._entities import ALIAS, DOMAIN, USER, parse_rows
from ansible_collections.virtmail.mailserver.plugins.module_utils._password import Password

HASHES = [Password(text, "SHA512-CRYPT", 5001).stored_form() for text in ("correct horse", "battery staple")]
NAMES = ["a.test", "b.test"]
ADDRESSES = [f"{name}@{domain}" for name in "xyz" for domain in NAMES]
TEXT = st.none() | st.text(st.characters(min_codepoint=32, max_codepoint=0x2FFF, categories=["L", "N", "P", "S"]), max_size=8)
SWITCH = st.none() | st.booleans()


def one_each(key, values, **options):
    row = st.fixed_dictionaries({key: st.sampled_from(values), **options})
    return st.lists(row, unique_by=lambda given: given[key], max_size=len(values))


DIRECTORIES = st.fixed_dictionaries(
    {
        # Domains are always there: what cannot be is the checks' affair
        "domains": st.tuples(*(st.fixed_dictionaries({"name": st.just(name), "description": TEXT, "active": SWITCH}) for name in NAMES)),
        "users": one_each(
            "email",
            ADDRESSES,
            password_hash=st.sampled_from(HASHES),
            display_name=TEXT,
            quota=st.none() | st.sampled_from(["0", "5G", "default", "12345"]),
            active=SWITCH,
            state=st.sampled_from(["present", "present", "absent"]),
        ),
        "aliases": one_each(
            "source",
            [*ADDRESSES, "@a.test"],
            destination=st.lists(st.sampled_from([*ADDRESSES, "o@elsewhere.test"]), min_size=1, max_size=4, unique=True),
            state=st.sampled_from(["present", "present", "absent"]),
        ),
    }
)


def desired(directory):
    rows = {}
    for kind in (DOMAIN, USER, ALIAS):
        options = {**dict.fromkeys(kind.options), "state": "present"}
        rows[kind.plural], faults = parse_rows(kind, [{**options, **row} for row in directory[kind.plural]], {})
        assert not faults
    return rows


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(DIRECTORIES, st.booleans()), min_size=1, max_size=3))
def test_plan_reaches_what_is_wanted(database, steps):
    parameters = {"host": database["login_unix_socket"], "user": database["login_user"], "dbname": database["login_db"]}
    with psycopg.connect(**parameters) as connection:
        connection.execute("TRUNCATE virtual_domains CASCADE")
        for directory, purges in steps:
            rows = desired(directory)
            purge = ["users", "aliases"] if purges else []
            stored = _store.fetch(connection)
            changes = _plan.make_plan(rows, stored, purge)
            _store.apply(connection, changes)

            after = _store.fetch(connection)
            assert not _plan.make_plan(rows, after, purge)
            predicted = _plan.apply_plan(stored, changes)
            for user in predicted["users"].values():
                if isinstance(user["password"], Password):
                    user["password"] = user["password"].stored_form()
            assert after == predicted


def test_rows_that_vanish_meanwhile_are_an_error(connection):
    rows = desired({"domains": [{"name": "a.test"}], "users": [], "aliases": []})
    _store.apply(connection, _plan.make_plan(rows, _store.fetch(connection)))
    stored = _store.fetch(connection)
    connection.execute("TRUNCATE virtual_domains CASCADE")
    rows = desired({"domains": [{"name": "a.test", "active": False}], "users": [], "aliases": []})
    with pytest.raises(_store.MailserverError, match="run this again"):
        _store.apply(connection, _plan.make_plan(rows, stored))
