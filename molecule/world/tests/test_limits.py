# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who sends to more people than others do is held back for a while."""

import re

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


def test_check_names_who_has_sent_too_much(machine, play):
    """Nobody else, whatever a stranger writes into the log by spam that is refused."""
    carol, alice = (world.address(machine, name) for name in ("carol", "alice"))
    forged = f'2099-01-01 00:00:00 #1(rspamd_proxy) <abcdef>; lua; ratelimit.lua:1: ratelimit "user({alice})" exceeded, '
    message_id, data = world.compose(mail.SENDER, alice, body=world.GTUBE)
    data = data.replace(message_id.encode(), f"<{forged}>".encode())
    assert world.answer(mail.deliver, machine, alice, data=data)[0] == 554
    assert machine.run("grep -q '2099.*ratelimit.*exceeded' /var/log/rspamd/rspamd.log").rc == 0

    report = play("check")
    over = re.findall(r"FAULT sending limit: (\S+) was over it, last at \S+ \S+: (.*?users\.yml)", world.said(report))
    assert report.code != 0 and {who for who, dummy in over} == {carol}, world.said(report)
    assert "change the password, revoke the app password that was used, or set active to false" in over[0][1]
