# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hundred clients on each of four ports, who stay until all are there: who is refused, and what memory it takes."""

import accounts
import load

CLIENTS = 100
OPERATIONS = ("deliver", "submit", "imap", "pop3")


def measure(machine, number):
    """As load.measure(), with the memory while all clients are there."""
    known = accounts.some(number)
    streams = {operation: load.stream(operation, known, CLIENTS, CLIENTS, hold=True) for operation in OPERATIONS}
    memory = {}
    measured = load.measure(machine, streams, lambda: memory.update(machine.accounting.memory()))
    return {**measured, "memory": memory}
