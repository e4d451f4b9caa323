# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hashes of the one password by different schemes, and what each costs a login."""

import accounts
import load

USERS = 20
MAKE_ARGON2ID = """/usr/bin/python3 -c 'import sys
from passlib.hash import argon2
print("{ARGON2ID}" + argon2.using(type="ID", memory_cost=19456, rounds=2, parallelism=1).hash(sys.argv[1]))' '%s'"""
MAKE = {
    "SHA512-CRYPT, 5000 rounds": "doveadm pw -s SHA512-CRYPT -r 5000 -p '%s'",
    "SHA512-CRYPT, 100000 rounds": "doveadm pw -s SHA512-CRYPT -r 100000 -p '%s'",
    "ARGON2ID, 19 MiB, t=2, p=1": MAKE_ARGON2ID,
    "BLF-CRYPT, cost 10": "doveadm pw -s BLF-CRYPT -r 10 -p '%s'",
    "SCRAM-SHA-256": "doveadm pw -s SCRAM-SHA-256 -p '%s'",
}


def default_hash():
    from ansible_collections.virtmail.mailserver.plugins.module_utils import _password

    return _password.Password(accounts.PASSWORD).stored_form()


def give(machine, users, password_hash):
    """Let the users have this hash from now on."""
    if machine.arm == "nodb":
        accounts.change_file(machine, users, password_hash)
    else:
        names = ", ".join(f"'{user}'" for user in users)
        machine.sql(f"UPDATE virtual_users SET password = '{password_hash}' WHERE email IN ({names})")
    machine.accounting.wait_until_quiet()


def measure(machine, number):
    """{scheme: as load.measure()} of IMAP logins"""
    users = accounts.some(number, USERS, offset=3)
    results = {}
    for scheme, command in MAKE.items():
        give(machine, users, machine.run(command % accounts.PASSWORD))
        load.measure(machine, {"imap": load.stream("imap", users, USERS)})
        results[scheme] = load.measure(machine, {"imap": load.stream("imap", users, 5 * USERS)})
    give(machine, users, accounts.PASSWORD_HASH)
    return results
