# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is in mailboxes, message by message, and what the tests put into the old ones."""

import hashlib
import imaplib
import re
import time

import wire

REPORTS = "&xcW7NA- &- &vPSs4A-"  # 업무 & 보고
YEAR = "2026&sUQ-"  # 2026년
BIG = b"0123456789abcdef" * 4 + b"\r\n"
# (folder, flags, body) of each user's messages; the separator is the one of the old server
MESSAGES = (
    ("INBOX", "", b"unread"),
    ("INBOX", r"\Seen", b"read"),
    ("INBOX", r"\Answered \Flagged \Seen", b"answered"),
    ("INBOX", r"$Important work", b"important"),
    ("INBOX", r"\Deleted", b"deleted"),
    ("INBOX/Sent", r"\Seen", b"sent"),
    ("INBOX/Sent", r"\Seen", b"big " + BIG * 100000),
    (f"INBOX/{REPORTS}", r"\Seen", b"report"),
    (f"INBOX/{REPORTS}/{YEAR}", r"\Draft", b"draft"),
    ("INBOX/v1.2", "", b"a dot in the name of the folder"),
    ("INBOX/lists/debian", r"\Flagged", b"list"),
)
CYRUS = (*MESSAGES, ("INBOX/INBOX", "", b"in a folder that is called like the inbox"))
UNSUBSCRIBED = "INBOX/lists/debian"
# On Dovecot, which has namespaces: archive is the user's own, public is everybody's
PIGEON = [
    ("INBOX", "", b"unread"),
    ("INBOX", r"$Important \Seen", b"important"),
    ("INBOX.INBOX.below", r"\Flagged", b"below a folder that is called like the inbox"),
    (f"INBOX.{REPORTS}", r"\Seen", b"report"),
    ("archive.2019", r"\Seen work", b"archived"),
    ("public.all", "", b"for everybody"),
]
# The inbox of the same name that is no address
STRAY = [("INBOX", "", b"elsewhere"), ("INBOX", r"\Seen", b"elsewhere, and read")]
OWL = [("INBOX", r"\Seen", b"read"), ("INBOX", "", b"big " + BIG * 20000), ("INBOX.Sent", r"\Seen", b"sent")]
ODD_KEYWORD = "a]b"
# What comes into the inbox as a file: a CR and a LF that are alone, and nothing at all
ODD_FILES = {"1500000001.M1P1.old:2,Sa": b"From: x@elsewhere.test\nSubject: one\rline\n\nsigned\rby hand\n", "1500000002.M1P1.old:2,S": b""}


def connection(machine, user, password, master=None, port=993):
    """A session of the user, or of the master in the name of the user."""
    client = imaplib.IMAP4_SSL(machine.address, port, ssl_context=wire.verifying(machine), timeout=60)
    token = "\0".join([user if master else "", master or user, password])
    client.authenticate("PLAIN", lambda dummy: token.encode())
    return client


def text(number, body):
    return b"From: x@elsewhere.test\r\nSubject: No. %d\r\nMessage-ID: <old-%d@client.test>\r\n\r\n%s\r\n" % (number, number, body)


def append(client, folder, flags, number, body):
    day = 1 + number % 28
    status, answer = client.append(f'"{folder}"', f"({flags})", f'"{day:02}-Feb-2019 03:04:05 +0900"', text(number, body))
    assert status == "OK", answer


def fill(client, messages=CYRUS, first=0, extra=0):
    """Put the messages into a mailbox, and more of them into its inbox."""
    for folder in dict.fromkeys(folder for folder, dummy, dummy in messages if folder != "INBOX"):
        client.create(f'"{folder}"')
        if folder != UNSUBSCRIBED:
            client.subscribe(f'"{folder}"')
    for number, (folder, flags, body) in enumerate(messages, first):
        append(client, folder, flags, number, body)
    for number in range(len(messages), len(messages) + extra):
        append(client, "INBOX", "", number, b"one of many " * 100)


def _listed(answer):
    """{path without prefix and separators: name}"""
    found = {}
    for line in filter(None, answer):
        flags, separator, name = re.fullmatch(rb'\(([^)]*)\) "(.)" "?([^"]*)"?', line).groups()
        name = name.decode()
        if b"\\Noselect" not in flags:
            path = name.removeprefix(f"INBOX{separator.decode()}").split(separator.decode())
            if name != "INBOX" and path[0] == "INBOX":
                path.insert(0, "INBOX")
            # What separates folders in the one place is a letter of their names in the other
            found["|".join(path).replace(".", "_")] = name
    return found


def contents(client):
    """{folder: [(hash of the message, flags, internal date)]}, without empty folders."""
    return {path: found for path, name in _listed(client.list()[1]).items() if (found := messages(client, name))}


def subscriptions(client):
    return set(_listed(client.lsub()[1]))


def messages(client, folder):
    if client.select(f'"{folder}"', readonly=True)[1] == [b"0"]:
        return []
    found = []
    dummy, data = client.uid("FETCH", "1:*", "(FLAGS INTERNALDATE BODY.PEEK[])")
    for number, part in enumerate(data):
        if isinstance(part, tuple):
            line = part[0] + data[number + 1]
            flags = set(re.search(rb"FLAGS \(([^)]*)\)", line)[1].decode().split()) - {"\\Recent"}
            found.append((digest(part[1]), tuple(sorted(flags)), moment(line)))
    return sorted(found)


def digest(message):
    return hashlib.sha256(message).hexdigest()


def all_uids(client):
    """{folder: (UIDVALIDITY, numbers of its messages)}, without empty folders."""
    return {path: found for path, name in _listed(client.list()[1]).items() if (found := uids(client, name))[1]}


def moment(line):
    """INTERNALDATE in seconds since the epoch: the two servers may be in different time zones."""
    return time.mktime(imaplib.Internaldate2tuple(line))


def uids(client, folder="INBOX"):
    client.select(f'"{folder}"', readonly=True)
    return client.response("UIDVALIDITY")[1][0], client.uid("SEARCH", "ALL")[1][0].split()
