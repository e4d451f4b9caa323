# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The daemons have been restarted, and everybody comes back at the same time, while mail flows."""

import accounts
import load
import passwords

CLIENTS = 1000


def prepare(machine, number):
    """The clients are known: each has logged in once. Then they get a hash as our modules make it by default."""
    users = accounts.some(number, CLIENTS)
    load.measure(machine, {"imap": load.stream("imap", users, CLIENTS)})
    passwords.give(machine, users, passwords.default_hash())


def measure(machine, number):
    """As load.measure(), and in `kept` the share of the rate of mail that is left."""
    mail = load.stream("deliver", accounts.some(number), 300)
    before = load.measure(machine, {"deliver": mail})["rate"]
    machine.restart()
    logins = load.stream("imap", accounts.some(number, CLIENTS), CLIENTS, CLIENTS)
    measured = load.measure(machine, {"deliver": {**mail, "background": True}, "imap": logins})
    return {**measured, "kept": measured["streams"]["deliver"]["rate"] / before, "served": measured["streams"]["imap"]["served"]}
