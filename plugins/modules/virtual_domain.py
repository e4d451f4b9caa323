#!/usr/bin/python

# SPDX-FileCopyrightText: virtmail.mailserver contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virtual_domain
short_description: Manage a mail domain
description:
  - Creates, changes or removes one domain that the mail server receives mail for.
  - A domain that still has users or aliases is not removed.
version_added: 1.0.0
author: virtmail.mailserver contributors (@virtmail)
extends_documentation_fragment:
  - virtmail.mailserver.connection
  - virtmail.mailserver.attributes
  - virtmail.mailserver.directory
options:
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
      - Whether the domain is one of those that O(virtmail.mailserver.virtual_directory#module:purge) may remove.
      - Default is V(true), also for a row that others have written; to declare it is to adopt it.
    type: bool
  state:
    description: Whether the domain is there. Of an V(absent) one nothing but O(name) matters.
    type: str
    choices: [absent, present]
    default: present
seealso:
  - module: virtmail.mailserver.virtual_directory
    description: The same for all organizations, domains, users and aliases in one call, which is much faster.
"""

EXAMPLES = r"""
- name: Receive mail for example.com
  virtmail.mailserver.virtual_domain:
    name: example.com
    description: Head office

- name: Stop receiving mail for a domain for a while
  virtmail.mailserver.virtual_domain:
    name: example.org
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

from ansible_collections.virtmail.mailserver.plugins.module_utils._entities import DOMAIN
from ansible_collections.virtmail.mailserver.plugins.module_utils._runner import run_single


def main():
    run_single(DOMAIN)


if __name__ == "__main__":
    main()
