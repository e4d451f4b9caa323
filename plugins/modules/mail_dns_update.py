#!/usr/bin/python

# SPDX-FileCopyrightText: virtmail.mailserver contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_dns_update
short_description: Publish the DNS records of the mail domains on a name server
description:
  - Brings the records that M(virtmail.mailserver.mail_dns_info) returns into the zones of a name server, by dynamic updates
    (RFC 2136) that are signed with a shared key (TSIG).
  - Asks the server what is there, and changes only what differs, with one message for each zone, or several where there is much to
    change. Before the first zone is changed the server has to agree to an update of each that changes nothing.
  - Adds what is missing. Where there is something else already, it is replaced only if nobody but us can know what is right, as with
    DKIM keys, TLSA records and the id of an MTA-STS policy, or if O(overwrite) says so. All other records stay as they are.
version_added: 1.1.0
author: virtmail.mailserver contributors (@virtmail)
extends_documentation_fragment:
  - virtmail.mailserver.attributes
attributes:
  check_mode:
    support: full
    description: Predicts what would change. The server is asked as well whether it would take updates.
  diff_mode:
    support: full
    description: Shows the lines of zone files that go and that come.
  action_group:
    support: N/A
    description: Knows nothing of the database.
options:
  records:
    description: The records, as RV(virtmail.mailserver.mail_dns_info#module:records) has them.
    type: list
    elements: dict
    required: true
    suboptions:
      domain:
        description: The domain that needs the record.
        type: str
        required: true
      name:
        description: The record's name, without a dot at its end.
        type: str
        required: true
      type:
        description: The record's type.
        type: str
        required: true
      ttl:
        description: How many seconds others may keep the record. Where the name has records of the type already, theirs is kept.
        type: int
        default: 3600
      value:
        description: The value as a zone file has it; that of a C(TXT) record without quotes, and not divided into strings.
        type: str
        required: true
      purpose:
        description: What the record is for.
        type: str
        required: true
        choices: [address, ptr, mx, spf, dmarc, dmarc-report, tls-rpt, srv, web, caa, dkim, mta-sts, tlsa]
      state:
        description:
          - Whether the record is published or taken away, as RV(virtmail.mailserver.mail_dkim_rotation#module:removed_records) asks for.
          - A record with another value is never taken away.
        type: str
        choices: [present, absent]
        default: present
  server:
    description: Name or address of the zones' primary name server.
    type: str
    required: true
  port:
    description: Its port.
    type: int
    default: 53
  tsig_name:
    description: Name of the key.
    type: str
    required: true
  tsig_secret:
    description: Secret of the key, in base64, as C(tsig-keygen) prints it.
    type: str
    required: true
  tsig_algorithm:
    description: Algorithm of the key.
    type: str
    choices: [hmac-sha256, hmac-sha384, hmac-sha512]
    default: hmac-sha256
  overwrite:
    description: Purposes whose records replace those that a user has made himself, or that have been published before.
    type: list
    elements: str
    choices: [address, ptr, mx, spf, dmarc, dmarc-report, tls-rpt, srv, web, caa]
    default: []
  timeout:
    description: How many seconds to wait for an answer.
    type: int
    default: 5
requirements:
  - dnspython >= 2.3 on the host that runs the module (C(python3-dnspython) on Debian)
notes:
  - An alias (C(CNAME)) in the place of a record is never replaced.
seealso:
  - module: virtmail.mailserver.mail_dns_info
    description: Computes the records.
"""

EXAMPLES = r"""
- name: Compute the records
  virtmail.mailserver.mail_dns_info:
    hostname: mail.example.com
    compare: false
  register: dns_plan

- name: Publish them
  virtmail.mailserver.mail_dns_update:
    records: "{{ dns_plan.records | rejectattr('purpose', 'equalto', 'ptr') }}"
    server: ns1.example.com
    tsig_name: mail
    tsig_secret: "{{ vault_tsig_secret }}"
"""

RETURN = r"""
left_alone:
  description:
    - What is not as it ought to be, and was left alone, as it may be a user's own. O(overwrite) with the purpose replaces it.
    - It has the form of RV(virtmail.mailserver.mail_dns_info#module:differences). A user's own SPF record is among it, whether it
      lets the server send or not.
  returned: success
  type: list
  elements: dict
  sample:
    - domain: example.com
      name: example.com
      type: TXT
      purpose: spf
      kind: different
      value: v=spf1 mx -all
      found: [v=spf1 mx a:shop.example.com -all]
      text: example.com has the TXT record v=spf1 mx a:shop.example.com -all instead of v=spf1 mx -all.
unserved:
  description: Domains, and names of single records, that the server has no zone of. The module fails if it has none of any domain.
  returned: success
  type: list
  elements: str
  sample: [example.org]
"""

from ansible_collections.virtmail.mailserver.plugins.module_utils._dns_runner import run_update


def main():
    run_update()


if __name__ == "__main__":
    main()
