# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new password is in force within a second, wherever it was changed; the old one is not."""

import concurrent.futures
import time
import uuid

import pytest
import wire
from passwords import SERVICES, change_in_the_database, in_force_everywhere

USER = "frank@example.test"


@pytest.fixture
def old_password(machine, play):
    """The declared password, in the server's cache on every service, and in force again afterwards."""
    password = machine.passwords[USER]
    for service in SERVICES:
        assert wire.let_in(wire.login(machine, service, USER, password))
    yield password
    play("users", mail_users=[{"email": USER, "password": password}])


def test_a_password_changed_by_the_playbook(machine, play, old_password):
    new = f"changed-{uuid.uuid4()}"
    run = play("users", mail_users=[{"email": USER, "password": new}])
    assert run.code == 0, run.output
    time.sleep(1)
    in_force_everywhere(machine, USER, old_password, new)


def test_a_password_changed_in_the_database(machine, database, old_password):
    new = change_in_the_database(machine, database, USER)
    time.sleep(1)
    in_force_everywhere(machine, USER, old_password, new)


def test_a_password_changed_after_a_reload(machine, database, old_password):
    """A running smtpd stays connected to the process that has verified the old password."""
    machine.host.check_output("doveadm reload")
    new = change_in_the_database(machine, database, USER)
    time.sleep(1)
    in_force_everywhere(machine, USER, old_password, new)


def test_mail_comes_in_after_old_processes_have_ended(machine, wait_for):
    """Ten idle connections of Postfix lead to processes that the next change of a password ends."""

    def processes():
        return set(machine.run("pgrep -x 'quota-status|auth'").stdout.split())

    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: wire.rcpt(machine, USER), range(20)))
        old = processes()
        machine.host.check_output("doveadm reload")
        machine.host.check_output("runuser -u postgres -- psql -qAt mailserver -c %s", f"SELECT pg_notify(mail_lookup.channel(), 'user {USER}')")
        wait_for(lambda: not processes() & old, 20, "the old processes do not end")
        answers = list(pool.map(lambda _: wire.rcpt(machine, USER), range(40)))
    assert {wire.code_of(answer) for answer in answers} == {250}, answers


@pytest.mark.usefixtures("old_password")
def test_a_user_made_inactive_is_locked_out(machine):
    statement = f"UPDATE virtual_users SET active = false WHERE email = '{USER}'"
    machine.host.check_output("runuser -u postgres -- psql -qAt mailserver -c %s", statement)
    time.sleep(1)
    try:
        for service in SERVICES:
            assert not wire.let_in(wire.login(machine, service, USER, machine.passwords[USER])), service
    finally:
        machine.host.check_output(
            "runuser -u postgres -- psql -qAt mailserver -c %s", statement.replace("active = false", "active = true")
        )
