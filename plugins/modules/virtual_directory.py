#!/usr/bin/python

# SPDX-FileCopyrightText: virtmail.mailserver contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virtual_directory
short_description: Manage all organizations, mail domains, users and aliases in one call
description:
  - Brings organizations, domains, users and aliases into the state that is described, in one transaction.
  - Rows that are stored and not described are left alone, unless O(purge) says otherwise.
version_added: 1.0.0
author: virtmail.mailserver contributors (@virtmail)
extends_documentation_fragment:
  - virtmail.mailserver.connection
  - virtmail.mailserver.attributes
  - virtmail.mailserver.directory
requirements:
  - passlib 1.7.4, or libpass, where passwords are given in plain text (C(python3-passlib) on Debian)
  - PyYAML for a O(src) in YAML (C(python3-yaml) on Debian)
  - argon2-cffi for the scheme C(ARGON2ID) (C(python3-argon2) on Debian), bcrypt for C(BLF-CRYPT) (C(python3-bcrypt))
options:
  organizations:
    description: The organizations, each with the options of M(virtmail.mailserver.virtual_organization).
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: A short name of the organization, of letters, digits, V(.), V(_) and V(-), at most 63. Kept in lower case.
        type: str
        required: true
      description:
        description: Who it is. Default for a new organization is empty.
        type: str
      max_domains:
        description: Largest number of its domains, or V(unlimited), which is the default for a new organization.
        type: str
      max_users:
        description: Largest number of users in all its domains, or V(unlimited), which is the default for a new organization.
        type: str
      max_aliases:
        description:
          - Largest number of aliases in all its domains, or V(unlimited), which is the default for a new organization.
          - An alias counts once for each of its destinations.
        type: str
      max_quota:
        description:
          - Largest sum of the quotas of all its users, such as V(500G) (units of 1024), or V(unlimited), which is the default
            for a new organization.
          - With a limit, each of the users needs a quota of its own. Neither V(0) nor V(default) is one.
        type: str
      database_role:
        description:
          - Role in PostgreSQL that may see and change the rows of this organization, and no others. Empty is none, which is the
            default for a new organization.
          - Somebody who may create roles makes it, as a member of C(mail_tenant); without that it has no rights.
        type: str
      managed:
        description:
          - Whether the organization is one of those that O(purge) may remove.
          - Default is V(true), also for a row that others have written; to declare it is to adopt it.
        type: bool
      state:
        description: Whether the organization is there. Of an V(absent) one nothing but O(organizations[].name) matters.
        type: str
        choices: [absent, present]
        default: present
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
      organization:
        description:
          - The organization that the domain belongs to, and whose limits count its users and aliases. Empty is none.
          - Default for a new domain is none.
        type: str
      description:
        description: What the domain is for. Shown to administrators and to the organization. Default for a new domain is empty.
        type: str
      active:
        description:
          - Whether the domain's users can log in and receive mail, and its aliases lead anywhere.
          - Default for a new domain is V(true).
        type: bool
      managed:
        description:
          - Whether the domain is one of those that O(purge) may remove.
          - Default is V(true), also for a row that others have written; to declare it is to adopt it.
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
      password_protocols:
        description:
          - What the password is for, some of V(imap), V(pop3), V(sieve), V(smtp) and V(web), or V(all) alone. V(smtp) is the
            submission of mail, V(web) a webmail. By any other protocol it is refused as a wrong password is.
          - An empty list is for nothing, so that only O(users[].app_passwords) let the user in.
          - Default for a new user is V(all).
        type: list
        elements: str
      app_passwords:
        description:
          - Further passwords of the user, each for one program or device, so that a lost one can be revoked alone, and the
            password itself need not lie on any device.
          - They are compared and changed at each run, whatever O(users[].update_password) says.
          - Those that are not named here are left alone, unless O(purge) says otherwise.
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
              - A new one needs O(users[].app_passwords[].password) or O(users[].app_passwords[].password_hash). Both together are refused.
              - Stored is its SHA-256 digest, which is quick to compute. Never use one that somebody has thought up.
            type: str
          password_hash:
            description: V({SHA256}) with the 64 hexadecimal digits of the app password's SHA-256 digest behind it.
            type: str
          protocols:
            description:
              - What the app password is for, as in O(users[].password_protocols).
              - Default for a new one is V(imap), V(pop3), V(sieve) and V(smtp).
            type: list
            elements: str
          managed:
            description:
              - Whether the app password is one of those that O(purge) may remove.
              - Default is V(true), also for a row that others have written; to declare it is to adopt it.
            type: bool
          state:
            description: Whether the app password is there. Of an V(absent) one nothing but O(users[].app_passwords[].name) matters.
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
          - Whether the user is one of those that O(purge) may remove.
          - Default is V(true), also for a row that others have written; to declare it is to adopt it.
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
      managed:
        description:
          - Whether the alias is one of those that O(purge) may remove.
          - Default is V(true), also for a row that others have written; to declare it is to adopt it.
        type: bool
      state:
        description: Whether the alias is there. Of an V(absent) one nothing but O(aliases[].source) matters.
        type: str
        choices: [absent, present]
        default: present
  src:
    description:
      - Files with further rows, all of them together with O(organizations), O(domains), O(users) and O(aliases) in one transaction.
      - A name that ends in C(.yml), C(.yaml) or C(.json) is that of a mapping with lists C(organizations), C(domains), C(users)
        and C(aliases), whose items have the options described there. Templates are not evaluated in it.
      - A name that ends in C(.csv) is that of a table in UTF-8 with commas, which has a header of option names. The column
        C(name), C(email) or C(source) tells whether its rows are domains, users or aliases; organizations come in no table. An
        empty cell is an option left out; destinations have spaces between them.
      - CSV is read fastest, and with the least memory; then comes JSON.
      - A fault is reported with the name of the file and the line.
      - Files on the controller are searched like those of M(ansible.builtin.copy), and may be encrypted with ansible-vault.
    type: list
    elements: path
    default: []
  remote_src:
    description:
      - Whether the files in O(src) are on the managed host.
      - Otherwise they are on the controller, and copied to the managed host for the run, readable only there for the user
        of the module.
    type: bool
    default: false
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
      - Kinds of which all managed rows are removed that are not described.
      - Rows that others have written, in a web interface or with SQL, are not managed, and stay until they are described
        here. So does an alias that others have added a destination to.
      - Of V(app_passwords) these are the ones of all users, also of those that are not described.
      - A kind is not purged on the strength of an empty list, nor when more rows would go than O(purge_limit).
    type: list
    elements: str
    choices: [organizations, domains, users, app_passwords, aliases]
    default: []
  purge_limit:
    description:
      - Largest number of rows of one kind that O(purge) removes, such as V(10), or percentage of those that are managed,
        such as V(5%).
      - If more would go, nothing is changed, and the message names them.
    type: str
    default: "10"
  history_days:
    description:
      - Number of days that the history of all changes is kept, which M(virtmail.mailserver.virtual_directory_info) shows.
        A run that changes something removes older entries.
    type: int
    default: 365
notes:
  - Passwords in plain text are hashed and compared on all cores. While there are hundreds of them, the system's log on the
    managed host says how far the run is (C(journalctl --follow | grep passwords)), as Ansible shows nothing before its end.
    With C(no_log) set, Ansible keeps this back too.
  - Another run is waited for. O(connect_params) with C(options) set to C(-c lock_timeout=60s) makes this one fail after a
    minute instead.
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

- name: Load the pupils of a school
  virtmail.mailserver.virtual_directory:
    domains:
      - name: example.com
    src:
      - pupils.csv
      - lists.yml

- name: Load what another program has left on the mail server
  virtmail.mailserver.virtual_directory:
    src: /var/lib/accounts/users.json
    remote_src: true

- name: Keep a customer within limits
  virtmail.mailserver.virtual_directory:
    organizations:
      - name: acme
        max_users: 50
        max_quota: 200G
    domains:
      - name: acme.example
        organization: acme
    users:
      - email: carol@acme.example
        password: "{{ vault_carol_password }}"
        quota: 5G

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

from ansible_collections.virtmail.mailserver.plugins.module_utils._runner import run_bulk


def main():
    run_bulk()


if __name__ == "__main__":
    main()
