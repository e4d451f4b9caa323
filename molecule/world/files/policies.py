# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve https://mta-sts.DOMAIN/.well-known/mta-sts.txt, whatever the domain: its only MX is mx.DOMAIN."""

import http.server
import ssl


class Policies(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        domain = self.headers["Host"].removeprefix("mta-sts.")
        policy = f"version: STSv1\r\nmode: enforce\r\nmx: mx.{domain}\r\nmax_age: 86400\r\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(policy)))
        self.end_headers()
        self.wfile.write(policy)


context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain("/etc/ssl/private/world.pem", "/etc/ssl/private/world.key")
server = http.server.ThreadingHTTPServer(("", 443), Policies)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
