#!/usr/bin/python

# SPDX-FileCopyrightText: virtmail.mailserver contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: system_users_info
short_description: Read the accounts of the operating system as users of a mail domain
description:
  - Returns the accounts of a machine, with the hashes of their passwords, and its simple aliases, in the form that
    M(virtmail.mailserver.virtual_directory) takes, or writes them into a file.
  - Says which accounts and aliases it leaves out, and why.
version_added: 1.1.0
author: virtmail.mailserver contributors (@virtmail)
extends_documentation_fragment:
  - virtmail.mailserver.attributes
attributes:
  check_mode:
    support: full
    description: Only reads. A O(dest) is not written.
  diff_mode:
    support: N/A
    description: Changes nothing in the directory, so there is no difference to show.
  action_group:
    support: N/A
    description: Knows nothing of the database.
options:
  domain:
    description: The mail domain of all accounts.
    type: str
    required: true
  names:
    description: The accounts. Without them it is all from O(uid_min) to O(uid_max).
    type: list
    elements: str
    default: []
  uid_min:
    description: Smallest number of an account that belongs to a person.
    type: int
    default: 1000
  uid_max:
    description: Largest number of an account that belongs to a person.
    type: int
    default: 59999
  passwd_file:
    description: File with the accounts; see passwd(5).
    type: path
    default: /etc/passwd
  shadow_file:
    description: File with their passwords; see shadow(5).
    type: path
    default: /etc/shadow
  aliases_file:
    description:
      - File with the aliases; see aliases(5). Empty, or one that is not there, for none.
      - Taken are those that lead to addresses, to the accounts above, and to one another.
    type: path
    default: /etc/aliases
  known_users:
    description:
      - Addresses of users that are in the directory already. They are not among the rows, so that what has been changed there stays.
      - Their accounts are among the RV(accounts), whether they have a password or not.
    type: list
    elements: str
    default: []
  known_aliases:
    description: Sources of aliases that are in the directory already. They are not among the rows.
    type: list
    elements: str
    default: []
  dest:
    description:
      - File on the managed host, with a name that ends in C(.json), that the rows are written to instead of being returned.
      - It is a O(virtmail.mailserver.virtual_directory#module:src). Only the user of the module can read it.
      - Without it the task needs C(no_log) set to V(true), as the hashes would be printed otherwise.
    type: path
notes:
  - A locked or expired account is an inactive user.
  - A user whose alias sends all mail elsewhere gets a copy. What C(~/.forward) says is not read.
seealso:
  - module: virtmail.mailserver.virtual_directory
    description: Writes what this module reads.
  - module: virtmail.mailserver.mailbox_from_files
    description: Copies the mail of an account.
"""

EXAMPLES = r"""
- name: Read the accounts
  virtmail.mailserver.system_users_info:
    domain: example.com
    dest: /root/accounts.json
  register: accounts

- name: Make users of them
  virtmail.mailserver.virtual_directory:
    src: /root/accounts.json
    remote_src: true
"""

RETURN = r"""
domains:
  description: The domain.
  returned: success, unless O(dest) is given
  type: list
  elements: dict
  sample:
    - name: example.com
users:
  description: The users, sorted by address, with C(password_hash).
  returned: success, unless O(dest) is given
  type: list
  elements: dict
  sample:
    - email: alice@example.com
      display_name: Alice
      active: true
aliases:
  description: The aliases, sorted by source.
  returned: success, unless O(dest) is given
  type: list
  elements: dict
  sample:
    - source: info@example.com
      destination: [alice@example.com]
accounts:
  description: Which account is which user, and whether it is active.
  returned: success
  type: list
  elements: dict
  sample:
    - account: alice
      user: alice@example.com
      active: true
left_out:
  description: Accounts and aliases that are not among the rows, and why.
  returned: success
  type: list
  elements: str
  sample: ["account nora: it has no password"]
dest:
  description: The file with the rows.
  returned: O(dest) is given
  type: str
  sample: /root/accounts.json
"""

from ansible_collections.virtmail.mailserver.plugins.module_utils._accounts import run_system_users_info


def main():
    run_system_users_info()


if __name__ == "__main__":
    main()
