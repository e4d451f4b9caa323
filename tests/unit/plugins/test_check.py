# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What check.yml says of password hashes: asked of a real database, while the parts of the mail server are left out."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys

import psycopg
import pytest

CHECK = pathlib.Path(__file__).parents[3] / "playbooks" / "check.yml"
NOT_ASKED = {"__check_services": [], "__check_ports": [], "__check_lookups": [], "__check_queue": {"rc": 0, "stdout_lines": []}}
OK, SLOW, WEAK = "{BLF-CRYPT}$2y$10$secret", "{BLF-CRYPT}$2y$12$secret", "{SSHA}secret"


@pytest.fixture
def check(own_server, tmp_path):
    """Runs check.yml on this machine, and returns its exit code and what it printed."""
    collections = [path for path in sys.path if (pathlib.Path(path) / "ansible_collections").is_dir()]
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(collections),
        "ANSIBLE_REMOTE_TMP": str(tmp_path / "there"),
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "here"),
        "ANSIBLE_NOCOLOR": "1",
    }
    facts = {
        "target": "localhost",
        "ansible_become": False,
        "ansible_python_interpreter": sys.executable,
        "mail_hostname": "mail.example.com",
        **NOT_ASKED,
    }
    program = pathlib.Path(sys.executable).parent / "ansible-playbook"

    def run(host=own_server["login_unix_socket"]):
        extra = json.dumps({**facts, "mail_database_host": host})
        command = [program, CHECK, "-i", "localhost,", "-c", "local", "-e", extra]
        done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture
def add_users(own_server):
    """Adds users with this hash."""
    options = {"host": own_server["login_unix_socket"], "user": own_server["login_user"], "dbname": own_server["login_db"]}
    with psycopg.connect(**options, autocommit=True) as connection:
        connection.execute("INSERT INTO virtual_domains (id, name) VALUES (1, 'example.com')")

        def add(number, stored):
            insert = "INSERT INTO virtual_users (domain_id, email, password) SELECT 1, md5(random()::text) || '@example.com', %s"
            connection.execute(f"{insert} FROM generate_series(1, %s)", (stored, number))

        yield add


def line_of(printed):
    return re.search(r"\b(ok|hint|FAULT) +password hashes: ([^\"\n]*)", printed).groups()


def test_slow_and_weak_hashes_are_a_hint(check, add_users):
    add_users(4, OK)
    code, printed = check()
    assert (code, line_of(printed)) == (0, ("ok", "none is slow or weak")), printed

    add_users(3, SLOW)
    add_users(2, WEAK)
    code, printed = check()
    words = "3 users have slow ones, 2 have weak ones: see password_schemes of virtual_directory_info"
    assert (code, line_of(printed)) == (0, ("hint", words)), printed
    assert "changed=0" in printed and "secret" not in printed


def test_a_database_that_does_not_answer_is_a_hint(check, tmp_path):
    """The lines of services and lookups say that it is down."""
    code, printed = check(host=str(tmp_path))
    word, words = line_of(printed)
    assert (code, word) == (0, "hint"), printed
    assert words.startswith("not read: Cannot connect to database mailserver")
