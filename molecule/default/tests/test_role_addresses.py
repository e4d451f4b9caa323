# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""postmaster@ and abuse@ of each domain reach the postmaster, and never stand in the way (RFC 2142)."""

import wire

DOMAIN = "brief.test"
ADDRESS = f"abuse@{DOMAIN}"


def test_a_domain_comes_and_goes_with_its_role_addresses(machine, play):
    def declare(domain, *users):
        run = play("users", mail_domains=[domain], mail_users=users, mail_aliases=[])
        assert run.code == 0, run.output[-3000:]
        return wire.code_of(wire.rcpt(machine, ADDRESS))

    assert declare({"name": DOMAIN}) == 250
    assert declare({"name": DOMAIN}, {"email": ADDRESS, "password": "a mailbox of its own"}) == 250
    assert 500 <= declare({"name": DOMAIN, "state": "absent"}, {"email": ADDRESS, "state": "absent"}) < 600
