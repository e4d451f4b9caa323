# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a domain learns from us about mail in its name, a day later (RFC 7489, section 7.2)."""

import email
import gzip
import xml.etree.ElementTree as ET

import world

SENDER = "somebody@example.com"
REDIS = f"redis-cli -s {world.REDIS_SOCKET}"


def reports(machine, outside):
    """The files with reports from this server."""
    command = "grep -rlE '^To:.*dmarc-reports@example.com' /var/mail/kept/new | xargs --no-run-if-empty grep -lE '^From:.*@%s>'"
    return set(outside.machine.run(command, world.domain(machine)).stdout.split())


def end_the_day(machine):
    """What was seen today was seen yesterday, of which reports tell."""
    machine.host.check_output(f"{REDIS} RENAME \"dmarc_idx;$(date +%Y%m%d)\" \"dmarc_idx;$(date -d yesterday +%Y%m%d)\"")
    machine.host.check_output("systemctl start mail-dmarc-reports")


def rows(text):
    """{sender's address: (what became of its mail, DKIM's result, SPF's result)}."""
    (part,) = [part for part in email.message_from_string(text).walk() if part.get_content_type() == "application/gzip"]
    policies = ET.fromstring(gzip.decompress(part.get_payload(decode=True))).iterfind(".//row")
    values = ("policy_evaluated/disposition", "policy_evaluated/dkim", "policy_evaluated/spf")
    return {row.findtext("source_ip"): tuple(row.findtext(value) for value in values) for row in policies}


def test_a_domain_learns_who_sent_in_its_name(machine, outside, wait_for):
    alice = world.address(machine, "alice")
    machine.run(f"{REDIS} DEL \"dmarc_idx;$(date +%Y%m%d)\"")
    outside.send(SENDER, alice)
    assert world.answer(world.arrive, machine, SENDER, alice)[0] == 554
    keys = f"{REDIS} EXISTS \"dmarc_idx;$(date +%Y%m%d)\""
    wait_for(lambda: machine.host.check_output(keys) == "1", 20, "nothing is remembered for a report")
    before = reports(machine, outside)
    end_the_day(machine)
    (file,) = wait_for(lambda: reports(machine, outside) - before, 60, "no report has come")
    report = outside.machine.host.check_output("cat %s", file)
    assert set(outside.verify(file)["signatures"].values()) == {True}
    assert rows(report) == {
        outside.machine.address: ("none", "fail", "pass"),
        machine.variables["tests_address"]: ("reject", "fail", "fail"),
    }
