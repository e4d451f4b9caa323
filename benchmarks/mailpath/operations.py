# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client says on each port. Up to the `yield` it is timed; there it holds on, if it is to, and then it leaves."""

from accounts import PASSWORD
from connection import Refused, sasl_plain

SENDER = "stranger@elsewhere.test"
BODY = b"".join(b"%04d The quick brown fox jumps over the lazy dog, and over the wall.\r\n" % number for number in range(58))


def message(sender, recipient):
    """4 KiB"""
    headers = f"From: <{sender}>\r\nTo: <{recipient}>\r\nSubject: A message\r\nDate: Sat, 21 Nov 2026 06:00:00 +0000\r\n\r\n"
    return headers.encode() + BODY + b".\r\n"


async def answer(connection, code):
    """The last line of an SMTP answer that has to have this code."""
    while (line := await connection.line())[3:4] == b"-":
        pass
    if not line.startswith(code):
        raise Refused(line.decode("ascii", "replace").strip())


async def ask(connection, text, code=b"250"):
    await connection.send(text.encode() + b"\r\n")
    await answer(connection, code)


async def transfer(connection, sender, recipient):
    await ask(connection, f"MAIL FROM:<{sender}>")
    await ask(connection, f"RCPT TO:<{recipient}>")
    await ask(connection, "DATA", b"354")
    await connection.send(message(sender, recipient))
    await answer(connection, b"250")


async def greet(connection, start_tls=False):
    await ask(connection, "EHLO client.test")
    if start_tls:
        await ask(connection, "STARTTLS", b"220")
        await connection.start_tls()
        await ask(connection, "EHLO client.test")


async def deliver(connection, user):
    """Another server's message for the user"""
    await answer(connection, b"220")
    await greet(connection)
    await transfer(connection, SENDER, user)
    yield
    await ask(connection, "QUIT", b"221")


async def deliver_tls(connection, user):
    await answer(connection, b"220")
    await greet(connection, start_tls=True)
    await transfer(connection, SENDER, user)
    yield
    await ask(connection, "QUIT", b"221")


async def submit(connection, user):
    """The user's message to the user"""
    await answer(connection, b"220")
    await greet(connection, start_tls=not connection.is_encrypted)
    await ask(connection, f"AUTH PLAIN {sasl_plain(user, PASSWORD)}", b"235")
    await transfer(connection, user, user)
    yield
    await ask(connection, "QUIT", b"221")


async def imap(connection, user):
    await connection.line()
    await connection.send(f'a LOGIN "{user}" "{PASSWORD}"\r\n'.encode())
    while not (line := await connection.line()).startswith(b"a "):
        pass
    if not line.startswith(b"a OK"):
        raise Refused(line.decode("ascii", "replace").strip())
    yield
    await connection.send(b"b LOGOUT\r\n")
    while not (await connection.line()).startswith(b"b "):
        pass


async def pop3(connection, user):
    for request in (None, f"USER {user}", f"PASS {PASSWORD}"):
        if request:
            await connection.send(request.encode() + b"\r\n")
        if not (line := await connection.line()).startswith(b"+OK"):
            raise Refused(line.decode("ascii", "replace").strip())
    yield
    await connection.send(b"QUIT\r\n")
    await connection.line()


# The port, and whether TLS begins with the first byte
ALL = {
    "deliver": (deliver, 25, False),
    "deliver_tls": (deliver_tls, 25, False),
    "submit": (submit, 587, False),
    "submit_465": (submit, 465, True),
    "imap": (imap, 993, True),
    "pop3": (pop3, 995, True),
}
