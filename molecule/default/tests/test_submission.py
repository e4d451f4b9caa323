# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose name a user may put on an envelope, and what becomes of mail without a login."""

import pytest
import wire

SERVICES = pytest.mark.parametrize("service", [wire.SUBMISSION, wire.SUBMISSIONS], ids=str)


def envelope(machine, service, sender, user="alice@example.test"):
    """The answer that decides on an envelope: to MAIL, or to RCPT where MAIL was taken."""
    with wire.secured(machine, service) as client:
        if user:
            assert wire.let_in(client.login(user, machine.passwords[user]))
        else:
            client.ask("EHLO client.test")
        answer = client.ask(f"MAIL FROM:<{sender}>")
        return client.ask("RCPT TO:<bob@example.test>") if wire.code_of(answer) == 250 else answer


@SERVICES
@pytest.mark.parametrize(
    "sender",
    [
        pytest.param("alice@example.test", id="own address"),
        pytest.param("info@example.test", id="alias that she reads"),
        pytest.param("alice+lists@example.test", id="own address with extension"),
        pytest.param("Alice@Example.Test", id="own address in capitals"),
        pytest.param("alice@old.test", id="own address by the other name of the domain"),
    ],
)
def test_a_user_sends_as_herself(machine, service, sender):
    assert wire.code_of(envelope(machine, service, sender)) == 250


@SERVICES
@pytest.mark.parametrize(
    "sender",
    [
        pytest.param("bob@example.test", id="another user"),
        pytest.param("bob+lists@example.test", id="another user with extension"),
        pytest.param("bob@old.test", id="another user by the other name of the domain"),
        pytest.param("anything@catchall.test", id="catch-all of another user"),
        pytest.param("nobody@example.test", id="nobody"),
        pytest.param("somebody@elsewhere.test", id="outside"),
        pytest.param("alice", id="no domain"),
        pytest.param("", id="null sender"),
    ],
)
def test_a_user_sends_as_nobody_else(machine, service, sender):
    answer = envelope(machine, service, sender)
    assert 500 <= wire.code_of(answer) < 600, answer


@SERVICES
def test_nobody_sends_without_a_login(machine, service):
    answer = envelope(machine, service, "alice@example.test", user=None)
    assert 500 <= wire.code_of(answer) < 600, answer


@pytest.mark.parametrize("service", [wire.SMTP, wire.SUBMISSION], ids=str)
def test_smtputf8_is_not_promised(machine, service):
    # The way into the mailbox could not keep the promise: such mail would bounce after it was accepted.
    with wire.secured(machine, service) as client:
        assert "SMTPUTF8" not in client.ask("EHLO client.test")
