# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A new password is in force within a second, wherever it was changed; the old one is not."""

import time
import uuid

import pytest
import wire

USER = "frank@example.test"
SERVICES = [wire.IMAPS, wire.POP3S, wire.SUBMISSION, wire.SIEVE]


@pytest.fixture
def old_password(machine, play):
    """The declared password, in the server's cache on every service, and in force again afterwards."""
    password = machine.passwords[USER]
    for service in SERVICES:
        assert wire.let_in(wire.login(machine, service, USER, password))
    yield password
    play("users", mail_users=[{"email": USER, "password": password}])


def in_force_everywhere(machine, old, new):
    """The old password opens no service, the new one each. In this order: a new one would push the old out of a cache."""
    for service in SERVICES:
        assert not wire.let_in(wire.login(machine, service, USER, old)), f"{service} takes the old password"
    for service in SERVICES:
        assert wire.let_in(wire.login(machine, service, USER, new)), f"{service} refuses the new password"


def test_a_password_changed_by_the_playbook(machine, play, old_password):
    new = f"changed-{uuid.uuid4()}"
    run = play("users", mail_users=[{"email": USER, "password": new}])
    assert run.code == 0, run.output
    time.sleep(1)
    in_force_everywhere(machine, old_password, new)


def test_a_password_changed_in_the_database(machine, old_password):
    new = f"changed-{uuid.uuid4()}"
    digest = machine.host.check_output("doveadm pw -s SHA512-CRYPT -r 5000 -p %s", new)
    statement = f"UPDATE virtual_users SET password = '{digest}' WHERE email = '{USER}'"
    machine.host.check_output("runuser -u postgres -- psql -qAt mailserver -c %s", statement)
    time.sleep(1)
    in_force_everywhere(machine, old_password, new)


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
