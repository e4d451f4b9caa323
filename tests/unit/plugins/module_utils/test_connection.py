# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a module says when it cannot work with the database at all."""

from __future__ import annotations

import pathlib
import sys

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


def test_unreachable_server(failure, tmp_path):
    message = failure(login_unix_socket=str(tmp_path))
    assert message.startswith(f"Cannot connect to database test_") and f"at the local socket {tmp_path}: " in message
    assert message.endswith("and the options login_*.")
    assert "\n" not in message
    assert "at localhost port 1: " in failure(login_host="localhost", login_port=1)


def test_unknown_database_and_role(failure):
    assert 'database "nothing" does not exist' in failure(login_db="nothing")
    assert 'role "nobody" does not exist' in failure(login_user="nobody")


def test_unknown_connection_parameter(failure):
    assert 'invalid connection option "colour"' in failure(connect_params={"colour": "green"})


def test_password_in_connect_params_is_refused(failure):
    assert failure(connect_params={"password": "x", "sslpassword": "y"}).startswith(
        "connect_params must not hold password, sslpassword: use login_password"
    )


def test_connect_params_win(failure):
    assert failure(connect_params={"port": 1}).startswith("Cannot connect")


def test_old_server(failure, monkeypatch):
    monkeypatch.setattr(_connection, "MINIMUM_SERVER", 99)
    assert "is too old: upgrade it to version 99 or later." in failure()


def test_schema_that_is_missing_or_too_new(failure, connection):
    connection.execute("INSERT INTO mail_internal.schema_migrations (version, name) VALUES (999, 'future')")
    assert "has version 999 of the schema, and this collection knows only" in failure()
    connection.execute("TRUNCATE mail_internal.schema_migrations")
    assert "run the role postgres_mail to bring it up to date" in failure()
    connection.execute("DROP TABLE virtual_aliases")
    assert "has no mail tables of ours: run the role postgres_mail" in failure()


def test_newest_known_schema_is_the_last_migration():
    assert len(list(MIGRATIONS.glob("*.sql"))) == _store.NEWEST_SCHEMA


def test_missing_psycopg(failure, monkeypatch):
    monkeypatch.setattr(_connection, "psycopg", None)
    monkeypatch.setattr(_connection, "PSYCOPG_IMPORT_ERROR", "No module named 'psycopg'", raising=False)
    message = failure()
    assert "python3-psycopg" in message and sys.executable in message


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
