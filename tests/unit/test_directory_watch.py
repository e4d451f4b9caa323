# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program that tells the daemons about changes, run as it is against a real database."""

from __future__ import annotations

import pathlib
import subprocess
import sys
import time

import pytest

PROGRAM = pathlib.Path(__file__).parents[2] / "roles" / "postgres_mail" / "files" / "mail-directory-watch"


def install_hook(directory, name, text):
    path = directory / name
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


@pytest.fixture
def told(tmp_path, database):
    """Run the program with a hook that notes its arguments; wait for a number of notes and return them."""
    hooks = tmp_path / "hooks.d"
    hooks.mkdir()
    notes = tmp_path / "notes"
    install_hook(hooks, "note", f'echo "$*" >> {notes}')
    install_hook(hooks, "fails", "exit 3")
    install_hook(hooks, ".hidden", f"echo hidden >> {notes}")
    (hooks / "README").write_text("not executable")
    conninfo = f"host={database['login_unix_socket']} user=postgres dbname={database['login_db']}"
    process = subprocess.Popen([sys.executable, PROGRAM, conninfo, hooks], stderr=subprocess.PIPE)

    def told(count, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            lines = notes.read_text().splitlines() if notes.exists() else []
            if len(lines) >= count:
                return lines
            time.sleep(0.02)
        pytest.fail(f"{lines} instead of {count} notes after {seconds} s")

    yield told
    process.terminate()
    process.communicate()


def notify(connection, payload):
    connection.execute("SELECT pg_notify(mail_lookup.channel(), %s)", (payload,))


def test_tells_changes(told, connection):
    assert told(1) == ["connected"]
    notify(connection, "user alice@example.com")
    assert told(2)[1:] == ["changed user alice@example.com"]
    notify(connection, "domain example.com")
    assert told(3)[2:] == ["changed domain example.com"]


def test_tells_many_changes_as_one(told, connection):
    told(1)
    connection.execute("SELECT pg_notify(mail_lookup.channel(), 'user ' || n || '@example.com') FROM generate_series(1, 50) AS n")
    assert told(2)[1:] == ["changed all"]


@pytest.mark.parametrize("payload", ["user --help", "user a b", "user\nx", "user ", "nonsense", ""])
def test_takes_no_arguments_from_a_stranger(told, connection, payload):
    told(1)
    notify(connection, payload)
    assert told(2)[1:] == ["changed all"]


def test_comes_back_when_the_connection_is_lost(told, connection):
    told(1)
    connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mail-directory-watch'")
    assert told(2) == ["connected", "connected"]
