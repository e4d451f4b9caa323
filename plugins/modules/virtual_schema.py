#!/usr/bin/python
# SPDX-FileCopyrightText: virtmail.mailserver contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virtual_schema
short_description: Prepare the database of a mail server
version_added: 1.0.0
author:
  - virtmail.mailserver contributors (@virtmail)
description:
  - Makes the database roles, the database, its tables and lookup functions, and grants each role exactly what it needs.
  - Takes over tables C(virtual_domains), C(virtual_users) and C(virtual_aliases) that were made by hand, with all rows.
    What stands in the way is named, and nothing is changed then, or it is moved out of the way if O(set_aside) says so.
  - Check mode executes the migrations of an existing database in a transaction that it takes back. It waits for at most five
    seconds for tables that somebody else has locked.
  - Whatever the roles have beyond their needs is taken away from them again; other roles of the server are left alone.
  - The role P(virtmail.mailserver.postgres_mail#role) calls this module.
extends_documentation_fragment:
  - virtmail.mailserver.attributes
  - virtmail.mailserver.connection
options:
  migrations:
    description:
      - All steps that make the schema, first to last. Each is applied once, all new ones in one transaction.
      - A database that has more of them than are given here is refused.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Four digits, an underscore and a word, such as V(0001_tables.sql).
        type: str
        required: true
      sql:
        description: The statements of the step.
        type: str
        required: true
  set_aside:
    description:
      - Whether rows that prevent the adoption of tables made by hand are moved to the table C(mail_internal.set_aside), which
        only the database's owner can read. Without it they are named, and nothing is changed.
      - These are rows without an address or a password, those of a domain that is not in C(virtual_domains), and all but
        one of those that are the same but for upper and lower case. The one in lower case stays, else that with the lowest number.
      - Addresses that the other modules would refuse, and aliases that lead nowhere, stay as they are; the former are named.
      - If a foreign key of another table would change or delete rows there, nothing is changed, and the key is named.
    type: bool
    default: false
  credentials_directory:
    description:
      - Existing directory for the password files of V(mail_admin), V(mail_dovecot), V(mail_postfix) and V(mail_watch), named
        C(admin.pgpass) and so on. Passwords are generated into them on the host that runs the module; the server gets SCRAM verifiers.
      - Leave it out where the roles log in without a password, over a Unix socket.
    type: path
notes:
  - Log in with a superuser, or with a role that may create roles and databases.
"""

EXAMPLES = r"""
- name: Prepare the database on a server of its own
  virtmail.mailserver.virtual_schema:
    login_host: db.example.com
    login_user: administrator
    login_password: "{{ vault_database_password }}"
    ssl_mode: verify-full
    ca_cert: /etc/ssl/certs/ca-certificates.crt
    credentials_directory: /etc/mailserver/credentials
    migrations:
      - name: 0001_tables.sql
        sql: "{{ lookup('ansible.builtin.file', 'migrations/0001_tables.sql') }}"
"""

RETURN = r"""
adoption:
  description:
    - What is done with rows that were there before the schema was ours, or would be in check mode, a sentence for each
      sort. Passwords and hashes are not in it.
    - In check mode it is known only if the database exists.
  returned: success
  type: list
  elements: str
  sample:
    - "set aside from virtual_users, id 7: alice@example.com is there as id 3"
    - "passwords get a scheme in front: alice@example.com"
    - "taken over: 1 domains, 1 users, 2 destinations of aliases"
applied_migrations:
  description: Names of the migrations that were applied, or would be in check mode.
  returned: success
  type: list
  elements: str
  sample: [0001_tables]
schema_version:
  description: Number of the newest migration that the database has after the run.
  returned: success
  type: int
  sample: 3
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import CONNECTION_SPEC, MailserverError
from ansible_collections.virtmail.mailserver.plugins.module_utils._schema_runner import run


def main():
    module = AnsibleModule(
        argument_spec={
            **CONNECTION_SPEC,
            "migrations": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "sql": {"type": "str", "required": True},
                },
            },
            "set_aside": {"type": "bool", "default": False},
            "credentials_directory": {"type": "path"},
        },
        supports_check_mode=True,
    )
    result, fault = {}, None
    try:
        result = run(module.params, module.check_mode)
    except MailserverError as exc:
        fault = str(exc)
    if fault:  # not while the exception is handled: Ansible could print its causes too, and PostgreSQL's show whole rows
        module.fail_json(msg=fault)
    if not module._diff:
        result.pop("diff")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
