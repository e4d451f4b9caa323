#!/usr/bin/python

# SPDX-FileCopyrightText: virtmail.mailserver contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_dkim_rotation
short_description: Let new DKIM keys follow old ones
description:
  - Takes each step that is due of the rotation of the domains' DKIM keys, and says what comes next. It never waits. Called again,
    it goes on from where things are.
  - Keys that have signed for O(rotate_after) days get others to follow them. These sign once all name servers of the domain have
    shown their records for as long as somebody may remember that there were none; a domain without such records goes on signing
    with the old keys.
  - The old keys stay published for O(retire_after) days, for mail that is on its way. Then they are removed, and
    RV(removed_records) names their records until no name server shows them any more.
  - Where a domain's keys are is in the table C(DOMAIN/selectors) on the managed host, which Rspamd reads for each message.
version_added: 1.1.0
author: virtmail.mailserver contributors (@virtmail)
extends_documentation_fragment:
  - virtmail.mailserver.connection
  - virtmail.mailserver.attributes
attributes:
  check_mode:
    support: full
    description: Predicts the steps. Name servers are asked as well.
  diff_mode:
    support: full
    description: Shows the table of each domain that changes.
options:
  domains:
    description:
      - Domains whose keys are looked at. The database is not asked then.
      - Default is all active domains of the directory. Those without keys are passed over.
    type: list
    elements: str
  algorithms:
    description: Kinds of keys that a domain has, one of each. A domain with others gets new keys, however young the old ones are.
    type: list
    elements: str
    choices: [rsa, ed25519]
    default: [rsa, ed25519]
  dkim_directory:
    description: Directory on the managed host with the keys.
    type: path
    default: /var/lib/mailserver/dkim
  rotate_after:
    description: How many days a key signs. V(0) asks for others now, but not while an earlier rotation is on its way.
    type: int
    default: 180
  retire_after:
    description:
      - How many days an old key stays published. Let it be longer than mail may wait in queues, as five days in Postfix's by default.
      - V(0) is for a key that somebody else may have got.
    type: int
    default: 7
  nameservers:
    description:
      - Addresses of the resolvers that are asked for the domains' own name servers. Default is those of the managed host's
        C(/etc/resolv.conf).
    type: list
    elements: str
    default: []
  nameserver_port:
    description: Port of all name servers that are asked.
    type: int
    default: 53
  timeout:
    description: How many seconds to wait for one answer.
    type: int
    default: 5
  time_limit:
    description: After how many seconds no more name servers are asked. Domains that are left then wait for another call.
    type: int
    default: 120
requirements:
  - dnspython >= 2.3 on the host that runs the module (C(python3-dnspython) on Debian)
notes:
  - The keys themselves are made by C(mail-dkim-keys.service) of the role P(virtmail.mailserver.rspamd#role).
  - Run the playbook C(virtmail.mailserver.dkim_rotate), which makes and publishes them between two calls of this module.
seealso:
  - module: virtmail.mailserver.mail_dns_update
    description: Publishes the records, and takes them away.
"""

EXAMPLES = r"""
- name: Begin with what is due
  virtmail.mailserver.mail_dkim_rotation:
  register: rotation

- name: Say how it stands
  ansible.builtin.debug:
    msg: "{{ rotation.rotations | map(attribute='text') }}"
"""

RETURN = r"""
due:
  description: The domains of which a step was due, and is taken unless this is check mode.
  returned: success
  type: list
  elements: str
  sample: [example.com]
keyless:
  description: The domains that have no keys, as a new one for a moment.
  returned: success
  type: list
  elements: str
  sample: []
rotations:
  description: The domains whose keys are in motion, or that have none.
  returned: success
  type: list
  elements: dict
  contains:
    domain:
      description: The domain.
      type: str
    text:
      description: How it stands, and what comes next.
      type: str
  sample:
    - domain: example.com
      text: >-
        example.com: rsa-2 and ed25519-2 are shown by all name servers, and sign when this is run after 2026-11-27 16:00 UTC.
removed_records:
  description: Records of keys that are gone, in the form of O(virtmail.mailserver.mail_dns_update#module:records).
  returned: success
  type: list
  elements: dict
  sample:
    - domain: example.com
      name: rsa-1._domainkey.example.com
      type: TXT
      ttl: 0
      value: v=DKIM1; k=rsa; p=MIIBIj
      purpose: dkim
      state: absent
"""

from ansible_collections.virtmail.mailserver.plugins.module_utils._dns_runner import run_rotation


def main():
    run_rotation()


if __name__ == "__main__":
    main()
