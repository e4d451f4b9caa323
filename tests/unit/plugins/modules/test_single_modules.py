# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.virtmail.mailserver.plugins.module_utils._password import Password

SECRET = "correct horse battery"
CHEAP = {"password_scheme": "SHA512-CRYPT", "password_cost": 5001}


@pytest.fixture(autouse=True)
def domain(connection):
    connection.execute("INSERT INTO virtual_domains (name) VALUES ('example.com')")


@pytest.mark.parametrize(
    ("name", "created", "changed", "absent"),
    [
        (
            "virtual_organization",
            {"name": "Acme", "max_users": "5", "max_quota": "10G"},
            {"name": "acme", "max_users": "unlimited", "database_role": "panel"},
            {"name": "ACME"},
        ),
        (
            "virtual_domain",
            {"name": "Bücher.example", "description": "Books"},
            {"name": "xn--bcher-kva.example", "active": False},
            {"name": "bücher.example"},
        ),
        (
            "virtual_user",
            {"email": "Alice@Example.com", "password": SECRET, **CHEAP},
            {"email": "alice@example.com", "quota": "500M"},
            {"email": "alice@example.com"},
        ),
        (
            "virtual_alias",
            {"source": "info@example.com", "destination": ["a@elsewhere.test", "b@elsewhere.test"]},
            {"source": "INFO@example.com", "destination": ["b@elsewhere.test", "c@elsewhere.test"]},
            {"source": "info@example.com"},
        ),
    ],
)
def test_life_of_a_row(run, rows, name, created, changed, absent):
    for options, verb in ((created, "created"), (changed, "updated"), ({**absent, "state": "absent"}, "deleted")):
        before = rows()
        predicted = run(name, check=True, **options)
        assert rows() == before
        real = run(name, **options)
        assert real == predicted
        assert sum(counts[verb] for counts in real["counts"].values()) == 1
        assert real["diff"]["before"] != real["diff"]["after"]
        assert rows() != before
        assert not run(name, **options)["changed"]
        assert SECRET not in real["printed"]


def test_alias_has_exactly_the_destinations_given(run, connection):
    for destination in (["a@elsewhere.test", "b@elsewhere.test"], ["b@elsewhere.test", "c@elsewhere.test"]):
        run("virtual_alias", source="info@example.com", destination=destination)
    found = connection.execute("SELECT destination FROM virtual_aliases ORDER BY 1").fetchall()
    assert found == [("b@elsewhere.test",), ("c@elsewhere.test",)]


def test_user_keeps_what_is_not_given(run, connection):
    run("virtual_user", email="alice@example.com", password=SECRET, quota="5G", display_name="Alice", **CHEAP)
    run("virtual_user", email="alice@example.com", active=False)
    stored = connection.execute("SELECT password, quota_bytes, display_name, active FROM virtual_users").fetchone()
    assert Password(SECRET).matches(stored[0])
    assert stored[1:] == (5 * 1024**3, "Alice", False)


@pytest.mark.parametrize(
    ("option", "changed"), [({}, True), ({"update_password": "always"}, True), ({"update_password": "on_create"}, False)]
)
def test_update_password(run, option, changed):
    run("virtual_user", email="alice@example.com", password=SECRET, **CHEAP)
    result = run("virtual_user", email="alice@example.com", password="another password", **option, **CHEAP)
    assert result["changed"] == changed


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("virtual_organization", {"name": "no name"}, "organization no name: 'no name' is no name of an organization"),
        ("virtual_organization", {"name": "a", "max_users": "-1"}, "organization a: '-1' is no limit: write a number, or unlimited."),
        ("virtual_organization", {"name": "a", "max_quota": "0"}, "organization a: max_quota '0' is no size: write 500M"),
        ("virtual_organization", {"name": "a", "database_role": "ä" * 32}, "organization a: database_role has more than 63 bytes"),
        ("virtual_domain", {"name": "a.test", "organization": "none"}, "domain a.test: the organization none does not exist"),
        ("virtual_domain", {"name": "no domain"}, "domain no domain: 'no domain' is no label of a domain"),
        ("virtual_user", {"email": "a@nowhere.test", "password": SECRET}, "user a@nowhere.test: the domain nowhere.test does not exist"),
        ("virtual_user", {"email": "a@example.com"}, "user a@example.com: a new user needs a password"),
        ("virtual_user", {"email": "a@example.com", "password": "o"}, "user a@example.com: the password must have 8"),
        ("virtual_alias", {"source": "a@example.com", "destination": ["a@example.com"]}, "alias a@example.com: the alias leads only"),
        ("virtual_alias", {"source": "a@example.com"}, "alias a@example.com: there is no destination"),
    ],
)
def test_bad_input(run, rows, name, options, expected):
    before = rows()
    result = run(name, **options)
    assert result["failed"] and result["msg"].startswith(expected)
    assert rows() == before


def test_domain_in_use_is_not_removed(run, rows):
    run("virtual_user", email="alice@example.com", password=SECRET, **CHEAP)
    result = run("virtual_domain", name="example.com", state="absent")
    assert "the domain still has user alice@example.com: remove them in the same call" in result["msg"]


def test_user_that_an_alias_would_starve(run):
    run("virtual_alias", source="alice@example.com", destination=["b@elsewhere.test"])
    user = {"email": "alice@example.com", "password": SECRET, **CHEAP}
    assert "is a user and an alias" in run("virtual_user", **user)["msg"]
    assert run("virtual_user", **user, active=False)["changed"]
