# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the owner of a domain wishes about mail in its name that is not its own."""

import mail
import pytest
import world


@pytest.mark.parametrize("author", ["boss@outside.test", "bob@{domain}"], ids=["outside", "our own domain"])
def test_reject_refuses_a_forgery(machine, author):
    author = author.format(domain=world.domain(machine))
    code, text = world.answer(world.arrive, machine, author, world.address(machine, "alice"))
    assert code == 554 and "forgery" in text, text


def test_quarantine_puts_a_forgery_into_junk(machine, wait_for):
    alice = world.address(machine, "alice")
    mail.wait_for_message(machine, wait_for, alice, world.arrive(machine, "boss@quarantine.test", alice), "Junk")


def test_genuine_mail_arrives(machine, outside, wait_for):
    alice = world.address(machine, "alice")
    text = mail.wait_for_message(machine, wait_for, alice, outside.send("boss@outside.test", alice))
    assert b"dmarc=pass" in text
