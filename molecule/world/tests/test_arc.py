# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What we forward keeps the proof of what it was when it came."""

import world


def test_a_forwarded_message_has_a_valid_chain(machine, outside, wait_for):
    message_id = outside.send("boss@outside.test", world.address(machine, "abroad"))
    file = outside.wait_for_message(wait_for, message_id)
    verdict = outside.verify(file)
    assert (verdict["chain"], verdict["seals"]) == ("pass", 1), verdict
    (results,) = outside.headers(file, "ARC-Authentication-Results")
    assert "dkim=pass" in results and "dmarc=pass" in results


def test_the_chain_goes_on_at_the_next_server(machine, outside, wait_for):
    message_id = outside.send("boss@outside.test", world.address(machine, "far"))
    verdict = outside.verify(outside.wait_for_message(wait_for, message_id))
    assert (verdict["chain"], verdict["seals"]) == ("pass", 2), verdict
