# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A message goes in by any of the three doors and comes out of IMAP and POP3."""

import poplib
import random

import mail
import pytest
import wire


def pop3_text(machine, user, message_id):
    client = poplib.POP3_SSL(machine.address, context=wire.verifying(machine), timeout=60)
    client.user(user)
    client.pass_(machine.passwords[user])
    numbers = range(client.stat()[0], 0, -1)
    texts = (b"\r\n".join(client.retr(number)[1]) + b"\r\n" for number in numbers)
    found = next((text for text in texts if message_id.encode() in text), b"")
    client.quit()
    return found


def test_mail_from_another_server_arrives(machine, wait_for):
    message_id, text = mail.message()
    mail.deliver(machine, "bob@example.test", data=text)
    assert mail.wait_for_message(machine, wait_for, "bob@example.test", message_id).endswith(text)


@pytest.mark.parametrize("service", [wire.SUBMISSION, wire.SUBMISSIONS], ids=str)
def test_mail_from_a_user_arrives(machine, wait_for, service):
    message_id, text = mail.message()
    with mail.smtp(machine, service, "alice@example.test") as client:
        client.sendmail("alice@example.test", "bob@example.test", text)
    assert mail.wait_for_message(machine, wait_for, "bob@example.test", message_id).endswith(text)


def test_pop3_hands_out_what_imap_shows(machine, wait_for):
    message_id, text = mail.message()
    mail.deliver(machine, "dave@catchall.test", data=text)
    mail.wait_for_message(machine, wait_for, "dave@catchall.test", message_id)
    assert pop3_text(machine, "dave@catchall.test", message_id).endswith(text)


def test_a_message_of_20_megabytes_arrives_byte_for_byte(machine, wait_for):
    line = bytes(random.choices(range(33, 127), k=998)).replace(b".", b",") + b"\r\n"
    message_id, text = mail.message(line * (20_000_000 // len(line)))
    with mail.smtp(machine, wire.SUBMISSION, "alice@example.test") as client:
        client.sendmail("alice@example.test", "bob@example.test", text)
    with mail.imap(machine, "bob@example.test") as client:
        uid = wait_for(lambda: mail.find(client, message_id), 60, "the large message never came")[0]
        dummy, data = client.uid("FETCH", uid, "(BODY.PEEK[])")
        client.uid("STORE", uid, "+FLAGS", r"(\Deleted)")
        client.expunge()
    assert data[0][1].endswith(text)


def test_an_unknown_recipient_is_refused_at_the_door(machine):
    assert wire.rcpt(machine, "nobody@example.test").startswith("550 5.1.1")


@pytest.mark.parametrize("recipient", ["asleep@example.test", "eve@dormant.test"], ids=["user", "domain"])
def test_mail_for_who_is_inactive_is_refused_at_the_door(machine, recipient):
    assert wire.rcpt(machine, recipient).startswith("550 5.1.1")
