#!/usr/bin/python

# SPDX-FileCopyrightText: virtmail.mailserver contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virtual_user
short_description: Manage a mail user
description:
  - Creates, changes or removes one user with a mailbox. The mail of a removed user stays on disk.
  - The user's domain must exist.
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
      - A new user needs O(password) or O(password_hash). Both together are refused.
      - The stored hash is compared by verifying the password against it, so that a hash of the same password stays as it
        is, also when its scheme or cost differs.
    type: str
  password_hash:
    description:
      - Hash of the password as Dovecot stores it, with the scheme in front, such as V({SHA512-CRYPT}$6$…).
      - Accepted schemes are C(ARGON2ID), C(ARGON2I), C(BLF-CRYPT), C(SHA512-CRYPT), C(SHA256-CRYPT), C(MD5-CRYPT), C(CRYPT) with
        what crypt(3) makes, such as V({CRYPT}$y$…), C(SSHA512), C(SSHA256), C(SSHA), C(SMD5), C(SHA512), C(SHA256), C(SHA),
        C(PLAIN-MD5), C(LDAP-MD5) and C(CRAM-MD5), as in U(https://doc.dovecot.org/main/core/config/auth/schemes.html).
      - Dovecot 2.4 refuses hashes of C(MD5-CRYPT), C(PLAIN-MD5), C(LDAP-MD5), C(SMD5), and of C(CRYPT) with DES or MD5, unless
        O(virtmail.mailserver.dovecot#role:main:dovecot_allow_weak_password_schemes) is set.
      - A password in plain text is never found to be that of a stored hash of C(CRAM-MD5), or of C(CRYPT) with yescrypt or scrypt,
        because nothing here can verify these, and is hashed anew.
      - Compared as text.
    type: str
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
  password_protocols:
    description:
      - What the password is for, some of V(imap), V(pop3), V(sieve), V(smtp) and V(web), or V(all) alone. V(smtp) is the
        submission of mail, V(web) a webmail. By any other protocol it is refused as a wrong password is.
      - An empty list is for nothing, so that only O(app_passwords) let the user in.
      - Default for a new user is V(all).
    type: list
    elements: str
  app_passwords:
    description:
      - Further passwords of the user, each for one program or device, so that a lost one can be revoked alone, and the
        password itself need not lie on any device.
      - They are compared and changed at each run, whatever O(update_password) says.
      - Those that are not named here are left alone, unless O(virtmail.mailserver.virtual_directory#module:purge) says otherwise.
    type: list
    elements: dict
    suboptions:
      name:
        description: What the user calls it, such as V(phone). 1 to 63 characters without V(/).
        type: str
        required: true
      password:
        description:
          - The app password, V(app-) with at least 20 random letters, digits or signs behind it, as a shell makes of
            V(app-$(openssl rand -hex 16\)).
          - A new one needs O(app_passwords[].password) or O(app_passwords[].password_hash). Both together are refused.
          - Stored is its SHA-256 digest, which is quick to compute. Never use one that somebody has thought up.
        type: str
      password_hash:
        description: V({SHA256}) with the 64 hexadecimal digits of the app password's SHA-256 digest behind it.
        type: str
      protocols:
        description:
          - What the app password is for, as in O(password_protocols).
          - Default for a new one is V(imap), V(pop3), V(sieve) and V(smtp).
        type: list
        elements: str
      managed:
        description:
          - Whether the app password is one of those that O(virtmail.mailserver.virtual_directory#module:purge) may remove.
          - Default is V(true), also for a row that others have written; to declare it is to adopt it.
        type: bool
      state:
        description: Whether the app password is there. Of an V(absent) one nothing but O(app_passwords[].name) matters.
        type: str
        choices: [absent, present]
        default: present
  quota:
    description:
      - Largest size of the mailbox, such as V(500M) or V(5G) (units of 1024), V(0) for unlimited, V(default) for the server's own limit.
      - Default for a new user is V(default).
    type: str
  active:
    description: Whether the user can log in and receives mail. Default for a new user is V(true).
    type: bool
  managed:
    description:
      - Whether the user is one of those that O(virtmail.mailserver.virtual_directory#module:purge) may remove.
      - Default is V(true), also for a row that others have written; to declare it is to adopt it.
    type: bool
  state:
    description: Whether the user is there. Of an V(absent) one nothing but O(email) matters.
    type: str
    choices: [absent, present]
    default: present
seealso:
  - module: virtmail.mailserver.virtual_directory
    description: The same for all organizations, domains, users and aliases in one call, which is much faster.
"""

EXAMPLES = r"""
- name: Give Alice a mailbox of 5 GiB
  virtmail.mailserver.virtual_user:
    email: alice@example.com
    display_name: Alice
    password: "{{ vault_alice_password }}"
    quota: 5G

- name: Give Bob a first password that he may change himself
  virtmail.mailserver.virtual_user:
    email: bob@example.com
    password: "{{ vault_bob_password }}"
    update_password: on_create

- name: Let Bob's password be for webmail only, and give his phone one of its own
  virtmail.mailserver.virtual_user:
    email: bob@example.com
    password_protocols: [web]
    app_passwords:
      - name: phone
        password: "app-{{ lookup('ansible.builtin.password', 'credentials/bob-phone', chars=['ascii_letters', 'digits'], length=32) }}"
        protocols: [imap, smtp]

- name: Take it back, as the phone is lost
  virtmail.mailserver.virtual_user:
    email: bob@example.com
    app_passwords:
      - name: phone
        state: absent

- name: Lock Carol out and refuse her mail
  virtmail.mailserver.virtual_user:
    email: carol@example.com
    active: false
"""

RETURN = r"""
counts:
  description: How many rows of each kind were created, updated and deleted, or would be in check mode.
  returned: success
  type: dict
  sample:
    organizations: {created: 0, updated: 0, deleted: 0}
    domains: {created: 0, updated: 0, deleted: 0}
    users: {created: 1, updated: 0, deleted: 0}
    app_passwords: {created: 0, updated: 0, deleted: 0}
    aliases: {created: 0, updated: 0, deleted: 0}
names:
  description: Addresses and domains of these rows, at most 20 of each sort.
  returned: success
  type: dict
  sample:
    organizations: {created: [], updated: [], deleted: []}
    domains: {created: [], updated: [], deleted: []}
    users: {created: [alice@example.com], updated: [], deleted: []}
    app_passwords: {created: [], updated: [], deleted: []}
    aliases: {created: [], updated: [], deleted: []}
"""

from ansible_collections.virtmail.mailserver.plugins.module_utils._entities import USER
from ansible_collections.virtmail.mailserver.plugins.module_utils._runner import run_single


def main():
    run_single(USER)


if __name__ == "__main__":
    main()
