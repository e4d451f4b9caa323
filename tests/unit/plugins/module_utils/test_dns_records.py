# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dns.rdata
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.virtmail.mailserver.plugins.module_utils import _dns_compare, _dns_zone
from ansible_collections.virtmail.mailserver.plugins.module_utils._dns_records import Site, compute, mta_sts_policy

HOST = "mail.example.com"
SITE = Site(HOST)


def values(records, purpose):
    return [(record.name, record.type, record.value) for record in records if record.purpose == purpose]


def test_the_least_that_a_domain_needs():
    assert [tuple(record) for record in compute(SITE, {"example.org"}, {})] == [
        (HOST, HOST, "TXT", 3600, "v=spf1 a -all", "spf"),
        ("example.org", "example.org", "MX", 3600, "10 mail.example.com.", "mx"),
        ("example.org", "example.org", "TXT", 3600, "v=spf1 mx -all", "spf"),
        ("example.org", "_dmarc.example.org", "TXT", 3600, "v=DMARC1; p=quarantine; rua=mailto:postmaster@example.org", "dmarc"),
    ]


def test_addresses_and_where_they_lead_back_to():
    records = compute(SITE._replace(addresses=("192.0.2.10", "2001:db8::10")), set(), {})
    assert values(records, "address") == [(HOST, "A", "192.0.2.10"), (HOST, "AAAA", "2001:db8::10")]
    assert values(records, "ptr") == [
        ("10.2.0.192.in-addr.arpa", "PTR", "mail.example.com."),
        ("0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "PTR", "mail.example.com."),
    ]


def test_a_domain_with_the_name_of_the_host_has_one_spf_record():
    assert values(compute(SITE, {HOST}, {}), "spf") == [(HOST, "TXT", "v=spf1 mx -all")]


def test_every_key_of_a_domain_has_a_record():
    dkim = {"example.org": {"new": "v=DKIM1; p=new", "2026a.rsa": "v=DKIM1; p=old"}, "elsewhere.test": {"x": "v=DKIM1; p=x"}}
    assert values(compute(SITE, {"example.org", "example.net"}, dkim), "dkim") == [
        ("2026a.rsa._domainkey.example.org", "TXT", "v=DKIM1; p=old"),
        ("new._domainkey.example.org", "TXT", "v=DKIM1; p=new"),
    ]


def test_the_id_of_a_policy_changes_with_the_policy_only():
    def id_of(site, *domains):
        return {record.value for record in compute(site, domains, {}) if record.purpose == "mta-sts"}

    testing = SITE._replace(mta_sts_mode="testing")
    (one,) = id_of(testing, "example.org", "example.net")
    assert id_of(testing._replace(spf="v=spf1 a -all", ttl=60, addresses=("192.0.2.1",)), "example.org") == {one}
    for change in ({"mta_sts_mode": "enforce"}, {"mta_sts_max_age": 86400}, {"hostname": "mx.example.com"}):
        assert id_of(testing._replace(**change), "example.org") != {one}
    assert id_of(testing._replace(mta_sts_id="20300131"), "example.org") == {"v=STSv1; id=20300131"}
    assert len(one) <= len("v=STSv1; id=") + 32 and one[len("v=STSv1; id=") :].isalnum()


def test_the_policy_is_as_it_has_to_be_served():
    assert mta_sts_policy(SITE._replace(mta_sts_mode="enforce")) == (
        "version: STSv1\r\nmode: enforce\r\nmx: mail.example.com\r\nmax_age: 604800\r\n"
    )


def test_what_is_not_among_the_services_is_not_offered():
    records = compute(SITE._replace(services=("submissions", "imaps", "pop3s")), {"example.org"}, {})
    assert {name.split(".")[0]: value for name, dummy, value in values(records, "srv")} == {
        "_submissions": "0 1 465 mail.example.com.",
        "_submission": "0 0 0 .",
        "_imaps": "0 1 993 mail.example.com.",
        "_imap": "0 0 0 .",
        "_pop3s": "20 1 995 mail.example.com.",
        "_pop3": "0 0 0 .",
    }


@pytest.mark.parametrize(
    ("address", "uri"),
    [("tls", "mailto:tls@example.org"), ("a@b.test", "mailto:a@b.test"), ("a!b,c+d", "mailto:a%21b%2Cc%2Bd@example.org")],
)
def test_addresses_for_reports(address, uri):
    records = compute(SITE._replace(tls_rpt_address=address, dmarc_address=address), {"example.org"}, {})
    assert values(records, "tls-rpt") == [("_smtp._tls.example.org", "TXT", f"v=TLSRPTv1; rua={uri}")]
    assert values(records, "dmarc")[0][2] == f"v=DMARC1; p=quarantine; rua={uri}"


def test_a_domain_of_ours_takes_reports_about_the_others():
    records = compute(SITE._replace(dmarc_address="dmarc@example.org"), {"example.org", "example.net"}, {})
    assert values(records, "dmarc-report") == [("example.net._report._dmarc.example.org", "TXT", "v=DMARC1")]
    assert values(compute(SITE._replace(dmarc_address="dmarc@elsewhere.test"), {"example.org"}, {}), "dmarc-report") == []


def test_the_rest():
    site = SITE._replace(key_digests=("ab", "cd"), caa_issuers=("letsencrypt.org",), autoconfig=True, mta_sts_mode="enforce")
    records = compute(site, {"example.org"}, {})
    assert values(records, "tlsa") == [("_25._tcp.mail.example.com", "TLSA", f"3 1 1 {digest}") for digest in ("ab", "cd")]
    assert values(records, "caa") == [(HOST, "CAA", '0 issue "letsencrypt.org"')]
    assert values(records, "web") == [
        (f"{name}.example.org", "CNAME", "mail.example.com.") for name in ("mta-sts", "autoconfig", "autodiscover")
    ]


def test_a_zone_file():
    site = SITE._replace(addresses=("192.0.2.10",), ttl=60)
    assert _dns_zone.zone_texts(compute(site, {"example.org"}, {"example.org": {"s": "v=DKIM1; p=" + "A" * 300}})) == {
        HOST: 'mail.example.com. 60 IN A 192.0.2.10\n'
        "; 10.2.0.192.in-addr.arpa. 60 IN PTR mail.example.com.\n"
        'mail.example.com. 60 IN TXT "v=spf1 a -all"\n',
        "example.org": "example.org. 60 IN MX 10 mail.example.com.\n"
        'example.org. 60 IN TXT "v=spf1 mx -all"\n'
        f's._domainkey.example.org. 60 IN TXT "v=DKIM1; p={"A" * 244}" "{"A" * 56}"\n'
        '_dmarc.example.org. 60 IN TXT "v=DMARC1; p=quarantine; rua=mailto:postmaster@example.org"\n',
    }


@given(st.text(max_size=600))
def test_any_text_can_be_read_back(text):
    rdata = dns.rdata.from_text("IN", "TXT", _dns_zone.quote_text(text))
    assert b"".join(rdata.strings).decode("utf-8") == text
    assert all(len(part) == 255 for part in rdata.strings[:-1])


@pytest.mark.parametrize(
    ("value", "policy", "is_so"),
    [
        ("v=DMARC1; p=quarantine", "quarantine", True),
        ("v=DMARC1;p=reject;sp=quarantine", "quarantine", True),
        ("v=DMARC1; p = none", "none", True),
        ("v=DMARC1; p=reject; sp=quarantine", "reject", False),
        ("v=DMARC1; p=quarantine; pct=99", "quarantine", False),
        ("v=DMARC1; p=nonsense", "none", False),
    ],
)
def test_strictness(value, policy, is_so):
    assert _dns_compare.is_as_strict(value, policy) is is_so
