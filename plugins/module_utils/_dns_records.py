# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""Every DNS record that a mail server and its domains need. Pure.

MX: RFC 5321; SPF: RFC 7208; DKIM: RFC 6376; DMARC: RFC 7489; MTA-STS: RFC 8461; TLS reports: RFC 8460; TLSA: RFC 7672;
SRV: RFC 6186 and 8314; CAA: RFC 8659.
"""

from __future__ import annotations

import hashlib
import ipaddress
from typing import NamedTuple
from urllib.parse import quote

from ansible_collections.virtmail.mailserver.plugins.module_utils._address import domain_part

# service: (port, priority). The lower one is preferred, so that who offers both gets IMAP and TLS from the first byte.
SERVICES = {
    "submissions": (465, 0),
    "submission": (587, 10),
    "imaps": (993, 0),
    "imap": (143, 10),
    "pop3s": (995, 20),
    "pop3": (110, 30),
    "sieve": (4190, 0),
}
# Nobody guesses that a server has ManageSieve, so nobody has to be told that it has not
_NEVER_DENIED = ("sieve",)


class Record(NamedTuple):
    """Value is as a zone file has it, but TXT has neither quotes nor parts. Domain is whose record it is; the host counts as one."""

    domain: str
    name: str
    type: str
    ttl: int
    value: str
    purpose: str


class Site(NamedTuple):
    """What the records follow from, beside the domains. Empty strings and lists stand for what is not wanted."""

    hostname: str
    ttl: int = 3600
    addresses: tuple = ()
    spf: str = "v=spf1 mx -all"
    dmarc_policy: str = "quarantine"
    dmarc_address: str = "postmaster"
    tls_rpt_address: str = ""
    mta_sts_mode: str = ""
    mta_sts_max_age: int = 604800
    mta_sts_id: str = ""
    key_digests: tuple = ()
    services: tuple = ()
    autoconfig: bool = False
    caa_issuers: tuple = ()


def compute(site, domains, dkim):
    """[Record] of the host, then of each domain; dkim is {domain: {selector: value}}."""
    records = list(_of_host(site, domains))
    for domain in sorted(domains):
        records += _of_domain(site, domain, dkim.get(domain, {}))
    return records + list(_report_permissions(site, domains))


def mta_sts_policy(site):
    """The text that https://mta-sts.DOMAIN/.well-known/mta-sts.txt has to answer with."""
    lines = ("version: STSv1", f"mode: {site.mta_sts_mode}", f"mx: {site.hostname}", f"max_age: {site.mta_sts_max_age}")
    return "".join(f"{line}\r\n" for line in lines)


def mta_sts_id(site):
    """Another one whenever the policy is another one, and only then."""
    return site.mta_sts_id or hashlib.sha256(mta_sts_policy(site).encode("ascii")).hexdigest()[:20]


def _of_host(site, domains):
    def record(name, kind, value, purpose):
        return Record(site.hostname, name, kind, site.ttl, value, purpose)

    for address in map(ipaddress.ip_address, site.addresses):
        yield record(site.hostname, "A" if address.version == 4 else "AAAA", str(address), "address")
        yield record(address.reverse_pointer, "PTR", f"{site.hostname}.", "ptr")
    if site.hostname not in domains:  # that one has a record for the same name
        yield record(site.hostname, "TXT", "v=spf1 a -all", "spf")
    for digest in site.key_digests:
        yield record(f"_25._tcp.{site.hostname}", "TLSA", f"3 1 1 {digest}", "tlsa")
    for issuer in site.caa_issuers:
        yield record(site.hostname, "CAA", f'0 issue "{issuer}"', "caa")


def _of_domain(site, domain, keys):
    def record(prefix, kind, value, purpose):
        return Record(domain, prefix + domain, kind, site.ttl, value, purpose)

    yield record("", "MX", f"10 {site.hostname}.", "mx")
    yield record("", "TXT", site.spf, "spf")
    for selector, value in sorted(keys.items()):
        yield record(f"{selector}._domainkey.", "TXT", value, "dkim")
    yield record("_dmarc.", "TXT", _dmarc(site, domain), "dmarc")
    if site.mta_sts_mode:
        yield record("_mta-sts.", "TXT", f"v=STSv1; id={mta_sts_id(site)}", "mta-sts")
        yield record("mta-sts.", "CNAME", f"{site.hostname}.", "web")
    if site.tls_rpt_address:
        yield record("_smtp._tls.", "TXT", f"v=TLSRPTv1; rua={_mailto(site.tls_rpt_address, domain)}", "tls-rpt")
    for name, value in _services(site):
        yield record(f"_{name}._tcp.", "SRV", value, "srv")
    if site.autoconfig:
        yield record("autoconfig.", "CNAME", f"{site.hostname}.", "web")
        yield record("autodiscover.", "CNAME", f"{site.hostname}.", "web")


def _dmarc(site, domain):
    reports = f"; rua={_mailto(site.dmarc_address, domain)}" if site.dmarc_address else ""
    return f"v=DMARC1; p={site.dmarc_policy}{reports}"


def _mailto(address, domain):
    """An address for all domains, or one in each."""
    return "mailto:" + quote(address if "@" in address else f"{address}@{domain}", safe="@")


def _services(site):
    if not site.services:
        return
    for name, (port, priority) in SERVICES.items():
        if name in site.services:
            yield name, f"{priority} 1 {port} {site.hostname}."
        elif name not in _NEVER_DENIED:
            yield name, "0 0 0 ."


def _report_permissions(site, domains):
    """One domain gets DMARC's reports about another one only if it says so itself (RFC 7489, section 7.1)."""
    receiver = domain_part(site.dmarc_address) if "@" in site.dmarc_address else ""
    for domain in sorted(domains) if receiver in domains else ():
        if domain != receiver:
            yield Record(receiver, f"{domain}._report._dmarc.{receiver}", "TXT", site.ttl, "v=DMARC1", "dmarc-report")
