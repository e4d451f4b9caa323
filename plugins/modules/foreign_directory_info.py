#!/usr/bin/python

# SPDX-FileCopyrightText: virtmail.mailserver contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: foreign_directory_info
short_description: Read the domains, users and aliases of another mail server's database
description:
  - Reads the directory of another mail server, in PostgreSQL or MariaDB, and returns it in the form that
    M(virtmail.mailserver.virtual_directory) takes, or writes it into a file.
  - Reads one snapshot, and changes nothing there.
  - What M(virtmail.mailserver.virtual_directory) would refuse is left out, and RV(left_out) says of each row why.
  - Password hashes, quotas, names and what is switched off stay as they are. A hash without a scheme in front gets it.
version_added: 1.0.0
author: virtmail.mailserver contributors (@virtmail)
extends_documentation_fragment:
  - virtmail.mailserver.attributes
attributes:
  check_mode:
    support: full
    description: Only O(dest) is not written then.
  diff_mode:
    support: N/A
    description: Changes nothing in a directory, so there is no difference to show.
  action_group:
    support: none
    membership: []
    description: Its connection options are those of another database.
options:
  layout:
    description:
      - V(postfixadmin) is that of PostfixAdmin 2.3 or newer, with the tables C(domain), C(alias), C(mailbox) and, where it is
        there, C(alias_domain).
      - V(tutorial) is that of well-known guides, with the tables C(virtual_domains), C(virtual_users) and C(virtual_aliases).
      - Of PostfixAdmin, what every mailbox has as an alias of its own name becomes none, backup MX domains and inactive
        aliases are left out, and so are vacation messages and the limits of domains.
      - An alias that sends all mail of an active mailbox elsewhere gets the mailbox as a destination too.
    type: str
    choices: [postfixadmin, tutorial]
    required: true
  engine:
    description: The database server, V(mariadb) for MySQL too.
    type: str
    choices: [mariadb, postgresql]
    required: true
  login_host:
    description:
      - Host name or address of the database server.
      - Empty for the server on this machine, over its Unix socket.
    type: str
    default: ""
  login_unix_socket:
    description:
      - The server's Unix socket. Used only while O(login_host) is empty. For PostgreSQL it is the directory of the socket.
      - Empty for the usual place, which is C(/run/mysqld/mysqld.sock) for MariaDB.
    type: path
    default: ""
  login_port:
    description: Port of the database server. Default is 5432 for PostgreSQL and 3306 for MariaDB.
    type: int
  login_user:
    description: Who to log in as. The right to read the tables is enough.
    type: str
    required: true
  login_password:
    description: Password of O(login_user), where the server asks for one.
    type: str
  login_db:
    description: Database with the tables.
    type: str
    required: true
  ssl_mode:
    description:
      - Whether the connection to O(login_host) is encrypted and the server's certificate verified, in the words of libpq's
        C(sslmode). For MariaDB V(allow) means V(prefer).
      - Choose V(verify-full) for a server on another machine.
    type: str
    choices: [allow, disable, prefer, require, verify-ca, verify-full]
    default: prefer
  ca_cert:
    description:
      - File with the certificates of the authorities that the server's certificate is verified against.
      - Without it, MariaDB's is verified against those of the system.
    type: path
  ssl_cert:
    description: File with the client's certificate.
    type: path
  ssl_key:
    description: File with the client certificate's key.
    type: path
  cleartext_passwords:
    description:
      - Whether a password of no known form, or with the scheme C({PLAIN}), C({CLEAR}) or C({CLEARTEXT}), is the password itself.
        It is hashed with C(ARGON2ID), whatever its length, and with a salt made from the address, so that another run returns
        the same hash.
      - If V(false), such a password makes the module fail, and the message names the rows.
      - A password in the clear that looks like a hash, as 32 hexadecimal digits or 13 letters of crypt(3) do, is taken for one.
    type: bool
    default: false
  include_password_hashes:
    description:
      - Whether to return the users' password hashes.
      - Refused unless there is a O(dest), or the task has C(no_log) set to V(true), as the hashes would be printed otherwise.
    type: bool
    default: false
  dest:
    description:
      - File on the managed host, with a name that ends in C(.json), that the rows are written to instead of being returned.
      - It is a O(virtmail.mailserver.virtual_directory#module:src). Only the user of the module can read it. Nothing is
        written if the file is as it would be already.
    type: path
requirements:
  - psycopg >= 3.1 on the host that runs the module, for PostgreSQL (C(python3-psycopg) on Debian)
  - PyMySQL >= 1.0 there, for MariaDB (C(python3-pymysql) on Debian)
  - passlib 1.7.4, or libpass, and argon2-cffi, for O(cleartext_passwords) (C(python3-passlib) and C(python3-argon2) on Debian)
notes:
  - Warns when users have hashes that Dovecot 2.4 refuses as weak, unless
    O(virtmail.mailserver.dovecot#role:main:dovecot_allow_weak_password_schemes) is set.
  - Warns when users have hashes that take more than 100 ms of CPU to verify, such as C(SHA512-CRYPT) with 656,000 rounds, which
    is what passlib and the filter P(ansible.builtin.password_hash#filter) make. A new password in plain text, given to
    M(virtmail.mailserver.virtual_user) or M(virtmail.mailserver.virtual_directory), is hashed anew; the same one keeps its hash.
seealso:
  - module: virtmail.mailserver.virtual_directory
    description: Writes what this module reads.
"""

EXAMPLES = r"""
- name: See what PostfixAdmin's database has, and what cannot be taken over
  virtmail.mailserver.foreign_directory_info:
    layout: postfixadmin
    engine: mariadb
    login_host: old.example.com
    login_user: reader
    login_password: "{{ vault_reader_password }}"
    login_db: postfixadmin
    ssl_mode: verify-full
  register: old

- name: Write it into a file, with the password hashes
  virtmail.mailserver.foreign_directory_info:
    layout: postfixadmin
    engine: mariadb
    login_user: root
    login_db: postfixadmin
    include_password_hashes: true
    dest: /root/old.json

- name: Bring it into the database of this mail server
  virtmail.mailserver.virtual_directory:
    src: /root/old.json
    remote_src: true
"""

RETURN = r"""
domains:
  description: The domains, sorted by name.
  returned: success, unless O(dest) is given
  type: list
  elements: dict
  sample:
    - name: example.com
      description: Head office
      active: true
      managed: true
users:
  description: The users, sorted by address. They have C(password_hash) only if O(include_password_hashes) is V(true).
  returned: success, unless O(dest) is given
  type: list
  elements: dict
  sample:
    - email: alice@example.com
      display_name: Alice
      quota: 5G
      active: true
      managed: true
aliases:
  description: The aliases, sorted by source.
  returned: success, unless O(dest) is given
  type: list
  elements: dict
  sample:
    - source: info@example.com
      destination: [alice@example.com]
      managed: true
dest:
  description: The file with the rows.
  returned: O(dest) is given
  type: str
  sample: /root/old.json
counts:
  description: How many rows of each kind there are to take over.
  returned: success
  type: dict
  sample: {domains: 1, users: 1, aliases: 1}
left_out:
  description: What is not taken over as it is, a sentence for each, with the row and the reason.
  returned: success
  type: list
  elements: str
  sample:
    - "domain backup.example: this is a backup MX, which only passes mail on to another server."
"""

from ansible_collections.virtmail.mailserver.plugins.module_utils._runner import run_foreign_info


def main():
    run_foreign_info()


if __name__ == "__main__":
    main()
