# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server carries no mail of strangers to strangers, however they spell it."""

import pytest
import wire

DETOURS = [
    "victim@elsewhere.test",
    "victim%elsewhere.test@example.test",
    "victim%elsewhere.test@{hostname}",
    "victim%elsewhere.test@[{address}]",
    "elsewhere.test!victim@example.test",
    "elsewhere.test!victim@[{address}]",
    '"victim@elsewhere.test"@example.test',
    '"victim@elsewhere.test"@[{address}]',
    '"victim%elsewhere.test"@example.test',
    "victim@elsewhere.test@example.test",
    "@example.test:victim@elsewhere.test",
    "@{hostname},@example.test:victim@elsewhere.test",
    "victim@[192.0.2.1]",
    "victim@[IPv6:2001:db8::1]",
    "victim@192.0.2.1",
    '"victim@elsewhere.test"',
    "victim%elsewhere.test",
    "elsewhere.test!victim",
]


@pytest.mark.parametrize("sender", ["stranger@elsewhere.test", "alice@example.test", ""], ids=["outside", "user", "null"])
@pytest.mark.parametrize("recipient", DETOURS)
def test_the_mx_relays_nothing(machine, recipient, sender):
    recipient = recipient.format(hostname=machine.hostname, address=machine.address)
    answer = wire.rcpt(machine, recipient, sender)
    assert 500 <= wire.code_of(answer) < 600, answer


@pytest.mark.parametrize("service", [wire.SUBMISSION, wire.SUBMISSIONS], ids=str)
def test_submission_relays_nothing_without_a_login(machine, service):
    with wire.secured(machine, service) as client:
        client.ask("EHLO client.test")
        client.ask("MAIL FROM:<stranger@elsewhere.test>")
        assert 500 <= wire.code_of(client.ask("RCPT TO:<victim@elsewhere.test>")) < 600
