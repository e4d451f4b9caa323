# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that the other workloads leave out, each added to a restriction list for a row of its own."""

import contextlib

CHECKS = {
    # The machines' network has a resolver that knows the sender's domain.
    "dns": ("smtpd_sender_restrictions", "reject_unknown_sender_domain"),
    # The guides' Dovecot has no quota.
    "quota": ("smtpd_recipient_restrictions", "check_policy_service unix:private/quota-status"),
}


@contextlib.contextmanager
def added(name, machines):
    parameter, check = CHECKS[name]
    before = {machine: machine.run(f"postconf -h {parameter}") for machine in machines}
    for machine, restrictions in before.items():
        set_restrictions(machine, parameter, ", ".join(filter(None, [restrictions, check])))
    try:
        yield
    finally:
        for machine, restrictions in before.items():
            set_restrictions(machine, parameter, restrictions)


def set_restrictions(machine, parameter, restrictions):
    machine.run(f"postconf -e '{parameter} = {restrictions}' && postfix reload 2>/dev/null")
