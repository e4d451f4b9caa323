# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who sends to more people than others do is held back for a while."""

import mail
import wire
import world

LIMIT = 300
AT_ONCE = 30


def test_who_sends_too_much_is_put_off_and_others_are_not(machine):
    carol, alice, bob = (world.address(machine, name) for name in ("carol", "alice", "bob"))
    recipients = [world.address(machine, f"alice+{number}") for number in range(AT_ONCE)]
    redis = f"redis-cli -s {world.REDIS_SOCKET}"
    machine.host.check_output(f"{redis} --scan --pattern 'RL*' | xargs --no-run-if-empty {redis} del")
    dummy, data = world.compose(carol, alice)
    with mail.smtp(machine, wire.SUBMISSION, carol) as client:
        answers = [world.answer(client.sendmail, carol, recipients, data) for dummy in range(LIMIT // AT_ONCE + 1)]
    assert [code for code, dummy in answers] == [250] * (LIMIT // AT_ONCE) + [451], answers
    assert "too many recipients" in answers[-1][1]
    assert world.answer(world.submit, machine, bob, alice) == (250, "")
    assert machine.run("grep -q 'ratelimit.*exceeded' /var/log/rspamd/rspamd.log").rc == 0, "the log does not say so"
