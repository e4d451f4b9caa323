# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of spam, and of what looks a little like it."""

import uuid

import mail
import pytest
import world

MARKED = world.GTUBE.replace("XJS", "YJS")
EICAR = r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR" + "-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
STRANGER = "stranger@elsewhere.test"


def test_spam_is_refused(machine):
    code, text = world.answer(world.arrive, machine, STRANGER, world.address(machine, "alice"), body=world.GTUBE)
    assert code == 554, text


def test_a_virus_is_refused(machine):
    code, text = world.answer(world.arrive, machine, STRANGER, world.address(machine, "alice"), body=EICAR)
    assert code == 554 and "Eicar" in text, text


def test_likely_spam_goes_to_junk(machine, wait_for):
    alice = world.address(machine, "alice")
    mail.wait_for_message(machine, wait_for, alice, world.arrive(machine, STRANGER, alice, body=MARKED), "Junk")


def test_all_else_goes_to_the_inbox(machine, wait_for):
    alice = world.address(machine, "alice")
    mail.wait_for_message(machine, wait_for, alice, world.arrive(machine, STRANGER, alice))


@pytest.fixture
def filing(machine):
    """Bob has a script of his own, which files everything."""
    bob = world.address(machine, "bob")
    script = 'require ["fileinto", "mailbox"]; fileinto :create "Filed";'
    machine.host.check_output("printf %%s %s | doveadm sieve put -a -u %s filing", script, bob)
    yield bob
    machine.host.check_output("doveadm sieve delete -a -u %s filing", bob)


def test_a_users_own_script_gets_what_is_no_spam(machine, wait_for, filing):
    mail.wait_for_message(machine, wait_for, filing, world.arrive(machine, STRANGER, filing), "Filed")
    mail.wait_for_message(machine, wait_for, filing, world.arrive(machine, STRANGER, filing, body=MARKED), "Junk")


def test_a_suspicious_message_has_to_come_twice(machine, wait_for):
    alice = world.address(machine, "alice")
    stranger = f"{uuid.uuid4()}@elsewhere.test"  # never seen before
    message_id, data = world.compose(stranger, alice, subject="Suspicious", body=stranger)

    def send():
        return world.answer(mail.deliver, machine, alice, data=data, sender=stranger)[0]

    assert send() == 451
    wait_for(lambda: send() == 250, message="it is put off again and again")
    mail.wait_for_message(machine, wait_for, alice, message_id)


def test_nobody_can_say_for_us_that_mail_is_genuine(machine, wait_for):
    """What claims to be our own finding is taken away."""
    alice = world.address(machine, "alice")
    message_id, data = world.compose(STRANGER, alice)
    data = f"Authentication-Results: {machine.hostname}; dkim=pass header.d=bank.test\r\n".encode() + data
    mail.deliver(machine, alice, data=data, sender=STRANGER)
    assert b"bank.test" not in mail.wait_for_message(machine, wait_for, alice, message_id)
