# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A full mailbox is refused at the door, says so, and works again once there is room."""

import mail
import pytest
import wire

USER = "small@example.test"


@pytest.fixture
def empty_box(machine):
    """The small mailbox with nothing in it, before and after."""
    empty(machine)
    yield
    empty(machine)


def empty(machine):
    with mail.imap(machine, USER) as client:
        dummy, (numbers,) = client.search(None, "ALL")
        for number in numbers.decode().split():
            client.store(number, "+FLAGS", r"(\Deleted)")
        client.expunge()


def offer(machine, kilobytes, tell_size=True):
    """The answer to a recipient's name in the envelope of such a message, which is sent if that is possible."""
    message_id, text = mail.message(b"0123456789abcd\r\n" * (kilobytes * 1000 // 16))
    with mail.smtp(machine) as client:
        client.ehlo()
        client.mail(mail.SENDER, [f"SIZE={len(text)}"] if tell_size else [])
        code, words = client.rcpt(USER)
        if code == 250:
            assert client.data(text)[0] == 250
    return message_id, code, words


@pytest.mark.usefixtures("empty_box")
def test_a_full_mailbox_is_refused_until_there_is_room(machine, wait_for):
    for dummy in range(2):
        message_id, code, dummy = offer(machine, 480)
        assert code == 250
        mail.wait_for_message(machine, wait_for, USER, message_id)
    dummy, code, words = offer(machine, 480)
    assert (code, words[:5]) == (552, b"5.2.2")

    empty(machine)
    message_id, code, dummy = offer(machine, 480)
    assert code == 250
    mail.wait_for_message(machine, wait_for, USER, message_id)


@pytest.mark.usefixtures("empty_box")
def test_a_colleague_is_told_on_submission(machine, wait_for):
    for dummy in range(2):
        message_id, dummy, dummy = offer(machine, 480)
        mail.wait_for_message(machine, wait_for, USER, message_id)
    with mail.smtp(machine, wire.SUBMISSION, "alice@example.test") as client:
        client.mail("alice@example.test", ["SIZE=490000"])
        code, words = client.rcpt(USER)
    assert (code, words[:5]) == (552, b"5.2.2")


@pytest.mark.usefixtures("empty_box")
def test_what_was_taken_unseen_waits_for_room_and_does_not_bounce(machine, wait_for):
    message_id, dummy, dummy = offer(machine, 900)
    mail.wait_for_message(machine, wait_for, USER, message_id)
    message_id, code, dummy = offer(machine, 480, tell_size=False)
    assert code == 250
    wait_for(lambda: machine.run("postqueue -p | grep 'Quota exceeded'").rc == 0, message="it does not wait in the queue")

    empty(machine)
    machine.host.check_output("postqueue -f")
    mail.wait_for_message(machine, wait_for, USER, message_id)


@pytest.mark.usefixtures("empty_box")
def test_a_message_larger_than_the_mailbox_is_refused(machine):
    with wire.Wire(machine, wire.SMTP) as client:
        client.ask("EHLO client.test")
        client.ask("MAIL FROM:<stranger@elsewhere.test> SIZE=2000000")
        assert client.ask(f"RCPT TO:<{USER}>").startswith("552 5.2.2")


def test_a_mail_program_can_show_the_quota(machine):
    with mail.imap(machine, USER) as client:
        dummy, (dummy, (quota,)) = client.getquotaroot("INBOX")
    assert b"STORAGE" in quota
    assert b" 1024)" in quota


def test_who_has_no_quota_has_no_limit(machine):
    with mail.imap(machine, "bob@example.test") as client:
        dummy, (dummy, quotas) = client.getquotaroot("INBOX")
    assert not any(quota and b"STORAGE" in quota for quota in quotas)
