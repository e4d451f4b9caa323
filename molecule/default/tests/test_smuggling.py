# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only <CR><LF>.<CR><LF> ends a message: no other spelling lets a second one ride inside the first."""

import mail
import wire
from smuggling import ENDS, smuggle

BOB = "bob@example.test"


def attempt(client, end, sender):
    """The ID of the second message."""
    inner_id, inner = mail.message(b"inner\r\n")
    smuggle(client, end, sender, BOB, mail.message(b"outer")[1], inner)
    return inner_id


def arrived(machine, wait_for, message_ids):
    mail.settle(machine, wait_for, BOB)
    return [name for name, message_id in message_ids.items() if mail.count(machine, BOB, message_id)]


def test_a_stranger_smuggles_nothing(machine, wait_for):
    inner_ids = {}
    for name, end in ENDS.items():
        with wire.Wire(machine, wire.SMTP) as client:
            client.ask("EHLO client.test")
            inner_ids[name] = attempt(client, end, "stranger@elsewhere.test")
    assert arrived(machine, wait_for, inner_ids) == []


def test_a_user_smuggles_nothing(machine, wait_for):
    inner_ids = {}
    for name, end in ENDS.items():
        with wire.secured(machine, wire.SUBMISSION) as client:
            client.login("alice@example.test", machine.passwords["alice@example.test"])
            inner_ids[name] = attempt(client, end, "alice@example.test")
    assert arrived(machine, wait_for, inner_ids) == []
