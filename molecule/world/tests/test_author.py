# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The From header of a user's message is the user's own."""

import mail
import pytest
import wire
import world


@pytest.mark.parametrize(
    ("sender", "author"),
    [
        pytest.param("alice", "alice", id="own address"),
        pytest.param("alice", "Alice+lists", id="own address with extension, in capitals"),
        pytest.param("info", "info", id="alias that she reads"),
        pytest.param("info", "alice", id="own address, alias on the envelope"),
    ],
)
def test_a_user_writes_as_herself(machine, sender, author):
    alice = world.address(machine, "alice")
    addresses = {"sender": world.address(machine, sender), "author": world.address(machine, author)}
    assert world.answer(world.submit, machine, alice, alice, **addresses) == (250, "")


@pytest.mark.parametrize(
    "author",
    [
        pytest.param("bob@{domain}", id="another user"),
        pytest.param("Alice <bob@{domain}>", id="another user under her name"),
        pytest.param('"alice@{domain}" <bob@{domain}>', id="another user behind her address"),
        pytest.param("alice@{domain}, bob@{domain}", id="another user beside her"),
        pytest.param("boss@outside.test", id="outside"),
        pytest.param("alice@{domain}\r\nFrom: bob@{domain}", id="a second header"),
        pytest.param("bob@{domain}\r\nFrom: alice@{domain}", id="a first header"),
        pytest.param("nobody at all", id="no address"),
    ],
)
def test_a_user_writes_as_nobody_else(machine, author):
    alice = world.address(machine, "alice")
    dummy, data = world.compose(author.format(domain=world.domain(machine)), alice)
    with mail.smtp(machine, wire.SUBMISSION, alice) as client:
        code, text = world.answer(client.sendmail, alice, [alice], data)
    assert code == 554 and "From" in text, (code, text)
