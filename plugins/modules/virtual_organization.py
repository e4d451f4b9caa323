#!/usr/bin/python

# SPDX-FileCopyrightText: virtmail.mailserver contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: virtual_organization
short_description: Manage an organization and its limits
description:
  - Creates, changes or removes one organization. Domains belong to it that name it, and with them their users and aliases.
  - The database enforces the limits, whichever program writes. They hold at the end of each transaction. A limit that is
    lower than what is there is refused.
  - An organization that still has domains is not removed.
version_added: 1.0.0
author: virtmail.mailserver contributors (@virtmail)
extends_documentation_fragment:
  - virtmail.mailserver.connection
  - virtmail.mailserver.attributes
  - virtmail.mailserver.directory
options:
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
      - Whether the organization is one of those that O(virtmail.mailserver.virtual_directory#module:purge) may remove.
      - Default is V(true), also for a row that others have written; to declare it is to adopt it.
    type: bool
  state:
    description: Whether the organization is there. Of an V(absent) one nothing but O(name) matters.
    type: str
    choices: [absent, present]
    default: present
seealso:
  - module: virtmail.mailserver.virtual_directory
    description: The same for all organizations, domains, users and aliases in one call, which is much faster.
  - module: virtmail.mailserver.virtual_directory_info
    description: Tells what each organization has of what it may have.
"""

EXAMPLES = r"""
- name: Let a customer have two domains and fifty users
  virtmail.mailserver.virtual_organization:
    name: acme
    description: Acme Ltd, contract 4711
    max_domains: 2
    max_users: 50
    max_quota: 200G

- name: Give it a domain
  virtmail.mailserver.virtual_domain:
    name: acme.example
    organization: acme

- name: Let its own application manage its users and aliases in PostgreSQL
  virtmail.mailserver.virtual_organization:
    name: acme
    database_role: acme_panel
"""

RETURN = r"""
counts:
  description: How many rows of each kind were created, updated and deleted, or would be in check mode.
  returned: success
  type: dict
  sample:
    organizations: {created: 1, updated: 0, deleted: 0}
    domains: {created: 0, updated: 0, deleted: 0}
    users: {created: 0, updated: 0, deleted: 0}
    app_passwords: {created: 0, updated: 0, deleted: 0}
    aliases: {created: 0, updated: 0, deleted: 0}
names:
  description: Addresses and domains of these rows, at most 20 of each sort.
  returned: success
  type: dict
  sample:
    organizations: {created: [acme], updated: [], deleted: []}
    domains: {created: [], updated: [], deleted: []}
    users: {created: [], updated: [], deleted: []}
    app_passwords: {created: [], updated: [], deleted: []}
    aliases: {created: [], updated: [], deleted: []}
"""

from ansible_collections.virtmail.mailserver.plugins.module_utils._entities import ORGANIZATION
from ansible_collections.virtmail.mailserver.plugins.module_utils._runner import run_single


def main():
    run_single(ORGANIZATION)


if __name__ == "__main__":
    main()
