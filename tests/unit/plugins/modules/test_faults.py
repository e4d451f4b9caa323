# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""A run that is killed, or whose server is, leaves the directory as it was, or as it should be; two at a time never mix."""

from __future__ import annotations

import os
import random
import signal
import time

import psycopg

from ansible_collections.virtmail.mailserver.plugins.module_utils._password import Password

HASHES = [Password(text, "SHA512-CRYPT", 5001).stored_form() for text in ("correct horse", "battery staple")]


def directory(number):
    """Two directories that have little in common: to come from one to the other takes every verb."""
    names = range(number * 100, number * 100 + 200)
    return {
        "domains": [{"name": "example.com", "description": f"Directory {number}"}, {"name": f"d{number}.test"}],
        "users": [{"email": f"user{name}@example.com", "password_hash": HASHES[number]} for name in names],
        "aliases": [{"source": f"list{name}@d{number}.test", "destination": [f"user{name}@example.com"]} for name in names],
        "purge": ["domains", "users", "aliases"],
        "purge_limit": "100%",
    }


def content(connection):
    """What the directory says, whatever the numbers of its rows."""
    return (
        connection.execute("SELECT name, description FROM virtual_domains ORDER BY 1").fetchall(),
        connection.execute("SELECT email, password FROM virtual_users ORDER BY 1").fetchall(),
        connection.execute("SELECT source, destination FROM virtual_aliases ORDER BY 1").fetchall(),
    )


def start(run, number):
    """Run the module in a process of its own, whose exit status tells whether it succeeded."""
    process = os.fork()
    if process:
        return process
    try:
        os._exit(bool(run("virtual_directory", **directory(number)).get("failed")))
    finally:
        os._exit(2)


def connect(options):
    return psycopg.connect(host=options["login_unix_socket"], user="postgres", dbname=options["login_db"], autocommit=True)


def finish(process):
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


def both_states(run, connection):
    """What the directory is like in either state; the second is there at last. With the time that a change takes."""
    states, begin = [], time.monotonic()
    for number in (0, 1, 0, 1):
        assert finish(start(run, number)) == 0
        states.append(content(connection))
    assert states[:2] == states[2:] and states[0] != states[1]
    return states[:2], (time.monotonic() - begin) / 4


def test_killed_at_any_moment(run, connection):
    states, duration = both_states(run, connection)
    dice, outcomes, now = random.Random(1), [], 1
    while len(outcomes) < 100 or len(set(outcomes)) < 2:
        process = start(run, 1 - now)
        time.sleep(dice.uniform(0.2, 1.2) * duration)
        os.kill(process, signal.SIGKILL)
        finish(process)
        wait_for_the_server(connection)
        found = content(connection)
        assert found in states
        outcomes.append(found == states[1 - now])
        now = states.index(found)
        duration *= 0.9 if outcomes[-1] else 1.1  # the machine may have become faster, or slower
    assert finish(start(run, 1 - now)) == 0 and content(connection) == states[1 - now]


def test_server_killed_at_any_moment(run_on_own_server, own_server, kill_server):
    with connect(own_server) as connection:
        states, duration = both_states(run_on_own_server, connection)
    dice, outcomes, now = random.Random(1), [], 1
    while len(outcomes) < 10 or len(set(outcomes)) < 2:
        process = start(run_on_own_server, 1 - now)
        time.sleep(dice.uniform(0.5, 1.2) * duration)
        kill_server(own_server)
        finish(process)
        with connect(own_server) as connection:
            found = content(connection)
        assert found in states
        outcomes.append(found == states[1 - now])
        now = states.index(found)
        duration *= 0.8 if outcomes[-1] else 1.1


def test_runs_at_the_same_time(run, connection):
    states = both_states(run, connection)[0]
    for dummy in range(50):
        connection.execute("TRUNCATE virtual_domains CASCADE")  # or one of the two would have nothing to do
        processes = [start(run, number) for number in (0, 1)]
        assert [finish(process) for process in processes] == [0, 0]
        assert content(connection) in states


def wait_for_the_server(connection):
    """It learns only when it next looks that nobody is there, and finishes its statement first."""
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    end = time.monotonic() + 30
    while connection.execute(others).fetchone()[0]:
        assert time.monotonic() < end
        time.sleep(0.005)
