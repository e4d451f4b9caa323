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
        client.store("1:*", "+FLAGS", r"(\Deleted)")
        client.expunge()


@pytest.mark.usefixtures("empty_box")
def test_a_full_mailbox_is_refused_until_there_is_room(machine, wait_for):
    for _ in range(2):
        message_id, text = mail.message(b"x" * 70 + b"\r\n" + b"0123456789\r\n" * 50_000)
        mail.deliver(machine, USER, data=text)
        mail.wait_for_message(machine, wait_for, USER, message_id)
    assert wire.rcpt(machine, USER).startswith("552 5.2.2")
    assert wire.rcpt(machine, f"{USER.replace('@', '+lists@')}").startswith("552 5.2.2")

    empty(machine)
    mail.wait_for_message(machine, wait_for, USER, mail.deliver(machine, USER))


@pytest.mark.usefixtures("empty_box")
def test_a_message_that_would_not_fit_is_refused_by_its_announced_size(machine):
    with wire.Wire(machine, wire.SMTP) as client:
        client.ask("EHLO client.test")
        client.ask("MAIL FROM:<stranger@elsewhere.test> SIZE=2000000")
        assert client.ask(f"RCPT TO:<{USER}>").startswith("552 5.2.2")


def test_a_mail_program_can_show_the_quota(machine):
    with mail.imap(machine, USER) as client:
        _, (_, (quota,)) = client.getquotaroot("INBOX")
    assert b"STORAGE" in quota
    assert b" 1024)" in quota


def test_who_has_no_quota_has_no_limit(machine):
    with mail.imap(machine, "bob@example.test") as client:
        _, (_, quotas) = client.getquotaroot("INBOX")
    assert not any(quota and b"STORAGE" in quota for quota in quotas)
