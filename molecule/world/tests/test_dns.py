# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DNS has what the mail server needs, because the mail server has put it there."""

import world


def test_records_that_are_missing_are_published_again(machine, nameserver, play):
    domain = world.domain(machine)
    keys = world.selectors(machine, "signing")
    lost = f"{min(keys)}._domainkey.{domain}"
    nameserver.update(f"delete {lost} TXT")
    assert f"hint DNS records: 1 missing or different, 0 without an answer: {lost} TXT" in world.said(play("check"))

    assert play("dns").changed == 1
    assert nameserver.dkim_selectors(machine, keys) == keys
    assert nameserver.ask(domain, "MX") == [f"10 {machine.hostname}."]
    assert nameserver.ask(f"_imaps._tcp.{domain}", "SRV") == [f"0 1 993 {machine.hostname}."]
    assert nameserver.ask(machine.hostname, "TXT") == ['"v=spf1 a -all"']
    assert nameserver.ask(f"_dmarc.{domain}", "TXT") == ['"v=DMARC1; p=reject"'], "a stricter policy is somebody's own"
    assert "ok DNS records: as they ought to be" in world.said(play("check"))
    assert play("dns").changed == 0
