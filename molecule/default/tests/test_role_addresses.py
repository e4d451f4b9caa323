# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""postmaster@ and abuse@ of each domain reach the postmaster, and never stand in the way (RFC 2142)."""

import wire

DOMAIN = "brief.test"
ADDRESS = f"abuse@{DOMAIN}"


def test_a_domain_comes_and_goes_with_its_role_addresses(machine, play, wait_for):
    def declare(domain, *users):
        run = play("users", mail_domains=[domain], mail_users=users, mail_aliases=[])
        assert run.code == 0, run.output[-3000:]
        # Mail for a new domain is put off until Postfix's copy of the domains has it.
        wait_for(lambda: is_copied() == (domain.get("state") != "absent"))
        return wire.code_of(wire.rcpt(machine, ADDRESS))

    def is_copied():
        return machine.run(f"postmap -q {DOMAIN} lmdb:/var/lib/postfix/mailbox_domains").rc == 0

    assert declare({"name": DOMAIN}) == 250
    assert declare({"name": DOMAIN}, {"email": ADDRESS, "password": "a mailbox of its own"}) == 250
    assert 500 <= declare({"name": DOMAIN, "state": "absent"}, {"email": ADDRESS, "state": "absent"}) < 600
