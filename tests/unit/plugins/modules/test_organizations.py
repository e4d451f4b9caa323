# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Organizations in the modules: what is refused, and how it is said."""

from __future__ import annotations

import pytest

HASH = "{SHA512-CRYPT}$6$salt$" + "x" * 86


@pytest.fixture(autouse=True)
def filled(run):
    result = run(
        "virtual_directory",
        organizations=[{"name": "acme", "max_users": 2, "max_domains": 1, "max_aliases": 2, "max_quota": "10G", "database_role": "panel"}],
        domains=[{"name": "a.test", "organization": "Acme"}, {"name": "none.test"}],
        users=[{"email": "x@a.test", "password_hash": HASH, "quota": "6G"}, {"email": "x@none.test", "password_hash": HASH}],
        aliases=[{"source": "i@a.test", "destination": ["x@a.test", "o@elsewhere.test"]}],
    )
    assert result["changed"], result


def user(name, quota):
    return {"email": name, "password_hash": HASH, "quota": quota}


@pytest.mark.parametrize(
    ("module", "options", "message"),
    [
        (
            "virtual_directory",
            {"users": [user("y@a.test", "1G"), user("z@a.test", "1G")]},
            "organization acme: it may have 2 users and would have 3: raise the limit, or declare less.",
        ),
        ("virtual_user", user("x@a.test", "11G"), "organization acme: it may have a quota of 10G in all and would have 11G: "),
        ("virtual_user", user("y@a.test", "default"), "may have a quota of 10G in all, and user y@a.test has no quota of its own"),
        (
            "virtual_alias",
            {"source": "j@a.test", "destination": ["x@a.test"]},
            "organization acme: it may have 2 destinations of aliases and would have 3",
        ),
        ("virtual_domain", {"name": "b.test", "organization": "acme"}, "organization acme: it may have 1 domains and would have 2"),
        ("virtual_organization", {"name": "acme", "max_users": "0"}, "organization acme: it may have 0 users and would have 1"),
        (
            "virtual_organization",
            {"name": "acme", "state": "absent"},
            "organization acme: the organization still has domain a.test: give them to another one, or to none, in the same call.",
        ),
        (
            "virtual_organization",
            {"name": "new", "database_role": "panel"},
            "organization new: database_role panel is that of organization acme already: give another one.",
        ),
    ],
)
def test_refusals(run, rows, module, options, message):
    before = rows()
    for check in (True, False):
        result = run(module, check=check, **options)
        assert result["failed"] and message in result["msg"] and HASH not in result["printed"]
    assert rows() == before


def test_the_database_has_the_last_word(run, rows, monkeypatch):
    """What others write meanwhile is not in the modules' view."""
    monkeypatch.setattr("ansible_collections.virtmail.mailserver.plugins.module_utils._checks.find_surplus", lambda directory: ())
    before = rows()
    result = run("virtual_user", **user("y@a.test", "5G"))
    assert result["msg"].endswith("organization acme may have 10737418240 bytes of quota and would have 11811160064. Nothing was written.")
    assert rows() == before


def test_within_the_limits_at_the_end(run):
    result = run(
        "virtual_directory",
        organizations=[{"name": "acme", "database_role": ""}, {"name": "new", "database_role": "panel"}],
        domains=[{"name": "none.test", "organization": "new"}],
        users=[{"email": "x@a.test", "state": "absent"}, user("y@a.test", "5G"), user("z@a.test", "5G")],
        aliases=[{"source": "i@a.test", "destination": ["y@a.test", "z@a.test"]}],
    )
    assert result["counts"]["organizations"] == {"created": 1, "updated": 1, "deleted": 0}


def test_an_organization_goes_when_its_domains_leave(run, connection):
    options = {"organizations": [{"name": "acme", "state": "absent"}], "domains": [{"name": "a.test", "organization": ""}]}
    assert run("virtual_directory", **options)["changed"]
    assert not run("virtual_directory", **options)["changed"]
    assert connection.execute("SELECT count(*) FROM virtual_domains WHERE organization IS NULL").fetchone() == (2,)


def test_purge(run):
    options = {"organizations": [{"name": "new"}], "purge": ["organizations"]}
    assert "purge of organization acme: the organization still has domain a.test" in run("virtual_directory", **options)["msg"]
    result = run("virtual_directory", domains=[{"name": "a.test", "organization": "new"}], **options)
    assert result["names"]["organizations"] == {"created": ["new"], "updated": [], "deleted": ["acme"]}


def test_files(run, tmp_path):
    (tmp_path / "customers.yml").write_text("organizations:\n- name: New\n  max_users: 5\n  max_quota: unlimited\n- name: ''\n")
    (tmp_path / "domains.csv").write_text("name,organization\nnew.test,new\n")
    options = {"src": [str(tmp_path / "customers.yml"), str(tmp_path / "domains.csv")]}
    assert "customers.yml line 5 (): '' is no name of an organization" in run("virtual_directory", **options)["msg"]
    (tmp_path / "customers.yml").write_text("organizations:\n- name: New\n  max_users: 5\n")
    assert run("virtual_directory", **options)["names"]["domains"]["created"] == ["new.test"]
