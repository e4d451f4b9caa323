# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user's password, changed and tried."""

import uuid

import wire

SERVICES = [wire.IMAPS, wire.POP3S, wire.SUBMISSION, wire.SIEVE]


def change_in_the_database(machine, database, user):
    """As a web page would; returns the new password."""
    new = f"changed-{uuid.uuid4()}"
    digest = machine.host.check_output("doveadm pw -s SHA512-CRYPT -r 5000 -p %s", new)
    statement = f"UPDATE virtual_users SET password = '{digest}' WHERE email = '{user}'"
    database.host.check_output("runuser -u postgres -- psql -qAt mailserver -c %s", statement)
    return new


def in_force_everywhere(machine, user, old, new):
    """The old password opens no service, the new one each. In this order: a new one would push the old out of a cache."""
    for service in SERVICES:
        assert not wire.let_in(wire.login(machine, service, user, old)), f"{service} takes the old password"
    for service in SERVICES:
        assert wire.let_in(wire.login(machine, service, user, new)), f"{service} refuses the new password"
