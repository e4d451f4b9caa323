# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.virtmail.mailserver.plugins.module_utils._password import Password

HASH = Password("correct horse", "SHA512-CRYPT", 5001).stored_form()
DIRECTORY = {
    "domains": [{"name": "example.com", "description": "Office", "active": True}],
    "users": [
        {"email": "alice@example.com", "quota": "5G", "display_name": "Alice", "active": False},
        {"email": "bob@example.com", "quota": "default", "display_name": "", "active": True},
    ],
    "aliases": [{"source": "info@example.com", "destination": ["bob@example.com", "x@elsewhere.test"]}],
}
WITH_HASHES = {**DIRECTORY, "users": [{**user, "password_hash": HASH} for user in DIRECTORY["users"]]}
LISTS = list(DIRECTORY)


@pytest.fixture(autouse=True)
def filled(run):
    assert run("virtual_directory", **WITH_HASHES)["changed"]


def test_output_is_input(run, rows, connection):
    read = run("virtual_directory_info")
    assert {name: read[name] for name in LISTS} == DIRECTORY
    assert not run("virtual_directory", **{name: read[name] for name in LISTS})["changed"]


def test_hashes_only_on_request_and_only_where_they_are_not_printed(run, connection):
    assert HASH not in run("virtual_directory_info")["printed"]
    refused = run("virtual_directory_info", include_password_hashes=True)
    assert "no_log" in refused["msg"] and HASH not in refused["printed"]
    read = run("virtual_directory_info", include_password_hashes=True, no_log=True)
    assert {name: read[name] for name in LISTS} == WITH_HASHES

    connection.execute("TRUNCATE virtual_domains CASCADE")
    assert run("virtual_directory", **{name: read[name] for name in LISTS})["changed"]
    again = run("virtual_directory_info", include_password_hashes=True, no_log=True)
    assert {name: again[name] for name in LISTS} == WITH_HASHES
