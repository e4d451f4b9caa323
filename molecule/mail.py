# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sending and reading mail as a mail program does, with the certificate verified."""

from __future__ import annotations

import contextlib
import imaplib
import smtplib
import uuid

import wire

SENDER = "stranger@elsewhere.test"


def message(body: bytes = b"Hello.\r\n", subject: bytes = b"A test") -> tuple[str, bytes]:
    """A message that only this run of this test knows, and the ID to find it by."""
    message_id = f"<{uuid.uuid4()}@client.test>"
    headers = (
        b"From: Somebody <stranger@elsewhere.test>\r\n"
        b"To: undisclosed-recipients:;\r\n"
        b"Subject: " + subject + b"\r\n"
        b"Date: Sat, 21 Nov 2026 06:00:00 +0000\r\n"
        b"Message-ID: " + message_id.encode() + b"\r\n"
        b"MIME-Version: 1.0\r\n"
        b"Content-Type: text/plain; charset=utf-8\r\n"
        b"Content-Transfer-Encoding: 8bit\r\n"
        b"\r\n"
    )
    return message_id, headers + body


@contextlib.contextmanager
def smtp(machine, service: wire.Service = wire.SMTP, user: str | None = None):
    """An SMTP session in TLS, logged in if there is a user."""
    context = wire.verifying(machine)
    if service.implicit_tls:
        client = smtplib.SMTP_SSL(machine.address, service.port, "client.test", timeout=60, context=context)
    else:
        client = smtplib.SMTP(machine.address, service.port, "client.test", timeout=60)
    with client:
        if not service.implicit_tls:
            client.starttls(context=context)
        if user:
            client.login(user, machine.passwords[user])
        yield client


def deliver(machine, *recipients: str, data: bytes | None = None, sender: str = SENDER) -> str:
    """Hand a message to the MX as any other mail server would; returns its ID if there is no data given."""
    message_id, text = message() if data is None else ("", data)
    with smtp(machine) as client:
        refused = client.sendmail(sender, recipients, text, ["BODY=8BITMIME"])
    assert not refused, f"some recipients were refused: {refused}"
    return message_id


@contextlib.contextmanager
def imap(machine, user: str, folder: str | None = "INBOX"):
    with imaplib.IMAP4_SSL(machine.address, ssl_context=wire.verifying(machine), timeout=60) as client:
        client.login(user, machine.passwords[user])
        if folder:
            client.select(folder)
        yield client


def find(client: imaplib.IMAP4, message_id: str) -> list[bytes]:
    """The UIDs of the messages with this ID in the selected folder, as of now."""
    client.noop()
    dummy, (uids,) = client.uid("SEARCH", "HEADER", "Message-ID", f'"{message_id}"')
    return uids.split()


def count(machine, user: str, message_id: str, folder: str = "INBOX") -> int:
    with imap(machine, user, folder) as client:
        return len(find(client, message_id))


def wait_for_message(machine, wait_for, user: str, message_id: str, folder: str = "INBOX", timeout: float = 20) -> bytes:
    """The text of a message, as soon as it is there."""
    with imap(machine, user, folder) as client:
        uids = wait_for(lambda: find(client, message_id), timeout, f"{message_id} is not in {folder} of {user}")
        assert len(uids) == 1, f"{message_id} arrived {len(uids)} times"
        dummy, data = client.uid("FETCH", uids[0], "(BODY.PEEK[])")
    return data[0][1]


def settle(machine, wait_for, user: str) -> None:
    """Wait until all that was accepted before for this user has arrived: then what is not there never comes."""
    wait_for_message(machine, wait_for, user, deliver(machine, user))
    wait_for(lambda: not machine.host.check_output("postqueue -j"), message="the queue is not empty")
