# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate with a new key: others who know the old one from its TLSA record never meet a stranger on port 25."""

import base64
import hashlib
import ssl
import subprocess
import time

import dns.message
import dns.query
import pytest
import wire
import world
from watch import Watch

TTL = 6
# What a machine's own resolver knows of a TLSA record, a digest for each line
KNOWN = """
import sys, dns.resolver
try:
    answer = dns.resolver.resolve(sys.argv[1], "TLSA", raise_on_no_answer=False)
except dns.resolver.NXDOMAIN:
    sys.exit(0)
print("\\n".join(record.cert.hex() for record in answer.rrset or []))
"""


def served(machine, service):
    """The digest of the key, as its TLSA record has it."""
    with wire.secured(machine, service) as client:
        return digest_of_key(client)


def served_to_who_is_refused(machine):
    world.forget_who_waited(machine)
    with wire.Wire(machine, wire.SMTP, early=b"NOOP\r\n") as client:
        client.start_tls(wire.verifying(machine))
        client.ask("EHLO client.test")
        client.ask("MAIL FROM:<>")
        assert client.ask(f"RCPT TO:<{world.address(machine, 'alice')}>").startswith("550 5.5.1 ")
        return digest_of_key(client)


def digest_of_key(client):
    certificate = ssl.DER_cert_to_PEM_cert(client.socket.getpeercert(binary_form=True))
    command = ["openssl", "x509", "-noout", "-pubkey"]
    lines = subprocess.run(command, input=certificate, capture_output=True, text=True, check=True).stdout.splitlines()
    return hashlib.sha256(base64.b64decode("".join(lines[1:-1]))).hexdigest()


def make_a_new_key(machine, wait_for):
    """Returns its digest, once users get it."""
    old = served(machine, wire.IMAPS)
    machine.host.check_output("rm /etc/ssl/mailserver/privkey.pem && systemctl start mail-selfsigned-certificate")
    for service in (wire.IMAPS, wire.SUBMISSIONS):
        wait_for(lambda service=service: served(machine, service) != old, message=f"{service} goes on with the old key")
    return served(machine, wire.IMAPS)


def look(machine):
    """What the timer does."""
    machine.host.check_output("systemctl start mail-mx-certificate")


class Records:
    """The TLSA records of port 25 of a machine, which its owner changes by hand."""

    def __init__(self, server, machine, wait_for):
        self.server, self.machine, self.wait_for = server, machine, wait_for
        self.name = f"_25._tcp.{machine.hostname}"

    def publish(self, *digests):
        """They are there, and the machine's resolver no longer remembers that they were not."""
        lines = [f"update add {self.name}. {TTL} TLSA 3 1 1 {digest}" for digest in digests]
        script = "\n".join([f"update delete {self.name}. TLSA", *lines, "send"])
        self.server.host.check_output("echo %s | nsupdate -l", script)
        self.wait_for(lambda: self.known() == (0, set(digests)), 30, "the resolver does not know the records")

    def known(self):
        result = self.machine.run("python3 -c %s %s", KNOWN, self.name)
        return result.rc, set(result.stdout.split())

    def read(self):
        answer = dns.query.udp(dns.message.make_query(self.name, "TLSA"), self.server.address, timeout=5).answer
        return {record.cert.hex() for rrset in answer for record in rrset}


class Senders(Watch):
    """Other servers, of which each has looked up the records within their TTL, connect again and again."""

    def __init__(self, machine, records):
        super().__init__(interval=0.1)
        self.machine, self.records = machine, records
        self.known = []
        self.strangers = []
        self.keys = []

    def look(self):
        self.known.append((time.monotonic(), self.records.read()))
        key = served(self.machine, wire.SMTP)
        self.keys.append(key)
        now = time.monotonic()
        self.strangers += [key for since, digests in self.known if since > now - TTL and digests and key not in digests]


@pytest.fixture
def records(machine, neighbour, wait_for, play):
    records = Records(neighbour("dns"), machine, wait_for)
    records.publish()
    yield records
    records.publish()
    look(machine)
    assert served(machine, wire.SMTP) == served(machine, wire.IMAPS)
    assert play("dns").code == 0


def test_a_new_key_is_used_at_once_where_no_record_is_published(machine, records, wait_for):
    new = make_a_new_key(machine, wait_for)
    wait_for(lambda: served(machine, wire.SMTP) == new, message="port 25 goes on with the old key")


@pytest.fixture
def timer_stands_still(machine):
    machine.host.check_output("systemctl stop mail-mx-certificate.timer")
    yield
    machine.host.check_output("systemctl start mail-mx-certificate.timer")


def test_a_new_key_waits_until_others_know_it(machine, records, timer_stands_still, wait_for):
    old = served(machine, wire.SMTP)
    records.publish(old)
    with Senders(machine, records) as senders:
        new = make_a_new_key(machine, wait_for)
        look(machine)
        assert served(machine, wire.SMTP) == old

        records.publish(old, new)
        published = time.monotonic()
        wait_for(lambda: look(machine) or served(machine, wire.SMTP) == new, 60, "port 25 never gets the new key")
        assert time.monotonic() - published >= TTL
        records.publish(new)
        time.sleep(2)
    assert senders.strangers == []
    assert set(senders.keys) == {old, new}
    assert records.read() == {new}
    assert machine.host.file("/etc/ssl/mailserver/mx.pem").mode == 0o600


def test_who_is_refused_meets_no_stranger_either(machine, records, wait_for):
    old = served(machine, wire.SMTP)
    records.publish(old)
    new = make_a_new_key(machine, wait_for)
    assert served_to_who_is_refused(machine) == old != new


def test_the_operator_is_told_what_it_waits_for(machine, records, play, wait_for):
    old = served(machine, wire.SMTP)
    records.publish(old)
    new = make_a_new_key(machine, wait_for)
    reason = f"waits: ns.outside.test has no record {records.name}. TLSA 3 1 1 {new}"
    assert f"hint newest certificate: not used on port 25, {reason}" in world.said(play("check"))
    assert play("dns").code == 0
    assert records.read() == {old, new}


def test_a_new_key_waits_while_nobody_says_what_is_published(machine, records, wait_for):
    old = served(machine, wire.SMTP)
    with world.out_of_order(machine, wait_for, *world.NO_WAY_TO_DNS):
        wait_for(lambda: records.known()[0] != 0, 60, "the resolver goes on remembering that there is no record")
        new = make_a_new_key(machine, wait_for)
        assert served(machine, wire.SMTP) == old
    wait_for(lambda: look(machine) or served(machine, wire.SMTP) == new, 30, "port 25 never gets the new key")
