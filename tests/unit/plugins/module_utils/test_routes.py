# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import itertools
import random

from ansible_collections.virtmail.mailserver.plugins.module_utils import _store
from ansible_collections.virtmail.mailserver.plugins.module_utils._address import domain_part
from ansible_collections.virtmail.mailserver.plugins.module_utils._entities import ALIAS, DOMAIN, USER
from ansible_collections.virtmail.mailserver.plugins.module_utils._password import Password
from ansible_collections.virtmail.mailserver.plugins.module_utils._plan import Change
from ansible_collections.virtmail.mailserver.plugins.module_utils._routes import Routes, find_loops

HASH = Password("correct horse", "SHA512-CRYPT", 5001).stored_form()


def directory(domains, users, aliases):
    return {
        "domains": {name: DOMAIN.record(active=active) for name, active in domains.items()},
        "users": {email: USER.record(password=HASH, active=active) for email, active in users.items()},
        "aliases": {source: ALIAS.record(tuple(sorted(to))) for source, to in aliases.items()},
    }


def loops(aliases, users=()):
    domains = dict.fromkeys(["x.test", "y.test"], True)
    found = find_loops(Routes(directory(domains, dict.fromkeys(users, True), aliases)), list(aliases))
    return [" ".join(loop) for dummy, loop in found]


def test_alias_to_itself():
    assert loops({"a@x.test": ["a@x.test", "b@example.com"]}) == ["a@x.test a@x.test"]


def test_user_may_keep_a_copy():
    assert not loops({"a@x.test": ["a@x.test", "b@example.com"]}, users=["a@x.test"])


def test_two_users_may_send_each_other_copies():
    aliases = {"a@x.test": ["a@x.test", "b@x.test"], "b@x.test": ["a@x.test", "b@x.test"]}
    assert not loops(aliases, users=["a@x.test", "b@x.test"])


def test_loop_of_three_is_found_once():
    aliases = {"a@x.test": ["b@x.test"], "b@x.test": ["c@x.test", "z@example.com"], "c@x.test": ["a@x.test"]}
    assert loops(aliases) == ["a@x.test b@x.test c@x.test a@x.test"]


def test_loop_over_an_extension():
    assert loops({"a@x.test": ["b+x@x.test"], "b@x.test": ["a+y@x.test"]})


def test_catch_all_that_catches_its_own_destination():
    assert loops({"@x.test": ["nobody@x.test"]}) == ["nobody@x.test nobody@x.test"]
    assert not loops({"@x.test": ["a@x.test"]}, users=["a@x.test"])


def test_domains_that_stand_in_for_each_other():
    assert loops({"@x.test": ["@y.test"], "@y.test": ["@x.test"]}) == ["@x.test @y.test @x.test"]
    assert not loops({"@x.test": ["@y.test"]}, users=["a@y.test"])


def test_many_aliases_to_one_are_no_loop():
    aliases = {f"a{number}@x.test": [f"a{number + 1}@x.test"] for number in range(5000)}
    assert not loops(aliases, users=["a5000@x.test"])


def test_same_answers_as_the_database(connection):
    """The lookup functions, which Postfix asks, and this module must not drift apart."""
    for seed in range(25):
        where = _random_directory(random.Random(seed))
        connection.execute("TRUNCATE virtual_domains CASCADE")
        with connection.transaction():
            _store.apply(connection, _creation(where))
        routes = Routes(where)
        for address in map("@".join, itertools.product(["a", "b", "c", "a+b"], ["x.test", "y.test", "z.test"])):
            steps = {row[0] for row in connection.execute("SELECT mail_internal.next_addresses(%s)", (address,))}
            finals = {row[0] for row in connection.execute("SELECT mail_internal.final_addresses(%s)", (address,))}
            assert set(routes.next_addresses(address)) == steps, (seed, address, where)
            assert routes.leads_nowhere(address) == (not finals), (seed, address, where)
        for source, alias in where["aliases"].items():
            told = {row[0] for row in connection.execute("SELECT * FROM mail_lookup.alias(%s)", (source,))}
            arriving = {there for there in alias.destination if not routes.is_dead_end(source, there)}
            if not source.startswith("@") and where["domains"][domain_part(source)].active:
                assert told == arriving, (seed, source, where)


def _creation(where):
    return [Change(kind, key, None, record) for kind in (DOMAIN, USER, ALIAS) for key, record in where[kind.plural].items()]


def _random_directory(dice):
    domains = ["x.test", "y.test", "z.test"]
    addresses = list(map("@".join, itertools.product(["a", "b", "c"], domains)))
    whole = [f"@{name}" for name in domains]
    return directory(
        {name: dice.random() < 0.9 for name in domains},
        {email: dice.random() < 0.7 for email in dice.sample(addresses, 3)},
        {
            **{source: dice.sample([*addresses, "a@example.com"], dice.choice([1, 2])) for source in dice.sample(addresses, 3)},
            **{source: dice.sample([*addresses, *whole], dice.choice([1, 2])) for source in dice.sample(whole, 2)},
        },
    )
