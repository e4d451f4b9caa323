# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import importlib
import io
import json
import os
import pathlib
import subprocess
import sys

import psycopg
import pytest
from ansible.module_utils.common import warnings
from ansible.module_utils.testing import patch_module_args

ROOT = pathlib.Path(__file__).parents[3]
MIGRATIONS = ROOT / "roles" / "postgres_mail" / "files" / "migrations"
MODULES = "ansible_collections.virtmail.mailserver.plugins.modules."


def run_module(module, /, check=False, no_log=False, **options):
    """Run a whole module; returns its result, and with it the very text that it printed."""
    warnings._global_warnings.clear()  # ansible-core keeps them as long as the process lives
    args = {**options, "_ansible_check_mode": check, "_ansible_diff": True, "_ansible_no_log": no_log}
    printed = io.StringIO()
    with patch_module_args(args), contextlib.redirect_stdout(printed), pytest.raises(SystemExit):
        importlib.import_module(MODULES + module).main()
    result = json.loads(printed.getvalue())
    texts = [warning["event"]["msg"] for warning in result.get("warnings", [])]
    return {**result, "warnings": texts, "printed": printed.getvalue()}


@pytest.fixture
def run_anywhere():
    """Runs a whole module on the database that its options name."""
    return run_module


@pytest.fixture
def run(database):
    """Runs a whole module on the fresh database."""

    def run_here(module, /, **options):
        return run_module(module, **{**database, **options})

    return run_here


@pytest.fixture
def rows(connection):
    """Tells all that is stored."""

    def read():
        return {
            table: connection.execute(f"SELECT * FROM virtual_{table} ORDER BY id").fetchall()
            for table in ("organizations", "domains", "users", "app_passwords", "aliases")
        }

    return read


def _install(database):
    migrations = [{"name": path.name, "sql": path.read_text(encoding="utf-8")} for path in sorted(MIGRATIONS.glob("*.sql"))]
    answer = run_module("virtual_schema", **database, migrations=migrations)
    assert answer.get("changed"), answer


@pytest.fixture(scope="session")
def _installed_cluster(new_cluster):
    """A cluster with all roles, and with a database that virtual_schema has made; the tests get copies of it."""
    with new_cluster() as options:
        _install({**options, "login_db": "original"})
        yield options


@pytest.fixture
def own_server(new_cluster):
    """Connection options of a database as virtual_schema makes it, on a server for this test alone."""
    with new_cluster() as options:
        database = {**options, "login_db": "mailserver"}
        _install(database)
        yield database


@pytest.fixture
def run_on_own_server(own_server):
    """Runs a whole module there."""

    def run_there(module, /, **options):
        return run_module(module, **{**own_server, **options})

    return run_there


@pytest.fixture
def installed(_installed_cluster):
    """Connection options of a fresh database as virtual_schema makes it, with all roles."""
    options = {"host": _installed_cluster["login_unix_socket"], "user": "postgres", "dbname": "postgres", "autocommit": True}
    with psycopg.connect(**options) as superuser:
        roles = set(superuser.execute("SELECT quote_ident(rolname) FROM pg_roles"))
        superuser.execute("CREATE DATABASE installed TEMPLATE original")
    database = {**_installed_cluster, "login_db": "installed"}
    _install(database)  # rights on the database itself are not copied
    yield database
    with psycopg.connect(**options) as superuser:
        superuser.execute("DROP DATABASE installed WITH (FORCE)")
        superuser.execute("ALTER ROLE mail_tenant NOLOGIN")
        for (role,) in set(superuser.execute("SELECT quote_ident(rolname) FROM pg_roles")) - roles:
            superuser.execute(f"DROP ROLE {role}")


@pytest.fixture
def run_installed(installed):
    """Runs a whole module there, as the role that modules use."""

    def run_there(module, /, **options):
        return run_module(module, **{**installed, "login_user": "mail_admin", **options})

    return run_there


@pytest.fixture
def play(tmp_path):
    """Runs a playbook on this machine as its user, and returns its exit code and what it printed."""
    collections = [path for path in sys.path if (pathlib.Path(path) / "ansible_collections").is_dir()]
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(collections),
        "ANSIBLE_REMOTE_TMP": str(tmp_path / "there"),
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "here"),
        "ANSIBLE_NOCOLOR": "1",
    }
    facts = {"target": "localhost", "ansible_become": False, "ansible_python_interpreter": sys.executable}
    program = pathlib.Path(sys.executable).parent / "ansible-playbook"

    def run(name, *arguments, **extra):
        variables = json.dumps({**facts, "mail_hostname": "mail.example.com", **extra})
        command = [program, ROOT / "playbooks" / f"{name}.yml", "-i", "localhost,", "-c", "local", "-e", variables, *arguments]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run
