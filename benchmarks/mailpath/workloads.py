# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the clients do: a function for each workload gives its streams for a directory of so many accounts, and a round.

All but the newcomers of the mixed day are the same two hundred users, who have had mail and have logged in before.
"""

import accounts
from load import stream

NEWCOMERS = 40


def single(operation, count):
    return lambda number, turn: {operation: stream(operation, accounts.some(number), count)}


def mixed(number, turn):
    """Of those who log in, every fifth has not been here before."""
    known = accounts.some(number)
    others = [user for offset in range(1, 5) for user in accounts.some(number, offset=offset)]
    new = others[turn * NEWCOMERS :][:NEWCOMERS]
    users = [user for group in zip(*(iter(known[: 4 * NEWCOMERS]),) * 4, new, strict=True) for user in group]
    return {
        "deliver": stream("deliver", known, 200, 10),
        "imap": stream("imap", users[::2], 100, 5),
        "pop3": stream("pop3", users[1::4], 50, 3),
        "submit": stream("submit", users[3::4], 50, 3),
    }


ALL = {
    # Postfix replaces an SMTP server after a hundred clients by default, and each round has its share of that.
    "deliver": single("deliver", 2000),
    "imap": single("imap", 200),
    "pop3": single("pop3", 200),
    "submit": single("submit", 600),
    "submit_465": single("submit_465", 200),
    "deliver_tls": single("deliver_tls", 200),
    "mixed": mixed,
    "full": single("deliver", 600),
}
