# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""mail_dns_update against a real name server."""

from __future__ import annotations

import base64
import socket
import time
from types import SimpleNamespace

import pytest

HOST = "mail.example.com"
ZONES = {"example.com": "", "example.org": ""}
# A user's own
LIVED_IN = '@ MX 5 elsewhere.test.\n@ TXT "site-verification=1"\n@ TXT "v=spf1 a -all"\n_dmarc TXT "v=DMARC1; p=none"\nwww A 192.0.2.80\n'
LEFT_ALONE = {"mx", "spf", "dmarc"}


@pytest.fixture
def records(run_anywhere, tmp_path):
    """The records of these domains."""

    def compute(*domains, **options):
        for domain in domains:
            (tmp_path / "dkim" / domain).mkdir(parents=True, exist_ok=True)
            (tmp_path / "dkim" / domain / "2026a.txt").write_text(f"v=DKIM1; k=rsa; p={'A' * 390}\n")
        read = run_anywhere("mail_dns_info", **{
            "hostname": HOST,
            "addresses": ["192.0.2.10"],
            "domains": domains or ["example.com", "example.org"],
            "dkim_directory": str(tmp_path / "dkim"),
            "compare": False,
            **options,
        })
        return [record for record in read["records"] if record["purpose"] != "ptr"]

    return compute


@pytest.fixture
def primary(new_name_server):
    """Starts a name server with these zones, or with empty ones."""

    def start(zones=None, **options):
        return new_name_server(zones or ZONES, recursion=False, **options)

    return start


@pytest.fixture
def publish(run_anywhere):
    """Publishes records on a name server."""

    def call(name_server, records, **options):
        return run_anywhere("mail_dns_update", **{
            "records": records,
            "server": "127.0.0.1",
            "port": name_server.port,
            "tsig_name": "mail",
            "tsig_secret": name_server.secret,
            **options,
        })

    return call


def zone(server, *domains):
    """All that the zones have, but for the serial number."""
    return [server.ask(f"{name}{domain}", kind) for domain in domains for name in NAMES for kind in ("A", "MX", "TXT", "CNAME", "SRV", "TLSA")]


NAMES = ("", "_dmarc.", "mail.", "2026a._domainkey.", "mta-sts.", "_mta-sts.", "_imaps._tcp.", "www.")


def test_records_are_published_once(primary, publish, records):
    with primary() as server:
        wanted = records("example.com", "example.org", mta_sts_mode="testing", services=["imaps"])
        first = publish(server, wanted)
        assert first.get("changed"), first
        assert (first["left_alone"], first["unserved"]) == ([], [])
        assert server.ask("example.org", "MX") == [f"10 {HOST}."]
        assert server.ask("example.com", "TXT") == ['"v=spf1 mx -all"']
        assert server.ask(HOST, "A") == ["192.0.2.10"]
        assert server.ask("mta-sts.example.org", "CNAME") == [f"{HOST}."]
        assert server.ask("_imaps._tcp.example.com", "SRV") == [f"0 1 993 {HOST}."]
        key = server.ask("2026a._domainkey.example.com", "TXT")[0]
        assert key.replace('" "', "").strip('"') == f"v=DKIM1; k=rsa; p={'A' * 390}"
        second = publish(server, wanted)
        assert (second["changed"], second["diff"]) == (False, {"before": "", "after": ""})


def test_what_is_published_is_what_is_asked_for(primary, publish, records, run_anywhere, tmp_path, new_name_server):
    """The two modules agree."""
    options = {"mta_sts_mode": "enforce", "services": ["imaps", "submissions"], "tls_rpt_address": "tls", "autoconfig": True}
    options |= {"dmarc_address": "reports@example.org", "caa_issuers": ["letsencrypt.org"]}
    with new_name_server({"example.com": "", "example.org": "", "2.0.192.in-addr.arpa": f"10 PTR {HOST}.\n"}) as server:
        publish(server, records("example.com", "example.org", **options))
        read = run_anywhere(
            "mail_dns_info",
            hostname=HOST,
            addresses=["192.0.2.10"],
            domains=["example.com", "example.org"],
            dkim_directory=str(tmp_path / "dkim"),
            nameservers=["127.0.0.1"],
            nameserver_port=server.port,
            overwrite=["address", "mx", "spf", "dmarc", "dmarc-report", "tls-rpt", "srv", "web", "caa"],
            **options,
        )
        assert (read["differences"], read["unanswered"]) == ([], [])


def test_check_mode_predicts(primary, publish, records):
    with primary() as server:
        before = zone(server, *ZONES)
        predicted = publish(server, records(), check=True)
        assert predicted["changed"] and zone(server, *ZONES) == before
        assert publish(server, records())["diff"] == predicted["diff"]
        assert f"example.org. 3600 IN MX 10 {HOST}.\n" in predicted["diff"]["after"]
        assert not publish(server, records(), check=True)["changed"]


def test_what_others_have_made_is_left_alone(primary, publish, records):
    with primary({"example.com": LIVED_IN}) as server:
        result = publish(server, records("example.com"))
        assert {each["purpose"] for each in result["left_alone"]} == LEFT_ALONE
        assert server.ask("example.com", "MX") == ["5 elsewhere.test."]
        assert server.ask("example.com", "TXT") == ['"site-verification=1"', '"v=spf1 a -all"']
        assert server.ask("_dmarc.example.com", "TXT") == ['"v=DMARC1; p=none"']
        assert server.ask("www.example.com", "A") == ["192.0.2.80"]
        assert not publish(server, records("example.com"))["changed"]


def test_only_what_is_to_be_overwritten_is(primary, publish, records):
    with primary({"example.com": LIVED_IN}) as server:
        result = publish(server, records("example.com"), overwrite=["spf"])
        assert {each["purpose"] for each in result["left_alone"]} == LEFT_ALONE - {"spf"}
        assert server.ask("example.com", "TXT") == ['"site-verification=1"', '"v=spf1 mx -all"']
        assert result["diff"]["before"] == 'example.com. 600 IN TXT "v=spf1 a -all"\n'
        assert 'example.com. 600 IN TXT "v=spf1 mx -all"\n' in result["diff"]["after"]
        assert not publish(server, records("example.com"), overwrite=["spf"])["changed"]
        publish(server, records("example.com"), overwrite=["mx", "dmarc"])
        assert server.ask("example.com", "MX") == [f"10 {HOST}."]
        assert len(server.ask("_dmarc.example.com", "TXT")) == 1


def test_a_stricter_dmarc_record_and_one_more_exchanger_are_as_good(primary, publish, records):
    lines = f'@ MX 5 {HOST}.\n@ MX 9 elsewhere.test.\n_dmarc TXT "v=DMARC1; p=reject"\n'
    with primary({"example.com": lines}) as server:
        assert publish(server, records("example.com"))["left_alone"] == []
        assert server.ask("_dmarc.example.com", "TXT") == ['"v=DMARC1; p=reject"']


def test_a_record_of_ours_is_taken_away_and_no_other(primary, publish, records):
    with primary({"example.com": '_mta-sts TXT "v=STSv1; id=1"\n2026a._domainkey TXT "v=DKIM1; p=other"\n'}) as server:
        keys = [{**record, "state": "absent"} for record in records("example.com") if record["purpose"] == "dkim"]
        assert not publish(server, keys)["changed"]
        publish(server, records("example.com"))
        assert len(server.ask("2026a._domainkey.example.com", "TXT")) == 1

        assert publish(server, keys, check=True)["changed"]
        assert len(server.ask("2026a._domainkey.example.com", "TXT")) == 1
        result = publish(server, keys)
        assert (result["changed"], result["diff"]["after"]) == (True, "")
        assert "2026a._domainkey.example.com" in result["diff"]["before"]
        assert server.ask("2026a._domainkey.example.com", "TXT") == []
        assert server.ask("_mta-sts.example.com", "TXT") == ['"v=STSv1; id=1"']
        assert not publish(server, keys)["changed"]


def test_old_keys_and_policies_are_replaced(primary, publish, records):
    lines = '2026a._domainkey TXT "v=DKIM1; " "p=old"\n_mta-sts TXT "v=STSv1; id=1"\n_mta-sts TXT "v=other"\n'
    with primary({"example.com": lines}) as server:
        publish(server, records("example.com", mta_sts_mode="enforce", mta_sts_id="2"))
        assert server.ask("2026a._domainkey.example.com", "TXT")[0].startswith('"v=DKIM1; k=rsa; p=AAA')
        assert server.ask("_mta-sts.example.com", "TXT") == ['"v=STSv1; id=2"', '"v=other"']


def test_an_alias_is_left_alone(primary, publish, records):
    """A name that has one takes no other record."""
    lines = "2026a._domainkey CNAME key.elsewhere.test.\n_dmarc CNAME dmarc.elsewhere.test.\nmta-sts A 192.0.2.80\n"
    with primary({"example.com": lines}) as server:
        result = publish(server, records("example.com", mta_sts_mode="enforce"), overwrite=["dmarc"])
        assert [(each["name"], each["found"]) for each in result["left_alone"]] == [
            ("2026a._domainkey.example.com", ["key.elsewhere.test."]),
            ("_dmarc.example.com", ["dmarc.elsewhere.test."]),
            ("mta-sts.example.com", ["192.0.2.80"]),
        ]
        assert not publish(server, records("example.com", mta_sts_mode="enforce"), overwrite=["dmarc"])["changed"]


def test_what_a_wildcard_makes_up_is_in_nobodys_way(primary, publish, records):
    options = {"mta_sts_mode": "enforce", "services": ["imaps"]}
    for wildcard in ("* CNAME www\n", "* CNAME www.example.org.\n", "* A 192.0.2.80\n* TXT \"v=spf1 -all\"\n"):
        with primary({"example.com": f"www A 192.0.2.80\n{wildcard}", "example.org": "www A 192.0.2.80\n"}) as server:
            first = publish(server, records("example.com", **options))
            assert first.get("left_alone") == [], first
            assert server.ask("mta-sts.example.com", "CNAME") == [f"{HOST}."]
            assert server.ask(HOST, "A") == ["192.0.2.10"]
            assert server.ask("_dmarc.example.com", "TXT")[0].startswith('"v=DMARC1;')
            assert server.ask("2026a._domainkey.example.com", "TXT")[0].startswith('"v=DKIM1;')
            assert not publish(server, records("example.com", **options))["changed"]


def test_two_spf_records_become_one_where_it_is_told(primary, publish, records):
    for lines in ('@ TXT "v=spf1 a -all"\n@ TXT "v=spf1 -all"\n', '@ TXT "V=SPF1 MX -ALL"\n@ TXT "v=spf1 -all"\n'):
        with primary({"example.com": lines}) as server:
            assert [each["kind"] for each in publish(server, records("example.com"))["left_alone"]] == ["surplus"]
            publish(server, records("example.com"), overwrite=["spf"])
            assert [each.lower() for each in server.ask("example.com", "TXT")] == ['"v=spf1 mx -all"']


def test_an_address_makes_way_for_an_alias_where_it_is_told(primary, publish, records):
    with primary({"example.com": "mta-sts A 192.0.2.80\n"}) as server:
        publish(server, records("example.com", mta_sts_mode="enforce"), overwrite=["web"])
        assert server.ask("mta-sts.example.com", "CNAME") == [f"{HOST}."]


def test_domains_of_other_servers_are_named(primary, publish, records):
    with primary({"example.com": ""}) as server:
        result = publish(server, records("example.com", "example.org"))
        assert result["unserved"] == ["example.org"] and result["changed"]
        nothing = publish(server, [record for record in records("example.org") if record["domain"] == "example.org"])
        assert nothing["msg"] == (
            f"Name server 127.0.0.1 port {server.port} has no zone of any of the domains: name the primary server of their zones."
        )


def test_a_zone_below_of_somebody_else(primary, publish, records):
    with primary({"example.com": "_domainkey NS ns.elsewhere.test.\n"}) as server:
        assert publish(server, records("example.com"))["unserved"] == ["2026a._domainkey.example.com"]


def test_domains_below_a_zone_and_zones_below_a_zone(primary, publish, records):
    with primary({"example.com": "sub NS ns.sub\nns.sub A 127.0.0.1\n", "sub.example.com": ""}) as server:
        result = publish(server, records("example.com", "team.example.com", "sub.example.com"))
        assert result["unserved"] == []
        assert server.ask("sub.example.com", "MX") == server.ask("team.example.com", "MX") == [f"10 {HOST}."]


REFUSALS = {
    "another secret": ({"tsig_secret": base64.b64encode(b"x" * 32).decode()}, "its key of this name is another one"),
    "an unknown name": ({"tsig_name": "nobody"}, "it has no such key of this algorithm"),
    "another algorithm": ({"tsig_algorithm": "hmac-sha512"}, "it has no such key of this algorithm"),
    "a key without the right": ({"tsig_name": "stranger"}, "it does not let this key change the zone"),
}


@pytest.mark.parametrize(("options", "reason"), REFUSALS.values(), ids=REFUSALS)
@pytest.mark.parametrize("check", [True, False], ids=["check", "run"])
def test_a_key_that_is_refused(primary, publish, records, options, reason, check):
    with primary() as server:
        before = zone(server, *ZONES)
        result = publish(server, records(), check=check, **options)
        key = f"{options.get('tsig_name', 'mail')} ({options.get('tsig_algorithm', 'hmac-sha256')})"
        assert result["msg"].startswith(
            f"Name server 127.0.0.1 port {server.port} refuses updates of zone example.com with key {key}: {reason}"
        )
        assert zone(server, *ZONES) == before
        assert options.get("tsig_secret", server.secret) not in result["printed"]


def test_no_zone_is_changed_where_one_is_refused(primary, publish, records):
    """example.com comes first, and would be done by then."""
    with primary(fixed=["example.org"]) as server:
        before = zone(server, "example.com")
        result = publish(server, records())
        assert "refuses updates of zone example.org" in result["msg"]
        assert zone(server, "example.com") == before


def test_the_secret_is_nowhere(primary, publish, records):
    with primary() as server:
        result = publish(server, records(), no_log=False)
        assert result["changed"] and server.secret not in result["printed"]


def test_a_secret_that_is_no_base64(primary, publish, records):
    with primary() as server:
        result = publish(server, records(), tsig_secret="not base64 at all")
        assert result["msg"] == "tsig_secret is no base64: give the secret as the name server's configuration has it."


def test_a_server_that_does_not_answer(publish, records):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        start = time.monotonic()
        port = deaf.getsockname()[1]
        result = publish(SimpleNamespace(port=port, secret="eA=="), records(), timeout=1)
    assert result["msg"] == (
        f"Name server 127.0.0.1 port {port} cannot be used: it does not answer. Check server and port, and what is between."
    )
    assert time.monotonic() - start < 5


def test_a_server_without_an_address(publish, records):
    result = publish(SimpleNamespace(port=53, secret="eA=="), records(), server="ns.invalid")
    assert result["msg"].startswith("server: ns.invalid has no address (")
