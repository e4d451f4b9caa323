#!/usr/bin/python

# SPDX-FileCopyrightText: virtmail.mailserver contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mail_dns_info
short_description: Compute the DNS records of the mail domains, and compare them with those published
description:
  - Computes every record that the mail server and all active domains of the directory need, as a list and as text for zone files.
  - Asks name servers for each of them, many at a time, and returns what is missing, different, or there once too often.
  - A user's own record that does what ours would do is no difference. His SPF record is followed to its end, and has to pass mail
    from the server's addresses; his DMARC record may be stricter.
version_added: 1.1.0
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
  hostname:
    description: The mail server's fully qualified name, which the MX records give.
    type: str
    required: true
  domains:
    description:
      - Domains to compute the records of. The database is not asked then.
      - Default is all active domains of the directory.
    type: list
    elements: str
  addresses:
    description:
      - Public addresses of the mail server, IPv4 and IPv6.
      - Default is those that its connections to the outside come from. Private ones are left out, and with them the records of
        addresses, as a server behind a router does not know its public ones.
    type: list
    elements: str
  dkim_directory:
    description:
      - Directory on the managed host with the DKIM records, each in a file C(DOMAIN/SELECTOR.txt) of one line.
      - A domain without a directory there gets no DKIM record.
    type: path
    default: /var/lib/mailserver/dkim
  spf:
    description: SPF record of each domain.
    type: str
    default: v=spf1 mx -all
  dmarc_policy:
    description: What other servers shall do with mail that pretends to be from a domain.
    type: str
    choices: [none, quarantine, reject]
    default: quarantine
  dmarc_address:
    description:
      - Who gets the reports about DMARC. An address, or its part before the C(@) for one in each domain. Empty for nobody.
      - Where the address is in one of the domains, that one gets the records that let it receive reports about the others.
    type: str
    default: postmaster
  tls_rpt_address:
    description: Who gets the reports about TLS, likewise. Empty for no such records.
    type: str
    default: ""
  mta_sts_mode:
    description:
      - Mode of the domains' MTA-STS policy, which has to be served as RV(mta_sts_policy) says.
      - Empty for no such records.
    type: str
    choices: ["", none, testing, enforce]
    default: ""
  mta_sts_max_age:
    description: How many seconds other servers keep the policy.
    type: int
    default: 604800
  mta_sts_id:
    description: Id of the policy. Default is one that follows from RV(mta_sts_policy), so that it changes only with it.
    type: str
    default: ""
  tlsa_files:
    description:
      - Files on the managed host with certificates or private keys in PEM, whose keys each get a TLSA record (C(3 1 1)) for port 25.
      - Name the certificate in use, and for a renewal that breaks no connection the next key as well, before it is used and as
        long as the old record may still be known to others.
    type: list
    elements: path
    default: []
  services:
    description:
      - Services that mail programs find by SRV records. The others get records that say that they are not offered, except
        V(sieve).
      - Empty for no such records.
    type: list
    elements: str
    choices: [submissions, submission, imaps, imap, pop3s, pop3, sieve]
    default: []
  autoconfig:
    description: Whether C(autoconfig.DOMAIN) and C(autodiscover.DOMAIN) shall lead to the mail server.
    type: bool
    default: false
  caa_issuers:
    description: Authorities that alone may issue certificates for O(hostname), such as V(letsencrypt.org). Empty for no CAA records.
    type: list
    elements: str
    default: []
  ttl:
    description: How many seconds others may keep the records.
    type: int
    default: 3600
  records:
    description: Whether to return RV(records) and RV(zone). V(false) is for who wants only RV(differences).
    type: bool
    default: true
  compare:
    description: Whether to ask name servers, and return RV(differences).
    type: bool
    default: true
  overwrite:
    description:
      - Purposes whose records have to be as computed. A user's own are differences then, even if they do what ours would do.
      - Records of V(dkim), V(mta-sts) and V(tlsa) always have to be.
    type: list
    elements: str
    choices: [address, ptr, mx, spf, dmarc, dmarc-report, tls-rpt, srv, web, caa]
    default: []
  nameservers:
    description: Addresses of the resolvers to ask. Default is those of the managed host's C(/etc/resolv.conf).
    type: list
    elements: str
    default: []
  nameserver_port:
    description: Port of all name servers that are asked.
    type: int
    default: 53
  authoritative:
    description: >-
      Whether to ask each domain's own name servers, which the resolvers find, as these may remember for hours what was there
      before.
    type: bool
    default: false
  timeout:
    description:
      - How many seconds to wait for one answer. Once a domain's name servers are silent for as long, the rest of the domain is
        not asked for.
    type: int
    default: 5
  time_limit:
    description: After how many seconds what has not been asked for yet is left alone.
    type: int
    default: 120
requirements:
  - dnspython >= 2.3 (C(python3-dnspython) on Debian) and pyspf (C(python3-spf)) on the host that runs the module, unless O(compare)
    is V(false)
  - OpenSSL's program there, for O(tlsa_files)
seealso:
  - module: virtmail.mailserver.mail_dns_update
    description: Publishes the records.
"""

EXAMPLES = r"""
- name: Compute the records and ask what is published
  virtmail.mailserver.mail_dns_info:
    hostname: mail.example.com
  register: dns_plan

- name: Say what is wrong with them
  ansible.builtin.debug:
    msg: "{{ dns_plan.differences | map(attribute='text') }}"

- name: Compute the records of a domain that is not in the directory yet
  virtmail.mailserver.mail_dns_info:
    hostname: mail.example.com
    domains: [example.org]
    compare: false
  register: dns_plan

- name: Write its zone file
  ansible.builtin.copy:
    content: "{{ dns_plan.zone['example.org'] }}"
    dest: /root/example.org.zone
    mode: "0644"
"""

RETURN = r"""
records:
  description: The records, first those of the mail server.
  returned: O(records) is V(true)
  type: list
  elements: dict
  contains:
    domain:
      description: The domain that needs the record, or the mail server's name.
      type: str
    name:
      description: The record's name, without a dot at its end.
      type: str
    type:
      description: The record's type.
      type: str
    ttl:
      description: This is O(ttl).
      type: int
    value:
      description:
        - The value as a zone file has it, names in it with a dot at their end. That of a C(TXT) record has no quotes, and is not
          divided into strings.
      type: str
    purpose:
      description: >-
        One of V(address), V(ptr), V(mx), V(spf), V(dkim), V(dmarc), V(dmarc-report), V(mta-sts), V(tls-rpt), V(tlsa), V(srv), V(web)
        and V(caa).
      type: str
  sample:
    - domain: example.com
      name: example.com
      type: MX
      ttl: 3600
      value: 10 mail.example.com.
      purpose: mx
zone:
  description:
    - For each domain, and for the mail server, the lines of a zone file. C(PTR) records are comments in it, as they are in the zone
      of whoever gave the address.
  returned: O(records) is V(true)
  type: dict
  sample:
    example.com: "example.com. 3600 IN MX 10 mail.example.com.\n"
differences:
  description: What is not published as it ought to be.
  returned: O(compare) is V(true)
  type: list
  elements: dict
  contains:
    domain:
      description: The domain that needs the record.
      type: str
    name:
      description: The record's name.
      type: str
    type:
      description: The record's type.
      type: str
    purpose:
      description: The record's purpose.
      type: str
    kind:
      description:
        - V(missing), or V(different) if there is something else in its place.
        - V(surplus) if there is something beside it that does harm, such as a second SPF record.
      type: str
    value:
      description: The value that ought to be there.
      type: str
    found:
      description: Values that ought not to be there.
      type: list
      elements: str
    text:
      description: All of it as a sentence.
      type: str
  sample:
    - domain: example.com
      name: _dmarc.example.com
      type: TXT
      purpose: dmarc
      kind: different
      value: v=DMARC1; p=quarantine; rua=mailto:postmaster@example.com
      found: [v=DMARC1; p=none]
      text: >-
        _dmarc.example.com has the TXT record v=DMARC1; p=none instead of v=DMARC1; p=quarantine;
        rua=mailto:postmaster@example.com.
unanswered:
  description: Records of which nobody knows whether they are published, and why.
  returned: O(compare) is V(true)
  type: list
  elements: dict
  sample:
    - domain: example.com
      name: _dmarc.example.com
      type: TXT
      reason: no answer in time
questions:
  description: How many questions name servers were asked.
  returned: O(compare) is V(true)
  type: int
  sample: 12
seconds:
  description: How many seconds that took.
  returned: O(compare) is V(true)
  type: float
  sample: 0.4
mta_sts_policy:
  description: What C(https://mta-sts.DOMAIN/.well-known/mta-sts.txt) has to answer with.
  returned: O(mta_sts_mode) is not empty
  type: str
  sample: "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmax_age: 604800\r\n"
"""

from ansible_collections.virtmail.mailserver.plugins.module_utils._dns_runner import run_info


def main():
    run_info()


if __name__ == "__main__":
    main()
