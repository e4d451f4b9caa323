# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  login_host:
    description:
      - Host name or address of the PostgreSQL server.
      - Empty for the server on this machine, over its Unix socket.
    type: str
    default: ""
  login_unix_socket:
    description:
      - Directory of the server's Unix socket. Used only while O(login_host) is empty.
      - Empty for the place that the PostgreSQL client library knows.
    type: path
    default: ""
  login_port:
    description: Port of the PostgreSQL server; over a Unix socket it is part of the socket's name.
    type: int
    default: 5432
  login_user:
    description:
      - Database role to log in as.
      - The role P(virtmail.mailserver.postgres_mail#role) lets the operating system's user C(root) log in as
        V(mail_admin) over the Unix socket without a password.
    type: str
    default: mail_admin
  login_password:
    description: Password of O(login_user), where the server asks for one.
    type: str
  login_db:
    description: Database to connect to.
    type: str
    default: mailserver
  ssl_mode:
    description:
      - Whether the connection is encrypted and the server's certificate verified; libpq's C(sslmode).
      - Choose V(verify-full) for a server on another machine.
    type: str
    choices: [allow, disable, prefer, require, verify-ca, verify-full]
    default: prefer
  ca_cert:
    description: File with the certificates of the authorities that the server's certificate is verified against.
    type: path
  ssl_cert:
    description: File with the client's certificate.
    type: path
  ssl_key:
    description: File with the client certificate's key.
    type: path
  connect_params:
    description:
      - Further connection parameters of libpq, such as C(passfile) or C(connect_timeout). They win over the other options.
      - Passwords are refused here, as Ansible would log them; name a C(passfile) instead.
    type: dict
    default: {}
requirements:
  - psycopg >= 3.1 on the host that runs the module (C(python3-psycopg) on Debian)
  - PostgreSQL >= 13
"""
