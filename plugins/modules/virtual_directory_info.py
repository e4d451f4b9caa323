#!/usr/bin/python

# SPDX-FileCopyrightText: virtmail.mailserver contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virtual_directory_info
short_description: Read all mail domains, users and aliases
description:
  - Returns the domains, users and aliases that are stored, in the form that M(virtmail.mailserver.virtual_directory) takes.
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
    description: Changes nothing, so there is no difference to show.
options:
  include_password_hashes:
    description:
      - Whether to return the users' password hashes.
      - Refused unless the task has C(no_log) set to V(true), as the hashes would be printed otherwise.
    type: bool
    default: false
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

- name: Read the directory with the password hashes, for another server
  virtmail.mailserver.virtual_directory_info:
    include_password_hashes: true
  no_log: true
  register: directory
"""

RETURN = r"""
domains:
  description: The domains, sorted by name.
  returned: success
  type: list
  elements: dict
  sample:
    - name: example.com
      description: Head office
      active: true
users:
  description: The users, sorted by address. They have C(password_hash) only if O(include_password_hashes) is V(true).
  returned: success
  type: list
  elements: dict
  sample:
    - email: alice@example.com
      display_name: Alice
      quota: 5G
      active: true
aliases:
  description: The aliases, sorted by source.
  returned: success
  type: list
  elements: dict
  sample:
    - source: info@example.com
      destination: [alice@example.com]
"""

from ansible_collections.virtmail.mailserver.plugins.module_utils._runner import run_info


def main():
    run_info()


if __name__ == "__main__":
    main()
