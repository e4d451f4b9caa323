# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nobody smuggles a second message through our servers to those of others, however these read the end of one."""

import wire
import world
from smuggling import ENDS, smuggle


def test_a_user_smuggles_nothing_to_others(machine, outside, wait_for):
    bob = world.address(machine, "bob")
    sent = []
    for end in ENDS.values():
        outer_id, outer = world.compose(bob, world.FRIEND)
        inner_id, inner = world.compose(bob, world.FRIEND)
        with wire.secured(machine, wire.SUBMISSION) as client:
            client.login(bob, machine.passwords[bob])
            if smuggle(client, end, bob, world.FRIEND, outer, inner) == 250:
                sent.append((outer_id, inner_id))
    assert sent
    for outer_id, inner_id in sent:
        file = outside.wait_for_message(wait_for, outer_id)
        text = outside.machine.host.file(file).content
        assert set(outside.files(inner_id)) <= {file}, "it has become a message"
        assert b"\r" not in text.replace(b"\r\n", b""), "others may read a line of its own"
