#!/usr/bin/python

# SPDX-FileCopyrightText: virtmail.mailserver contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virtual_alias
short_description: Manage a mail alias
description:
  - Creates, changes or removes one alias with all its destinations.
  - The domain of the source must exist. An alias that leads back to itself is refused.
version_added: 1.0.0
author: virtmail.mailserver contributors (@virtmail)
extends_documentation_fragment:
  - virtmail.mailserver.connection
  - virtmail.mailserver.attributes
  - virtmail.mailserver.directory
options:
  source:
    description:
      - The address that gets the mail. Its domain must be one of ours.
      - V(@domain) stands for all addresses of a domain that are neither users nor aliases.
    type: str
    required: true
  destination:
    description:
      - Addresses that the mail goes to, here or elsewhere. Exactly these; others that are stored are removed.
      - Required while O(state) is V(present).
      - A user's own address may be among the destinations of that user's alias, so that a copy is kept.
      - V(@domain), allowed if O(source) is such a one, sends the mail of a whole domain to the same names in another domain of ours.
    type: list
    elements: str
  managed:
    description:
      - Whether the alias is one of those that O(virtmail.mailserver.virtual_directory#module:purge) may remove.
      - Default is V(true), also for a row that others have written; to declare it is to adopt it.
    type: bool
  state:
    description: Whether the alias is there. Of an V(absent) one nothing but O(source) matters.
    type: str
    choices: [absent, present]
    default: present
seealso:
  - module: virtmail.mailserver.virtual_directory
    description: The same for all organizations, domains, users and aliases in one call, which is much faster.
"""

EXAMPLES = r"""
- name: Send mail for info to two people
  virtmail.mailserver.virtual_alias:
    source: info@example.com
    destination:
      - alice@example.com
      - bob@example.net

- name: Catch all that has no address of its own
  virtmail.mailserver.virtual_alias:
    source: "@example.com"
    destination: alice@example.com

- name: Let every address of the old domain work as in the new one
  virtmail.mailserver.virtual_alias:
    source: "@old.example.com"
    destination: "@example.com"

- name: Forward Bob's mail and keep a copy
  virtmail.mailserver.virtual_alias:
    source: bob@example.com
    destination:
      - bob@example.com
      - bob@example.net
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

from ansible_collections.virtmail.mailserver.plugins.module_utils._entities import ALIAS
from ansible_collections.virtmail.mailserver.plugins.module_utils._runner import run_single


def main():
    run_single(ALIAS)


if __name__ == "__main__":
    main()
