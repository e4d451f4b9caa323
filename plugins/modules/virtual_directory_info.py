#!/usr/bin/python

# SPDX-FileCopyrightText: virtmail.mailserver contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virtual_directory_info
short_description: Read all organizations, mail domains, users and aliases
description:
  - Returns the organizations, domains, users and aliases that are stored, in the form that
    M(virtmail.mailserver.virtual_directory) takes, or writes them into a file.
  - Tells what each organization has of what it may have, and how many users have password hashes that are slow or weak.
version_added: 1.0.0
author: virtmail.mailserver contributors (@virtmail)
extends_documentation_fragment:
  - virtmail.mailserver.connection
  - virtmail.mailserver.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
    description: Changes nothing in the directory, so there is no difference to show.
options:
  rows:
    description:
      - Whether to read the rows, and RV(usage), which follows from them.
      - V(false) is for who wants only RV(password_schemes) or RV(history), which take a second or two even where there are a
        million users.
    type: bool
    default: true
  include_password_hashes:
    description:
      - Whether to return the users' password hashes, and the digests of their app passwords.
      - Refused unless there is a O(dest), or the task has C(no_log) set to V(true), as the hashes would be printed otherwise.
    type: bool
    default: false
  dest:
    description:
      - File on the managed host, with a name that ends in C(.json), that the rows are written to instead of being returned.
      - It is a O(virtmail.mailserver.virtual_directory#module:src). Only the user of the module can read it. Nothing is
        written if the file is as it would be already.
    type: path
  history:
    description:
      - Whether to return the changes of rows as well, whoever has made them, newest first.
      - They are kept as long as O(virtmail.mailserver.virtual_directory#module:history_days) says.
    type: bool
    default: false
  history_since:
    description: Time from which on changes are returned, as PostgreSQL reads it, such as V(2030-01-31 08:00) or V(yesterday).
    type: str
  history_limit:
    description: Largest number of changes that are returned.
    type: int
    default: 1000
  mail_directory:
    description:
      - Directory of the mail on the managed host, in which C(alice@example.com) has C(example.com/alice). With it the module
        returns what is only there, or only in the database. Without it the module looks at no mail.
      - This is O(virtmail.mailserver.dovecot#role:main:dovecot_mail_directory).
    type: path
seealso:
  - module: virtmail.mailserver.virtual_directory
    description: Writes what this module reads.
"""

EXAMPLES = r"""
- name: Read the directory
  virtmail.mailserver.virtual_directory_info:
  register: directory

- name: Name all users that cannot log in
  ansible.builtin.debug:
    msg: "{{ directory.users | rejectattr('active') | map(attribute='email') }}"

- name: Show what the organizations have of what they may have
  ansible.builtin.debug:
    var: directory.usage

- name: Ask what has changed since yesterday, and who has done it
  virtmail.mailserver.virtual_directory_info:
    history: true
    history_since: yesterday
  register: directory

- name: Ask whose mail is there, though the database has no such user
  virtmail.mailserver.virtual_directory_info:
    mail_directory: /var/mail/vhosts
  register: directory

- name: Ask whether users have password hashes that are slow or weak
  virtmail.mailserver.virtual_directory_info:
    rows: false
  register: directory

- name: Show them
  ansible.builtin.debug:
    msg: "{{ directory.password_schemes | rejectattr('judgement', 'equalto', 'ok') }}"

- name: Read the directory with the password hashes, for another server
  virtmail.mailserver.virtual_directory_info:
    include_password_hashes: true
  no_log: true
  register: directory

- name: Export the directory
  virtmail.mailserver.virtual_directory_info:
    dest: /root/directory.json
    include_password_hashes: true

- name: Make the directory the same as at the export
  virtmail.mailserver.virtual_directory:
    src: /root/directory.json
    remote_src: true
    purge: [organizations, domains, users, app_passwords, aliases]
"""

RETURN = r"""
organizations:
  description: The organizations, sorted by name.
  returned: success, unless O(dest) is given or O(rows) is V(false)
  type: list
  elements: dict
  sample:
    - name: acme
      description: Acme Ltd
      max_domains: "2"
      max_users: "50"
      max_aliases: unlimited
      max_quota: 200G
      database_role: acme_panel
      managed: true
usage:
  description:
    - For each organization the sums over all its domains, beside its limits as M(virtmail.mailserver.virtual_organization)
      takes them.
    - An alias counts once for each of its destinations. The quota is the sum of those that users have of their own;
      C(users_without_quota) counts the others.
  returned: success, unless O(rows) is V(false)
  type: dict
  sample:
    acme:
      domains: 1
      users: 12
      aliases: 30
      quota: 60G
      users_without_quota: 0
      max_domains: "2"
      max_users: "50"
      max_aliases: unlimited
      max_quota: 200G
domains:
  description: The domains, sorted by name.
  returned: success, unless O(dest) is given or O(rows) is V(false)
  type: list
  elements: dict
  sample:
    - name: example.com
      organization: acme
      description: Head office
      active: true
      managed: true
users:
  description:
    - The users, sorted by address, with their app passwords, sorted by name.
    - Both have C(password_hash) only if O(include_password_hashes) is V(true).
  returned: success, unless O(dest) is given or O(rows) is V(false)
  type: list
  elements: dict
  sample:
    - email: alice@example.com
      password_protocols: [web]
      quota: 5G
      display_name: Alice
      active: true
      managed: true
      app_passwords:
        - name: phone
          protocols: [imap, smtp]
          managed: true
aliases:
  description: The aliases, sorted by source.
  returned: success, unless O(dest) is given or O(rows) is V(false)
  type: list
  elements: dict
  sample:
    - source: info@example.com
      destination: [alice@example.com]
      managed: false
password_schemes:
  description:
    - How many users have password hashes of which scheme and cost, those of most users first. Of the hashes themselves it has
      nothing.
    - Empty for a database role that may not read passwords.
  returned: success
  type: list
  elements: dict
  contains:
    scheme:
      description: The scheme that the hash names. Empty if it names none that Dovecot is known to read.
      type: str
    cost:
      description:
        - What the hash says of its cost, as it is written there. Empty if it says nothing, as digests do, and
          C(SHA512-CRYPT) with 5000 rounds.
        - The cost of C(CRYPT) has the method in front, such as V($6$rounds=10000).
      type: str
    users:
      description: How many users have such a hash.
      type: int
    milliseconds:
      description:
        - About how many milliseconds of CPU a login takes. Logins wait for each other, as one process of Dovecot verifies them one
          after the other.
        - Estimated from the scheme and the cost, by what has been measured on a virtual machine with two cores. Another machine
          is faster or slower, so that this is for comparison only.
      type: float
    judgement:
      description:
        - V(slow) if that is more than 100 ms. A new password in plain text is hashed anew; the same one keeps its hash.
        - V(weak) if Dovecot 2.4 refuses the scheme, or if it is less than 1 ms, so that whoever has stolen the hash tries
          passwords at next to no cost.
        - V(ok) if it is neither.
      type: str
  sample:
    - scheme: ARGON2ID
      cost: m=19456,t=2,p=1
      users: 40
      milliseconds: 22.8
      judgement: ok
    - scheme: SHA512-CRYPT
      cost: rounds=656000
      users: 2
      milliseconds: 209.9
      judgement: slow
mailboxes_without_user:
  description:
    - Addresses that have a directory below O(mail_directory), and no user. Mail that is put away when a user is removed is not
      among it; what is kept in its place is.
  returned: O(mail_directory) is given
  type: list
  elements: str
  sample: [bob@example.com]
users_without_mailbox:
  description:
    - Users without a directory below O(mail_directory). Nothing is wrong with them if they have never got mail, nor logged in to
      read it.
  returned: O(mail_directory) is given
  type: list
  elements: str
  sample: [carol@example.com]
dest:
  description: The file with the rows.
  returned: O(dest) is given
  type: str
  sample: /root/directory.json
history:
  description:
    - The changes, newest first. The changes of one transaction have the same time, that of its beginning.
    - An alias has an entry for each destination.
  returned: O(history) is V(true)
  type: list
  elements: dict
  contains:
    at:
      description: When, as ISO 8601 writes it.
      type: str
    role:
      description: The database role that had logged in.
      type: str
    kind:
      description: One of V(organization), V(domain), V(user), V(app password) and V(alias).
      type: str
    key:
      description: The name, or the address, after the change; for an app password the user's address, V(/) and its name.
      type: str
    verb:
      description: One of V(created), V(updated) and V(deleted).
      type: str
    before:
      description: Columns with their values before the change; of an updated row only those that changed.
      type: dict
    after:
      description: Columns with their values after the change, likewise. Of a password it says only that it changed.
      type: dict
  sample:
    - at: "2030-01-31T08:15:00+00:00"
      role: mail_admin
      kind: user
      key: alice@example.com
      verb: updated
      before: {active: true, password: set}
      after: {active: false, password: changed}
"""

from ansible_collections.virtmail.mailserver.plugins.module_utils._runner import run_info


def main():
    run_info()


if __name__ == "__main__":
    main()
