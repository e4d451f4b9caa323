# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where mail goes that is addressed to no account."""

import mail
import pytest
import wire


def arrives_at(machine, wait_for, recipient, user):
    return mail.wait_for_message(machine, wait_for, user, mail.deliver(machine, recipient))


@pytest.mark.parametrize(
    ("recipient", "user"),
    [
        pytest.param("info@example.test", "alice@example.test", id="alias"),
        pytest.param("INFO@Example.Test", "alice@example.test", id="alias in capitals"),
        pytest.param("info+shop@example.test", "alice@example.test", id="alias with extension"),
        pytest.param("anything@catchall.test", "carol@other.test", id="catch-all"),
        pytest.param("alice@old.test", "alice@example.test", id="domain alias of a box"),
        pytest.param("info@old.test", "alice@example.test", id="domain alias of an alias"),
        pytest.param("alice+lists@old.test", "alice@example.test", id="domain alias with extension"),
        pytest.param("alice+lists@example.test", "alice@example.test", id="extension"),
        pytest.param("Alice+Lists@example.test", "alice@example.test", id="extension in capitals"),
        pytest.param("abuse@other.test", "alice@example.test", id="role address through postmaster"),
    ],
)
def test_mail_arrives(machine, wait_for, recipient, user):
    arrives_at(machine, wait_for, recipient, user)


def test_an_alias_with_several_destinations_serves_each_once(machine, wait_for):
    message_id = mail.deliver(machine, "team@example.test")
    for user in ("alice@example.test", "bob@example.test", "carol@other.test"):
        mail.wait_for_message(machine, wait_for, user, message_id)


@pytest.mark.parametrize("recipient", ["dave@catchall.test", "dave+lists@catchall.test"])
def test_a_catch_all_swallows_no_real_box(machine, wait_for, recipient):
    message_id = mail.deliver(machine, recipient)
    mail.wait_for_message(machine, wait_for, "dave@catchall.test", message_id)
    mail.settle(machine, wait_for, "carol@other.test")
    assert mail.count(machine, "carol@other.test", message_id) == 0


@pytest.mark.parametrize("recipient", ["nobody@old.test", "asleep@old.test"])
def test_a_domain_alias_knows_no_more_people_than_its_domain(machine, recipient):
    assert wire.rcpt(machine, recipient).startswith("550 5.1.1")


def test_the_extension_survives_the_domain_alias(machine, wait_for):
    text = arrives_at(machine, wait_for, "bob+lists@old.test", "bob@example.test")
    assert b"<bob+lists@example.test>" in text.split(b"\r\n\r\n")[0]


def test_an_alias_may_lead_outside(machine, wait_for):
    mail.deliver(machine, "abroad@example.test", sender="alice@example.test")
    found = "journalctl --no-pager --output cat --since -5min --grep 'to=<friend@elsewhere.test>, orig_to=<abroad@example.test>'"
    wait_for(lambda: machine.run(found).rc == 0, message="nothing was sent to the outside destination")
