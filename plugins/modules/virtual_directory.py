#!/usr/bin/python

# SPDX-FileCopyrightText: virtmail.mailserver contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virtual_directory
short_description: Manage all mail domains, users and aliases in one call
description:
  - Brings domains, users and aliases into the state that is described, in one transaction.
  - Rows that are stored and not described are left alone, unless O(purge) says otherwise.
version_added: 1.0.0
author: virtmail.mailserver contributors (@virtmail)
extends_documentation_fragment:
  - virtmail.mailserver.connection
  - virtmail.mailserver.attributes
  - virtmail.mailserver.directory
requirements:
  - passlib 1.7.4, or libpass, where passwords are given in plain text (C(python3-passlib) on Debian)
  - argon2-cffi for the scheme C(ARGON2ID) (C(python3-argon2) on Debian), bcrypt for C(BLF-CRYPT) (C(python3-bcrypt))
options:
  domains:
    description: The domains, each with the options of M(virtmail.mailserver.virtual_domain).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: The domain.
        type: str
        required: true
      description:
        description: What the domain is for. Shown to administrators only. Default for a new domain is empty.
        type: str
      active:
        description:
          - Whether the domain's users can log in and receive mail, and its aliases lead anywhere.
          - Default for a new domain is V(true).
        type: bool
      state:
        description: Whether the domain is there. Of an V(absent) one nothing but O(domains[].name) matters.
        type: str
        choices: [absent, present]
        default: present
  users:
    description: The users, each with the options of M(virtmail.mailserver.virtual_user).
    type: list
    elements: dict
    default: []
    suboptions:
      email:
        description:
          - The user's address, which is the login name too.
          - Letters, digits, V(.), V(_) and V(-) are allowed before the V(@). A sub-address (V(name+detail@domain)) is not an account.
        type: str
        required: true
      display_name:
        description: The user's name. Default for a new user is empty.
        type: str
      password:
        description:
          - Password in plain text, 8 to 1024 characters.
          - A new user needs O(users[].password) or O(users[].password_hash). Both together are refused.
          - The stored hash is compared by verifying the password against it, so that a hash of the same password stays as it
            is, also when its scheme or cost differs.
        type: str
      password_hash:
        description:
          - Hash of the password as Dovecot stores it, with the scheme in front, such as V({SHA512-CRYPT}$6$…).
          - Accepted schemes are C(ARGON2ID), C(ARGON2I), C(BLF-CRYPT), C(SHA512-CRYPT), C(SHA256-CRYPT) and C(MD5-CRYPT), as
            in U(https://doc.dovecot.org/main/core/config/auth/schemes.html).
          - Compared as text.
        type: str
      password_scheme:
        description:
          - Scheme of new hashes, one of V(ARGON2ID), V(SHA512-CRYPT) and V(BLF-CRYPT).
          - Default is O(password_scheme).
        type: str
      password_cost:
        description:
          - Cost of new hashes.
          - For V(ARGON2ID) the number of passes over 19 MiB of memory, 1 to 100, by default 2.
          - For V(SHA512-CRYPT) the number of rounds, 5001 to 10000000, by default 100000.
          - For V(BLF-CRYPT) the logarithm of the rounds, 4 to 17, by default 10.
          - Default is O(password_cost), unless O(users[].password_scheme) is given.
        type: int
      update_password:
        description:
          - V(always) sets the password whenever the stored hash is not one of it.
          - V(on_create) sets it only for a new user, so that a password that users have changed themselves stays theirs.
          - Default is O(update_password).
        type: str
        choices: [always, on_create]
      quota:
        description:
          - Largest size of the mailbox, such as V(500M) or V(5G) (units of 1024), V(0) for unlimited, V(default) for the server's own limit.
          - Default for a new user is V(default).
        type: str
      active:
        description: Whether the user can log in and receives mail. Default for a new user is V(true).
        type: bool
      state:
        description: Whether the user is there. Of an V(absent) one nothing but O(users[].email) matters.
        type: str
        choices: [absent, present]
        default: present
  aliases:
    description: The aliases, each with the options of M(virtmail.mailserver.virtual_alias).
    type: list
    elements: dict
    default: []
    suboptions:
      source:
        description:
          - The address that gets the mail. Its domain must be one of ours.
          - V(@domain) stands for all addresses of a domain that are neither users nor aliases.
        type: str
        required: true
      destination:
        description:
          - Addresses that the mail goes to, here or elsewhere. Exactly these; others that are stored are removed.
          - Required while O(aliases[].state) is V(present).
          - A user's own address may be among the destinations of that user's alias, so that a copy is kept.
          - V(@domain), allowed if O(aliases[].source) is such a one, sends the mail of a whole domain to the same names in another domain of ours.
        type: list
        elements: str
      state:
        description: Whether the alias is there. Of an V(absent) one nothing but O(aliases[].source) matters.
        type: str
        choices: [absent, present]
        default: present
  password_scheme:
    description:
      - Scheme of new hashes, one of V(ARGON2ID), V(SHA512-CRYPT) and V(BLF-CRYPT).
      - Default is V(ARGON2ID).
    type: str
  password_cost:
    description:
      - Cost of new hashes.
      - For V(ARGON2ID) the number of passes over 19 MiB of memory, 1 to 100, by default 2.
      - For V(SHA512-CRYPT) the number of rounds, 5001 to 10000000, by default 100000.
      - For V(BLF-CRYPT) the logarithm of the rounds, 4 to 17, by default 10.
      - Higher is slower, for attackers and at each login.
    type: int
  update_password:
    description:
      - V(always) sets the password whenever the stored hash is not one of it.
      - V(on_create) sets it only for a new user, so that a password that users have changed themselves stays theirs.
      - Default is V(always).
    type: str
    choices: [always, on_create]
  purge:
    description:
      - Kinds of which all stored rows are removed that are not described.
      - A kind is not purged on the strength of an empty list, nor when more rows would go than O(purge_limit).
    type: list
    elements: str
    choices: [domains, users, aliases]
    default: []
  purge_limit:
    description: Largest number of rows of one kind that O(purge) removes.
    type: int
    default: 10
seealso:
  - module: virtmail.mailserver.virtual_directory_info
    description: Reads what is stored, in the form that this module takes.
"""

EXAMPLES = r"""
- name: Keep the directory as it is written here
  virtmail.mailserver.virtual_directory:
    domains:
      - name: example.com
    users:
      - email: alice@example.com
        password: "{{ vault_alice_password }}"
        quota: 5G
      - email: bob@example.com
        password_hash: "{{ vault_bob_password_hash }}"
    aliases:
      - source: info@example.com
        destination: [alice@example.com, bob@example.com]
    update_password: on_create

- name: Remove aliases that are no longer in the list
  virtmail.mailserver.virtual_directory:
    aliases: "{{ mail_aliases }}"
    purge: [aliases]
    purge_limit: 50

- name: Remove a domain and all that is in it
  virtmail.mailserver.virtual_directory:
    domains:
      - name: example.org
        state: absent
    users:
      - email: dave@example.org
        state: absent
"""

RETURN = r"""
counts:
  description: How many rows of each kind were created, updated and deleted, or would be in check mode.
  returned: success
  type: dict
  sample:
    domains: {created: 0, updated: 0, deleted: 0}
    users: {created: 1, updated: 0, deleted: 0}
    aliases: {created: 0, updated: 0, deleted: 0}
names:
  description: Addresses and domains of these rows, at most 20 of each sort.
  returned: success
  type: dict
  sample:
    domains: {created: [], updated: [], deleted: []}
    users: {created: [alice@example.com], updated: [], deleted: []}
    aliases: {created: [], updated: [], deleted: []}
"""

from ansible_collections.virtmail.mailserver.plugins.module_utils._runner import run_bulk


def main():
    run_bulk()


if __name__ == "__main__":
    main()
