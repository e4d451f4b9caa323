# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only <CR><LF>.<CR><LF> ends a message: no other spelling lets a second one ride inside the first."""

import mail
import wire

ENDS = {
    "LF.LF": b"\n.\n",
    "LF.CRLF": b"\n.\r\n",
    "CRLF.LF": b"\r\n.\n",
    "CR.CR": b"\r.\r",
    "CR.CRLF": b"\r.\r\n",
    "CRLF.CR": b"\r\n.\r",
    "LF.CR": b"\n.\r",
    "CR.LF": b"\r.\n",
    "CRLF.CRCRLF": b"\r\n.\r\r\n",
    "CRCRLF.CRLF": b"\r\r\n.\r\n",
    "LFLF.LF": b"\n\n.\n",
    "CRLF NUL.CRLF": b"\r\n\0.\r\n",
}


def smuggle(client, end, sender):
    """Send a message with a second one inside, behind a doubtful end; the ID of the second."""
    outer_id, outer = mail.message(b"outer")
    inner_id, inner = mail.message(b"inner\r\n")
    envelope = f"MAIL FROM:<{sender}>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\n".encode()
    client.ask(f"MAIL FROM:<{sender}>")
    client.ask("RCPT TO:<bob@example.test>")
    assert wire.code_of(client.ask("DATA")) == 354
    client.send(outer + end + envelope + inner + b".\r\n")
    assert wire.code_of(client.hear()) != 0, f"no answer to {outer_id}"
    return inner_id


def arrived(machine, wait_for, message_ids):
    mail.settle(machine, wait_for, "bob@example.test")
    return [name for name, message_id in message_ids.items() if mail.count(machine, "bob@example.test", message_id)]


def test_a_stranger_smuggles_nothing(machine, wait_for):
    inner_ids = {}
    for name, end in ENDS.items():
        with wire.Wire(machine, wire.SMTP) as client:
            client.ask("EHLO client.test")
            inner_ids[name] = smuggle(client, end, "stranger@elsewhere.test")
    assert arrived(machine, wait_for, inner_ids) == []


def test_a_user_smuggles_nothing(machine, wait_for):
    inner_ids = {}
    for name, end in ENDS.items():
        with wire.secured(machine, wire.SUBMISSION) as client:
            client.login("alice@example.test", machine.passwords["alice@example.test"])
            inner_ids[name] = smuggle(client, end, "alice@example.test")
    assert arrived(machine, wait_for, inner_ids) == []
