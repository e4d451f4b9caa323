# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The services of a mail server, a line at a time: for all that Python's own mail clients are too polite to do."""

from __future__ import annotations

import base64
import re
import socket
import ssl
from dataclasses import dataclass

LAST_LINE = {"smtp": rb"\d\d\d ", "imap": rb"a ", "pop3": rb"", "sieve": rb"(OK|NO|BYE)\b"}
START_TLS = {"smtp": "STARTTLS", "imap": "a STARTTLS", "pop3": "STLS", "sieve": "STARTTLS"}


class NamedContext(ssl.SSLContext):
    """Verifies the certificate against the machine's name, though the connection goes to its address."""

    def wrap_socket(self, sock, **options):
        return super().wrap_socket(sock, **{**options, "server_hostname": self.name})


def verifying(machine) -> ssl.SSLContext:
    context = NamedContext(ssl.PROTOCOL_TLS_CLIENT)
    context.name = machine.hostname
    context.load_verify_locations(machine.ca_file)
    return context


@dataclass(frozen=True)
class Service:
    name: str
    port: int
    protocol: str
    implicit_tls: bool = False

    def __str__(self) -> str:
        return self.name


SMTP = Service("smtp", 25, "smtp")
SUBMISSION = Service("submission", 587, "smtp")
SUBMISSIONS = Service("submissions", 465, "smtp", implicit_tls=True)
IMAP = Service("imap", 143, "imap")
IMAPS = Service("imaps", 993, "imap", implicit_tls=True)
POP3 = Service("pop3", 110, "pop3")
POP3S = Service("pop3s", 995, "pop3", implicit_tls=True)
SIEVE = Service("sieve", 4190, "sieve")

LOGIN = [SUBMISSION, SUBMISSIONS, IMAP, IMAPS, POP3, POP3S, SIEVE]
ALL = [SMTP, *LOGIN]


class Wire:
    """One connection. Without TLS until start_tls(), unless the service begins with it; early is said before it is our turn."""

    def __init__(self, machine, service: Service, context: ssl.SSLContext | None = None, timeout: float = 30, early: bytes = b""):
        self.protocol = service.protocol
        self.socket = socket.create_connection((machine.address, service.port), timeout)
        if service.implicit_tls:
            self.socket = (context or verifying(machine)).wrap_socket(self.socket)
        self.send(early)
        self.reader = self.socket.makefile("rb")
        self.greeting = self.hear(b"\\* " if self.protocol == "imap" else None)

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *dummy) -> None:
        self.reader.close()
        self.socket.close()

    def hear(self, last_line: bytes | None = None) -> str:
        """A whole answer; less, or nothing, when the server hung up."""
        answer = b""
        while line := self.reader.readline():
            answer += line
            if re.match(last_line or LAST_LINE[self.protocol], line):
                break
        return answer.decode("utf-8", "replace")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def ask(self, text: str) -> str:
        self.send(text.encode() + b"\r\n")
        return self.hear()

    def start_tls(self, context: ssl.SSLContext) -> None:
        if self.protocol == "smtp":
            self.ask("EHLO client.test")
        answer = self.ask(START_TLS[self.protocol])
        assert re.match(r"220|a OK|\+OK|OK", answer), f"no TLS to be had: {answer!r}"
        self.reader.close()
        self.socket = context.wrap_socket(self.socket)
        self.reader = self.socket.makefile("rb")
        if self.protocol == "sieve":
            self.greeting = self.hear()

    def login(self, user: str, password: str) -> str:
        """The server's answer to a login, whatever it is."""
        token = base64.b64encode(f"\0{user}\0{password}".encode()).decode()
        match self.protocol:
            case "smtp":
                self.ask("EHLO client.test")
                return self.ask(f"AUTH PLAIN {token}")
            case "imap":
                return self.ask(f'a LOGIN "{user}" "{password}"')
            case "pop3":
                answer = self.ask(f"USER {user}")
                return self.ask(f"PASS {password}") if answer.startswith("+OK") else answer
            case "sieve":
                return self.ask(f'AUTHENTICATE "PLAIN" "{token}"')


def secured(machine, service: Service, context: ssl.SSLContext | None = None) -> Wire:
    """A connection in TLS, however the service begins it."""
    wire = Wire(machine, service, context)
    if not service.implicit_tls:
        wire.start_tls(context or verifying(machine))
    return wire


def login(machine, service: Service, user: str, password: str) -> str:
    with secured(machine, service) as wire:
        return wire.login(user, password)


def let_in(answer: str) -> bool:
    """Whether the answer to a login says welcome."""
    return re.search(r"^(235 |a OK|\+OK|OK\b)", answer, re.MULTILINE) is not None


def code_of(answer: str) -> int:
    """The SMTP reply code; 0 when the server hung up without one."""
    return int(answer[:3] or 0)


def rcpt(machine, recipient: str, sender: str = "stranger@elsewhere.test", timeout: float = 30) -> str:
    """What the MX says to a stranger who has mail for the recipient; '' if it hangs up."""
    with Wire(machine, SMTP, timeout=timeout) as wire:
        wire.ask("EHLO client.test")
        wire.ask(f"MAIL FROM:<{sender}>")
        return wire.ask(f"RCPT TO:<{recipient}>")
