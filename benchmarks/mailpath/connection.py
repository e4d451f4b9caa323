# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A client's connection: lines out, answers in, TLS from the start or later."""

import asyncio
import base64
import ssl

# Every connection shakes hands in full, as a server sees it from clients it has not met today.
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TLS.check_hostname = False
TLS.verify_mode = ssl.CERT_NONE
PATIENCE = 120


class Refused(Exception):
    """The server said no, or something that is no answer."""


class Connection:
    @classmethod
    async def open(cls, host, port, source, implicit_tls=False):
        self = cls()
        self.is_encrypted = implicit_tls
        tls = {"ssl": TLS, "ssl_handshake_timeout": PATIENCE} if implicit_tls else {}
        self.reader, self.writer = await asyncio.open_connection(host, port, local_addr=(source, 0), **tls)
        return self

    async def line(self):
        line = await self.reader.readline()
        if not line.endswith(b"\n"):
            raise Refused("the server hung up")
        return line

    async def send(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def start_tls(self):
        await self.writer.start_tls(TLS, ssl_handshake_timeout=PATIENCE)

    def close(self):
        self.writer.close()


def sasl_plain(user, password):
    return base64.b64encode(f"\0{user}\0{password}".encode()).decode()
