# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program that decides between DANE and MTA-STS, with made-up answers of the DNS and of what knows the policies."""

from __future__ import annotations

import asyncio

import dns.exception
import dns.rdata
import pytest

QUERY = b"policy example.com"
SECURE, NONE, LEFT_TO_DANE = b"OK secure match=mx.example.com", b"NOTFOUND ", b"NOTFOUND "
# As they are answered, and whether DNSSEC verifies the answer
SIGNED = {
    ("example.com", "MX"): (["10 mx.example.com."], True),
    ("mx.example.com.", "A"): (["192.0.2.25"], True),
    ("_25._tcp.mx.example.com.", "TLSA"): (["3 1 1 " + "ab" * 32], True),
}
UNSIGNED = {name: (records, False) for name, (records, verified) in SIGNED.items()}


@pytest.fixture
def program(load_program):
    return load_program("mta_sts_resolver/files/mail-tls-policy")


@pytest.fixture
def decide(program, monkeypatch):
    """The answer to a question, given what is published; what is None there can't be asked for."""

    def run(published, policy, query=QUERY):
        async def look_up(name, kind):
            answer = published.get((name, kind), ([], True))
            if answer is None:
                raise dns.exception.Timeout
            return [dns.rdata.from_text("IN", kind, text) for text in answer[0]], answer[1]

        async def ask_for_policy(path, asked):
            assert asked == query
            return policy

        monkeypatch.setattr(program, "look_up", look_up)
        monkeypatch.setattr(program, "ask_for_policy", ask_for_policy)
        return asyncio.run(program.decide("/nonexistent", query))

    return run


def test_dane_comes_first(decide):
    assert decide(SIGNED, SECURE) == LEFT_TO_DANE


@pytest.mark.parametrize("policy", [SECURE, NONE])
@pytest.mark.parametrize(
    "published",
    [
        pytest.param(UNSIGNED, id="nothing is signed"),
        pytest.param({**SIGNED, ("example.com", "MX"): (["10 mx.example.com."], False)}, id="anybody could name the server"),
        pytest.param({**SIGNED, ("mx.example.com.", "A"): (["192.0.2.25"], False), ("mx.example.com.", "AAAA"): ([], False)}, id="address"),
        pytest.param({**SIGNED, ("_25._tcp.mx.example.com.", "TLSA"): ([], True)}, id="no record"),
        pytest.param({**SIGNED, ("_25._tcp.mx.example.com.", "TLSA"): (["1 1 1 " + "ab" * 32], True)}, id="not for mail"),
    ],
)
def test_without_dane_it_is_the_policy(decide, published, policy):
    assert decide(published, policy) == policy


def test_name_servers_without_signatures_need_not_know_what_tlsa_is(decide):
    assert decide({**UNSIGNED, ("mx.example.com.", "AAAA"): ([], False), ("_25._tcp.mx.example.com.", "TLSA"): None}, SECURE) == SECURE


def test_a_second_address_that_nobody_knows_is_in_nobodys_way(decide):
    assert decide({**UNSIGNED, ("mx.example.com.", "AAAA"): None}, SECURE) == SECURE


def test_a_policy_may_name_many_servers(program):
    policy = b"OK secure match=" + b":".join(b"mx%d.example.com" % number for number in range(200))

    async def read():
        reader = asyncio.StreamReader()
        reader.feed_data(program.netstring(policy))
        return await program.read_netstring(reader, program.LONGEST_ANSWER)

    assert asyncio.run(read()) == policy


def test_a_domain_without_mx_is_its_own_server(decide):
    published = {("example.com", "A"): (["192.0.2.25"], True), ("_25._tcp.example.com", "TLSA"): (["3 1 1 " + "ab" * 32], True)}
    assert decide(published, SECURE) == LEFT_TO_DANE


def test_one_server_with_dane_is_enough(decide):
    published = {**SIGNED, ("example.com", "MX"): (["10 mx.example.com.", "20 dead.example.com."], True), ("dead.example.com.", "A"): None}
    assert decide(published, SECURE) == LEFT_TO_DANE


@pytest.mark.parametrize("name", SIGNED)
def test_who_suppresses_an_answer_does_not_have_the_policy_decide(decide, name):
    assert decide({**SIGNED, name: None}, SECURE).startswith(b"TEMP ")


@pytest.mark.parametrize("name", SIGNED)
def test_where_no_policy_is_postfix_may_look_itself(decide, name):
    assert decide({**SIGNED, name: None}, NONE) == NONE


@pytest.mark.parametrize("query", [b"policy .com", b"policy [relay.example.net]:587"])
def test_parents_and_relays_have_no_policy(decide, query):
    assert decide({}, SECURE, query) == NONE
