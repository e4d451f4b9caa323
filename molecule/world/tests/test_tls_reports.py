# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others learn from us about TLS to their servers, a day later (RFC 8460)."""

import email
import gzip
import json

import pytest
import world

STATE = "/var/lib/tlsrpt"
# What is wrong with each: a policy of its kind, which is about this name
FAILURES = {"wrong-dane.test": ("tlsa", "mx.wrong-dane.test"), "wrong-sts.test": ("sts", "wrong-sts.test")}


@pytest.fixture(autouse=True)
def skip_where_postfix_is_silent(machine):
    if machine.release < 13:
        pytest.skip("Postfix 3.7 of Debian 12 tells nobody how TLS went")


def report_in(text):
    """The report that a message brings, as JSON."""
    (part,) = [part for part in email.message_from_string(text).walk() if part.get_content_type() == "application/tlsrpt+gzip"]
    return json.loads(gzip.decompress(part.get_payload(decode=True)))


def is_put_off(machine, domain):
    entries = map(json.loads, machine.host.check_output("postqueue -j").splitlines())
    return any(entry["queue_name"] == "deferred" and entry["recipients"][0]["address"].endswith(f"@{domain}") for entry in entries)


def reports(outside, domain):
    return outside.machine.run("grep -rlF %s /var/mail/kept/new", f"TLS-Report-Domain: {domain}").stdout.split()


def end_the_day(machine, wait_for):
    """What was collected today was collected yesterday (UTC), and is reported at once, not spread over ten hours."""

    def collected():
        """The file's inode; for a moment there is none."""
        return machine.run(f"stat --format %i {STATE}/collectd.sqlite.yesterday").stdout.strip()

    before = collected()
    machine.host.check_output("systemctl kill --signal=USR2 tlsrpt-collectd")
    wait_for(lambda: collected() not in ("", before), 20, "the day does not end")
    machine.host.check_output(f"systemctl stop tlsrpt-reportd && rm {STATE}/reportd.sqlite")
    reportd = "/opt/tlsrpt-reporter/bin/tlsrpt-reportd --config_file /etc/tlsrpt/tlsrpt.cfg --spread_out_delivery 1 --interval_main_loop 1"
    machine.host.check_output(f"systemd-run --collect --unit reportd-at-once --property User=tlsrpt {reportd}")


def test_a_report_tells_each_domain_why_mail_for_it_waits(machine, outside, wait_for):
    bob = world.address(machine, "bob")
    for domain in FAILURES:
        world.submit(machine, bob, f"friend@{domain}")
    for domain in FAILURES:
        wait_for(lambda domain=domain: is_put_off(machine, domain), 60, f"mail for {domain} does not wait")
    end_the_day(machine, wait_for)
    try:
        for domain, failure in FAILURES.items():
            file, *dummy = wait_for(lambda domain=domain: reports(outside, domain), 90, f"no report for {domain}")
            report = report_in(outside.machine.host.check_output("cat %s", file))
            (policy,) = report["policies"]
            assert (policy["policy"]["policy-type"], policy["policy"]["policy-domain"]) == failure
            assert policy["summary"]["total-failure-session-count"] >= 1
    finally:
        machine.host.check_output("systemctl stop reportd-at-once; systemctl start tlsrpt-reportd; postsuper -d ALL")
