# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the modules say and do when their surroundings are not as they should be: libraries, servers, schemas, others."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

# Runs one module in a process of its own; packages can be made to look as if they were not installed
PROGRAM = """
import importlib, importlib.abc, json, sys
from ansible.module_utils.testing import patch_module_args

name, args, blocked = json.load(sys.stdin)

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, fullname, path, target=None):
        if fullname.split(".")[0] in blocked:
            raise ImportError(f"No module named {fullname!r}")

sys.meta_path.insert(0, Blocker())
with patch_module_args(args):
    importlib.import_module("ansible_collections.virtmail.mailserver.plugins.modules." + name).main()
"""
SECRET = "correct horse"
SHA512 = {"password": SECRET, "password_scheme": "SHA512-CRYPT", "password_cost": 5001}


def start(name, options, blocked=()):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    process.stdin.write(json.dumps([name, options, blocked]))
    process.stdin.close()
    return process


def finish(process):
    with process:
        output, errors = process.stdout.read(), process.stderr.read()
    assert not errors
    assert SECRET not in output
    return json.loads(output)


def refusal(result):
    """The message of a module that failed in an orderly way."""
    assert result["failed"]
    assert "exception" not in result
    assert SECRET not in json.dumps(result)
    return result["msg"]


def count(connection, table):
    return connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]


@pytest.fixture
def domain(connection):
    connection.execute("INSERT INTO virtual_domains (name) VALUES ('example.com')")


@pytest.fixture
def alice(run, domain):
    assert run("virtual_user", email="alice@example.com", **SHA512)["changed"]


@pytest.mark.parametrize("name", ["virtual_domain", "virtual_directory", "virtual_directory_info"])
def test_missing_psycopg(database, name):
    options = {**database, **({"name": "example.com"} if name == "virtual_domain" else {})}
    message = refusal(finish(start(name, options, ["psycopg"])))
    assert "psycopg, version 3 (Debian package python3-psycopg)" in message


@pytest.mark.parametrize(
    ("blocked", "package"), [(["passlib"], "python3-passlib"), (["argon2", "_argon2_cffi_bindings"], "python3-argon2")]
)
def test_missing_library_for_a_new_password(database, connection, domain, blocked, package):
    options = {**database, "email": "alice@example.com", "password": SECRET}
    assert package in refusal(finish(start("virtual_user", options, blocked)))
    assert count(connection, "virtual_users") == 0


def test_missing_passlib_when_a_password_is_only_compared(database, alice):
    options = {**database, "email": "alice@example.com", **SHA512}
    assert "python3-passlib" in refusal(finish(start("virtual_user", options, ["passlib"])))


def test_passlib_is_not_needed_without_plain_passwords(database, connection, alice):
    stored = connection.execute("SELECT password FROM virtual_users").fetchone()[0]
    options = {
        **database,
        "domains": [{"name": "example.net"}],
        "users": [{"email": "bob@example.com", "password_hash": stored}, {"email": "alice@example.com", "quota": "1G"}],
    }
    result = finish(start("virtual_directory", options, ["passlib"]))
    assert result["counts"]["users"] == {"created": 1, "updated": 1, "deleted": 0}


def test_scheme_without_its_library_is_no_obstacle_to_others(database, alice):
    options = {**database, "email": "alice@example.com", **SHA512}
    assert not finish(start("virtual_user", options, ["argon2", "_argon2_cffi_bindings", "bcrypt"]))["changed"]


@pytest.mark.parametrize("name", ["virtual_directory", "virtual_directory_info"])
@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"login_unix_socket": "/nonexistent"}, ["the local socket /nonexistent", "Check that PostgreSQL runs there"]),
        ({"login_host": "127.0.0.1", "login_port": 9}, ["127.0.0.1 port 9", "Check that PostgreSQL runs there"]),
        ({"login_db": "nowhere"}, ["Cannot connect to database nowhere", "does not exist", "postgres_mail"]),
        ({"login_user": "stranger"}, ["as stranger", "does not exist"]),
        ({"login_db": "postgres"}, ["Database postgres has no mail tables of ours", "run the role postgres_mail"]),
        ({"connect_params": {"password": SECRET}}, ["connect_params must not hold password", "use login_password"]),
    ],
)
def test_unusable_database(run, name, changed, words):
    message = refusal(run(name, **changed))
    assert [word for word in words if word not in message] == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("INSERT INTO mail_internal.schema_migrations VALUES (9999, 'future')", "upgrade the collection"),
        ("DELETE FROM mail_internal.schema_migrations", "run the role postgres_mail"),
        ("DROP SCHEMA mail_internal CASCADE", "run the role postgres_mail"),
    ],
)
def test_schema_of_another_version(run, connection, change, words):
    connection.execute(change)
    assert words in refusal(run("virtual_directory", domains=[{"name": "example.com"}]))
    assert words in refusal(run("virtual_directory_info"))
    assert count(connection, "virtual_domains") == 0


def test_what_the_database_says_of_a_row_is_not_repeated(run, connection, domain):
    """PostgreSQL's detail of this error is the whole row, the hash with it."""
    connection.execute("ALTER TABLE virtual_users ADD CHECK (email <> 'alice@example.com')")
    result = run("virtual_user", email="alice@example.com", **SHA512)
    assert "violates check constraint" in refusal(result)
    assert "$6$" not in json.dumps(result)


@pytest.mark.parametrize(
    ("at_commit", "outcome"),
    [
        ("RAISE EXCEPTION 'not today'", "not today. Nothing was written."),
        ("PERFORM pg_terminate_backend(pg_backend_pid())", "All was written or nothing: run this again."),
    ],
)
def test_the_server_fails_at_commit(run, connection, at_commit, outcome):
    connection.execute(
        f"CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {at_commit}; RETURN NULL; END $$;"
        "CREATE CONSTRAINT TRIGGER at_commit AFTER INSERT ON virtual_domains"
        " INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION fail()"
    )
    assert outcome in refusal(run("virtual_domain", name="example.com"))
    assert count(connection, "virtual_domains") == 0


def test_another_run_is_waited_for(database, connection, run):
    options = {**database, "domains": [{"name": "example.com"}]}
    with connection.transaction():
        # Holds up the first run while it has its lock, and so the second one
        connection.execute("LOCK TABLE virtual_domains IN ACCESS EXCLUSIVE MODE")
        runs = [start("virtual_directory", options) for dummy in range(2)]
        wait_until(connection, "SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    assert sorted(finish(process)["changed"] for process in runs) == [False, True]


def wait_until(connection, condition, seconds=60):
    end = time.monotonic() + seconds
    while not connection.execute(condition).fetchone()[0]:
        assert time.monotonic() < end, condition
        time.sleep(0.05)
