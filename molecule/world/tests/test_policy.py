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


def test_a_private_network_is_as_strange_as_any_other(machine, outside):
    """Of a machine in the same network nobody knows that it is a friend."""
    there = f"10.11.12.{machine.release}"
    alice = world.address(machine, "alice")
    dummy, data = world.compose("boss@outside.test", alice)
    send = "import smtplib, sys; smtplib.SMTP(sys.argv[1], 25, 'client.test', source_address=(sys.argv[2], 0)).sendmail(*sys.argv[3:])"
    machine.host.check_output(f"ip route add {there} via {outside.machine.address}")
    outside.machine.host.check_output(f"ip address add {there}/32 dev lo")
    try:
        said = outside.machine.run("python3 -c %s %s %s %s %s %s", send, machine.address, there, "boss@outside.test", alice, data.decode())
    finally:
        outside.machine.host.check_output(f"ip address del {there}/32 dev lo")
        machine.host.check_output(f"ip route del {there}")
    assert "554" in said.stderr and "forgery" in said.stderr, said.stderr


def test_nobody_learns_from_a_message_who_else_has_got_it(machine, wait_for):
    alice, bob = world.address(machine, "alice"), world.address(machine, "bob")
    message_id, data = world.compose("stranger@elsewhere.test", "somebody@elsewhere.test")
    mail.deliver(machine, alice, bob, data=data, sender="stranger@elsewhere.test")
    text = mail.wait_for_message(machine, wait_for, alice, message_id)
    assert b"X-Spamd-Result:" in text
    assert bob.encode() not in text
