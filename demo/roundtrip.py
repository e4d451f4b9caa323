# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sends a message by authenticated submission and reads it back over IMAPS, both certificates verified.

usage: roundtrip.py HOSTNAME CA_FILE < PASSWORD
"""

import imaplib
import smtplib
import socket
import ssl
import sys
import time
import uuid
from email.message import EmailMessage

USER = "alice@example.com"
SUBMISSION, IMAPS = 2587, 2993


def main() -> None:
    hostname, ca_file = sys.argv[1:]
    password = sys.stdin.readline().strip()
    reach_by_loopback(hostname)
    tls = ssl.create_default_context(cafile=ca_file)
    token = uuid.uuid4().hex

    with smtplib.SMTP(hostname, SUBMISSION, timeout=30) as smtp:
        smtp.starttls(context=tls)
        print(f"submission: {smtp.sock.version()}, certificate of {hostname} verified")
        smtp.login(USER, password)
        smtp.send_message(message(token))
    print(f"sent: {USER} -> info@example.com, an alias of {USER}")

    with imaplib.IMAP4_SSL(hostname, IMAPS, ssl_context=tls, timeout=30) as imap:
        print(f"IMAPS: {imap.sock.version()}, certificate of {hostname} verified")
        imap.login(USER, password)
        print(f"read back: {wait_for(imap, token)}")


def reach_by_loopback(hostname: str) -> None:
    """The demo's name is in no DNS, but its certificate holds for nothing else."""
    resolve = socket.getaddrinfo
    socket.getaddrinfo = lambda host, *rest, **named: resolve("127.0.0.1" if host == hostname else host, *rest, **named)


def message(token: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"] = USER, "info@example.com"
    message["Subject"] = f"It works: {token}"
    message.set_content("This message went in over SMTP and came out over IMAP.\n")
    return message


def wait_for(imap: imaplib.IMAP4_SSL, token: str) -> str:
    """The subject of the message with the token, once it is there."""
    for dummy in range(60):
        imap.select("INBOX")
        dummy, found = imap.search(None, "SUBJECT", token)
        if found[0]:
            dummy, parts = imap.fetch(found[0].split()[0], "(BODY[HEADER.FIELDS (SUBJECT)])")
            return parts[0][1].decode().strip()
        time.sleep(0.5)
    sys.exit("the message did not arrive within 30 seconds")


if __name__ == "__main__":
    main()
