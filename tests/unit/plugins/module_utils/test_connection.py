# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a module says when it cannot work with the database at all."""

from __future__ import annotations

import pathlib

import pytest

from ansible_collections.virtmail.mailserver.plugins.module_utils import _connection, _password, _store

MIGRATIONS = pathlib.Path(__file__).parents[4] / "roles" / "postgres_mail" / "files" / "migrations"


@pytest.fixture
def failure(run):
    def message(**options):
        result = run("virtual_domain", name="example.com", **options)
        assert result["failed"] and "exception" not in result
        return result["msg"]

    return message


def test_unknown_connection_parameter(failure):
    assert 'invalid connection option "colour"' in failure(connect_params={"colour": "green"})


def test_connect_params_win(failure):
    message = failure(login_host="localhost", connect_params={"port": 1})
    assert message.startswith("Cannot connect to database test_") and " at localhost port 1: " in message
    assert "\n" not in message


def test_old_server(failure, monkeypatch):
    monkeypatch.setattr(_connection, "MINIMUM_SERVER", 99)
    assert "is too old: upgrade it to version 99 or later." in failure()


def test_newest_known_schema_is_the_last_migration():
    assert len(list(MIGRATIONS.glob("*.sql"))) == _store.NEWEST_SCHEMA


def test_missing_passlib(run, monkeypatch):
    monkeypatch.setattr(_password, "passlib_hash", None)
    monkeypatch.setattr(_password, "PASSLIB_IMPORT_ERROR", "No module named 'passlib'", raising=False)
    _password._missing_library.cache_clear()
    user = {"email": "alice@example.com", "password": "correct horse"}
    try:
        result = run("virtual_directory", domains=[{"name": "example.com"}], users=[user, {"email": "bad"}])
    finally:
        _password._missing_library.cache_clear()
    assert "python3-passlib" in result["msg"] and "users[1] (bad): there is no @" in result["msg"]
