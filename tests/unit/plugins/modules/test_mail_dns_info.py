# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""mail_dns_info against a real name server and a real directory."""

from __future__ import annotations

import hashlib
import socket
import subprocess
import time

import pytest

HOST = "mail.example.com"
ADDRESSES = ["192.0.2.10", "2001:db8::10"]
DMARC = "v=DMARC1; p=quarantine; rua=mailto:postmaster@example.com"
# All that the server and one domain need at the least
GOOD = f"""
mail A 192.0.2.10
mail AAAA 2001:db8::10
mail TXT "v=spf1 a -all"
@ MX 10 mail
@ TXT "v=spf1 mx -all"
@ TXT "site-verification=1"
_dmarc TXT "{DMARC}"
"""
REVERSE = {
    "2.0.192.in-addr.arpa": f"10 PTR {HOST}.\n",
    "8.b.d.0.1.0.0.2.ip6.arpa": f"0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0 PTR {HOST}.\n",
}


@pytest.fixture
def ask(run_anywhere, new_name_server, tmp_path):
    """Runs the module for example.com against a name server with these lines in its zone."""

    def call(lines, zones=(), further="", **options):
        zones = {"example.com": lines, **REVERSE, **dict(zones)}
        with new_name_server(zones, further=further) as server:
            return run_anywhere("mail_dns_info", **{
                "hostname": HOST,
                "addresses": ADDRESSES,
                "domains": ["example.com"],
                "dkim_directory": str(tmp_path / "dkim"),
                "nameservers": ["127.0.0.1"],
                "nameserver_port": server.port,
                **options,
            })

    return call


def kinds(read):
    return [(each["kind"], each["name"], each["type"]) for each in read["differences"]]


def without(line):
    assert line in GOOD
    return GOOD.replace(line, "")


def test_all_is_as_it_ought_to_be(ask):
    read = ask(GOOD)
    assert (read["differences"], read["unanswered"], read["changed"]) == ([], [], False)
    assert read["questions"] >= 8 and read["seconds"] < 10


def test_it_is_the_same_from_the_domains_own_name_servers(ask):
    read = ask(GOOD, authoritative=True)
    assert (read["differences"], read["unanswered"]) == ([], [])
    assert kinds(ask(without("@ MX 10 mail\n"), authoritative=True)) == [("missing", "example.com", "MX")]


def test_nothing_is_published(ask):
    read = ask("", zones={zone: "" for zone in REVERSE})
    assert {each["kind"] for each in read["differences"]} == {"missing"}
    assert [(each["name"], each["type"]) for each in read["differences"]] == [
        (HOST, "A"),
        ("10.2.0.192.in-addr.arpa", "PTR"),
        (HOST, "AAAA"),
        ("0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa", "PTR"),
        (HOST, "TXT"),
        ("example.com", "MX"),
        ("example.com", "TXT"),
        ("_dmarc.example.com", "TXT"),
    ]
    assert f"_dmarc.example.com has no TXT record {DMARC}." in [each["text"] for each in read["differences"]]


@pytest.mark.parametrize(
    "record",
    [
        "v=spf1 include:senders.example.com -all",
        "v=spf1 ip4:192.0.2.0/24 ip6:2001:db8::/32 a:shop.example.com ~all",
        "v=spf1 redirect=senders.example.com",
        "V=SPF1  mx  -ALL",
        "v=spf1 exists:%{i}.allowed.example.com ip6:2001:db8::10 -all",
    ],
)
def test_another_spf_record_that_lets_us_send(ask, record):
    further = 'senders TXT "v=spf1 mx:example.com ?all"\n10.2.0.192.allowed A 127.0.0.2\n192.0.2.10.allowed A 127.0.0.2\n'
    read = ask(GOOD.replace("v=spf1 mx -all", record) + further)
    assert (read["differences"], read["unanswered"]) == ([], [])


@pytest.mark.parametrize(
    "record",
    [
        "v=spf1 -all",
        "v=spf1 ip4:192.0.2.10 -all",
        "v=spf1 mx:nowhere.example.com ~all",
        "v=spf1 include:nowhere.example.com mx -all",
        "v=spf1 nonsense mx -all",
        "v=spf1 " + "a:ns.example.com " * 10 + "mx -all",
    ],
    ids=["nobody", "without IPv6", "softly", "broken include", "broken", "too many lookups"],
)
def test_an_spf_record_that_does_not_let_us_send(ask, record):
    read = ask(GOOD.replace("v=spf1 mx -all", record))
    assert kinds(read) == [("different", "example.com", "TXT")]
    assert read["differences"][0]["found"] == [record]


def test_another_spf_record_where_it_is_to_be_overwritten(ask):
    read = ask(GOOD.replace("v=spf1 mx -all", "v=spf1 mx a -all"), overwrite=["spf"])
    assert kinds(read) == [("different", "example.com", "TXT")]


def test_two_spf_records(ask):
    read = ask(GOOD + '@ TXT "v=spf1 a -all"\n')
    assert kinds(read) == [("surplus", "example.com", "TXT")]
    assert read["differences"][0]["text"] == (
        "example.com has more than one spf record, so that none counts: v=spf1 a -all beside v=spf1 mx -all."
    )


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        ("v=DMARC1; p=reject; rua=mailto:me@elsewhere.test", []),
        ("v=DMARC1;p=quarantine", []),
        ("v=DMARC1; p=none", ["different"]),
        ("v=DMARC1; p=reject; sp=none", ["different"]),
        ("v=DMARC1; p=reject; pct=10", ["different"]),
        ("v=DMARC1; rua=mailto:me@elsewhere.test", ["different"]),
        ("p=reject", ["missing"]),
    ],
)
def test_another_dmarc_record(ask, record, expected):
    read = ask(GOOD.replace(DMARC, record))
    assert [each["kind"] for each in read["differences"]] == expected


def test_two_dmarc_records(ask):
    assert kinds(ask(GOOD + '_dmarc TXT "v=DMARC1; p=reject"\n')) == [("surplus", "_dmarc.example.com", "TXT")]


def test_dkim_records_are_those_of_the_files(ask, tmp_path):
    key = "v=DKIM1; k=rsa; p=" + "A" * 390
    for domain in ("example.com", "other.test"):
        (tmp_path / "dkim" / domain).mkdir(parents=True)
        (tmp_path / "dkim" / domain / "2026a.txt").write_text(f"{key}\n")
    (tmp_path / "dkim/example.com/2026a.key").write_text("not for anybody")
    read = ask(GOOD)
    assert kinds(read) == [("missing", "2026a._domainkey.example.com", "TXT")]
    assert "not for anybody" not in read["printed"]
    published = f'2026a._domainkey TXT "v=DKIM1;k=rsa; " "p={"A" * 200}" "{"A" * 190}"\n'
    assert ask(GOOD + published)["differences"] == []
    assert kinds(ask(GOOD + published.replace("AA", "AB"))) == [("different", "2026a._domainkey.example.com", "TXT")]
    assert kinds(ask(GOOD + published + '2026a._domainkey TXT "v=DKIM1; p="\n')) == [("surplus", "2026a._domainkey.example.com", "TXT")]


def test_a_file_that_is_no_dkim_record_is_named(ask, tmp_path):
    (tmp_path / "dkim/example.com").mkdir(parents=True)
    (tmp_path / "dkim/example.com/2026a.txt").write_text('2026a._domainkey IN TXT ( "v=DKIM1;" )\n')
    assert ask(GOOD)["msg"] == f"{tmp_path}/dkim/example.com/2026a.txt is no DKIM record: it must have one line, which begins with v=DKIM1;."


@pytest.fixture
def keys(tmp_path):
    """A certificate, the key of the next one, and their digests, which openssl has computed in its own way."""

    def openssl(command):
        return subprocess.run(["openssl", *command.split()], cwd=tmp_path, check=True, capture_output=True).stdout

    openssl("req -x509 -newkey rsa:2048 -nodes -keyout now.key -out now.pem -subj /CN=mail.example.com")
    openssl("genpkey -algorithm ED25519 -out next.key")
    der = [openssl(f"pkey -in {name} -pubout -outform DER") for name in ("now.key", "next.key")]
    return [str(tmp_path / "now.pem"), str(tmp_path / "next.key")], [hashlib.sha256(each).hexdigest() for each in der]


def test_tlsa_records_of_this_key_and_the_next(ask, keys):
    files, (now, following) = keys
    this, that = f"_25._tcp.mail TLSA 3 1 1 {now}\n", f"_25._tcp.mail TLSA 3 1 1 {following}\n"
    old = f"_25._tcp.mail TLSA 3 1 1 {'0' * 64}\n"
    assert ask(GOOD + this + that, tlsa_files=files)["differences"] == []
    assert ask(GOOD + this, tlsa_files=files[:1])["differences"] == []
    assert [each["kind"] for each in ask(GOOD + this, tlsa_files=files)["differences"]] == ["missing"]
    assert [each["kind"] for each in ask(GOOD + this + old, tlsa_files=files[:1])["differences"]] == ["surplus"]
    assert [each["kind"] for each in ask(GOOD + old, tlsa_files=files[:1])["differences"]] == ["different"]


def test_a_file_with_two_keys_has_two_records(ask, keys, tmp_path):
    both = tmp_path / "both.pem"
    both.write_text((tmp_path / "now.key").read_text() + (tmp_path / "next.key").read_text())
    lines = "".join(f"_25._tcp.mail TLSA 3 1 1 {digest}\n" for digest in keys[1])
    assert ask(GOOD + lines, tlsa_files=[str(both)])["differences"] == []


def test_a_file_without_a_key_is_named(ask, tmp_path):
    (tmp_path / "x.pem").write_text("x")
    assert ask(GOOD, tlsa_files=[str(tmp_path / "x.pem")])["msg"].startswith(f"tlsa_files: {tmp_path}/x.pem is neither a certificate")
    assert ask(GOOD, tlsa_files=["/nonexistent.pem"])["msg"] == "tlsa_files: /nonexistent.pem cannot be read: No such file or directory."


def test_the_web_names_may_have_addresses_instead(ask):
    alias = "mta-sts CNAME mail\n"
    found = [each for each in ask(GOOD + alias, mta_sts_mode="enforce")["differences"] if each["purpose"] == "web"]
    assert found == []
    for lines, expected in {
        "mta-sts A 192.0.2.10\n": [],
        "mta-sts A 192.0.2.99\n": ["different"],
        "mta-sts CNAME elsewhere.test.\n": ["different"],
        "": ["missing"],
    }.items():
        read = ask(GOOD + lines, mta_sts_mode="enforce")
        assert [each["kind"] for each in read["differences"] if each["purpose"] == "web"] == expected


def test_an_address_too_many(ask):
    read = ask(GOOD + "mail A 192.0.2.99\n")
    assert [(each["kind"], each["found"]) for each in read["differences"]] == [("surplus", ["192.0.2.99"])]


def test_mail_exchangers(ask):
    assert ask(GOOD.replace("MX 10", "MX 5") + "@ MX 50 backup.elsewhere.test.\n")["differences"] == []
    assert kinds(ask(GOOD.replace("MX 10 mail", "MX 10 elsewhere.test.").replace("spf1 mx", "spf1 a:mail.example.com"))) == [
        ("different", "example.com", "MX"),
    ]


def test_the_active_domains_of_the_directory(ask, database, run):
    run("virtual_directory", domains=[{"name": "example.com"}, {"name": "old.test", "active": False}, {"name": "bücher.test"}])
    read = ask(GOOD, domains=None, **database)
    assert {each["domain"] for each in read["records"]} == {HOST, "example.com", "xn--bcher-kva.test"}
    assert {each["domain"] for each in read["differences"]} == {"xn--bcher-kva.test"}
    assert list(read["zone"]) == [HOST, "example.com", "xn--bcher-kva.test"]


def test_only_the_differences(ask):
    read = ask(GOOD, records=False)
    assert read["differences"] == [] and not {"records", "zone"} & set(read)


def test_only_the_records(run_anywhere, tmp_path):
    read = run_anywhere("mail_dns_info", hostname=HOST, domains=["example.com"], compare=False, dkim_directory=str(tmp_path), addresses=[])
    assert "differences" not in read
    assert read["zone"]["example.com"].splitlines()[0] == f"example.com. 3600 IN MX 10 {HOST}."


@pytest.fixture
def silence():
    """A port of this machine where questions arrive, and no answer is ever given."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        yield deaf.getsockname()[1]


def test_a_resolver_that_does_not_answer(ask, silence):
    start = time.monotonic()
    read = ask(GOOD, nameserver_port=silence, timeout=1)
    assert read["msg"].startswith(f"No answer about {HOST} from 127.0.0.1: check that a resolver is there")
    assert time.monotonic() - start < 5


def silent_zone(port):
    """Options for a name server that asks at this port for all in the zone test."""
    forward = f'zone "test" {{ type forward; forward only; forwarders {{ 127.0.0.1 port {port}; }}; }};'
    return {"zones": {".": "test NS ns.test.\nns.test A 127.0.0.1\n"}, "further": forward}


def test_domains_that_nobody_answers_for_hold_up_no_other(ask, silence):
    dead = [f"dead{number}.test" for number in range(100)]
    read = ask(GOOD, **silent_zone(silence), domains=["example.com", *dead], timeout=1)
    assert read["differences"] == []
    assert {each["domain"] for each in read["unanswered"]} == set(dead)
    assert len(read["unanswered"]) == 3 * len(dead)
    assert read["questions"] < 120, "each record of a dead domain has been asked for"
    assert read["seconds"] < 10


def test_the_time_limit(ask, silence):
    dead = [f"dead{number}.test" for number in range(100)]
    read = ask(GOOD, **silent_zone(silence), domains=["example.com", *dead], timeout=1, time_limit=1)
    assert read["seconds"] < 4
    assert "not asked for, as time_limit was over" in {each["reason"] for each in read["unanswered"]}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hostname": "mail_.example.com"}, "hostname mail_.example.com: 'mail_' is no label of a domain"),
        ({"domains": ["exa mple.com"]}, "domains exa mple.com: 'exa mple' is no label of a domain"),
        ({"addresses": ["192.0.2"]}, "addresses 192.0.2: '192.0.2' does not appear to be an IPv4 or IPv6 address."),
        ({"nameservers": ["ns.example.com"]}, "nameservers: ns.example.com is no IP address: give the address of a resolver."),
        ({"spf": "mx -all"}, "spf mx -all: this is no SPF record, which begins with 'v=spf1 '."),
        ({"dmarc_address": "a b"}, "dmarc_address a b: the part before the @ must be"),
    ],
)
def test_bad_input_is_named(ask, options, message):
    assert ask(GOOD, **options)["msg"].startswith(message)
