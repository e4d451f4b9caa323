# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking DNS for the sender's domain: the machines' network has a resolver that knows it."""

import contextlib

CHECK = "reject_unknown_sender_domain"


@contextlib.contextmanager
def checked(machines):
    before = {machine: machine.run("postconf -h smtpd_sender_restrictions") for machine in machines}
    for machine, restrictions in before.items():
        set_restrictions(machine, ", ".join(filter(None, [restrictions, CHECK])))
    try:
        yield
    finally:
        for machine, restrictions in before.items():
            set_restrictions(machine, restrictions)


def set_restrictions(machine, restrictions):
    machine.run(f"postconf -e 'smtpd_sender_restrictions = {restrictions}' && postfix reload 2>/dev/null")
