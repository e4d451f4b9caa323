# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What others learn from us about TLS to their servers, a day later (RFC 8460)."""

import email
import gzip
import json

import pytest
import world

FAILURES = {"wrong-dane.test": "tlsa", "wrong-sts.test": "sts"}


@pytest.fixture(autouse=True)
def skip_where_postfix_is_silent(machine):
    if machine.release < 13:
        pytest.skip("Postfix 3.7 of Debian 12 tells nobody how TLS went")


def report_in(text):
    """The report that a message brings, as JSON."""
    (part,) = [part for part in email.message_from_string(text).walk() if part.get_content_type() == "application/tlsrpt+gzip"]
    return json.loads(gzip.decompress(part.get_payload(decode=True)))


def end_the_day(machine):
    """What is collected is reported when the day (UTC) is over, then spread over ten hours."""
    machine.host.check_output("systemctl kill --signal=USR2 tlsrpt-collectd")
    machine.host.check_output("systemctl stop tlsrpt-reportd")
    reportd = "/opt/tlsrpt-reporter/bin/tlsrpt-reportd --config_file /etc/tlsrpt/tlsrpt.cfg --spread_out_delivery 0 --interval_main_loop 1"
    machine.host.check_output(f"systemd-run --unit reportd-at-once --property User=tlsrpt {reportd}")


def test_a_report_tells_each_domain_why_mail_for_it_waits(machine, outside, wait_for):
    bob = world.address(machine, "bob")
    for domain in FAILURES:
        world.submit(machine, bob, f"friend@{domain}")
    waiting = lambda: machine.host.check_output("postqueue -p").count("@wrong-")  # noqa: E731
    wait_for(lambda: waiting() == len(FAILURES), 60, "mail for them does not wait")
    end_the_day(machine)
    try:
        for domain, policy_type in FAILURES.items():
            found = wait_for(lambda: outside.machine.run("grep -rl 'TLS-Report-Domain: %s' /var/mail/kept/new" % domain).stdout.split(), 90,
                             f"no report for {domain}")
            report = report_in(outside.machine.host.check_output("cat %s", found[0]))
            (policy,) = report["policies"]
            assert policy["policy"]["policy-type"] == policy_type
            assert policy["policy"]["policy-domain"] == domain
            assert policy["summary"]["total-failure-session-count"] >= 1
    finally:
        machine.host.check_output("systemctl stop reportd-at-once; systemctl start tlsrpt-reportd; postsuper -d ALL")
