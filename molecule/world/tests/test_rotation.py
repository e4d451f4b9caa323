# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""New DKIM keys follow old ones while mail is sent, and whoever gets it can verify all of it."""

import time

import pytest
import world
from stream import Stream

NOW = {"mail_dkim_rotate_days": 0}


@pytest.fixture
def rotate(play):
    """Run the playbook; its lines about the domain."""

    def run(**variables):
        done = play("dkim_rotate", **variables)
        assert done.code == 0, done.output[-3000:]
        return done

    return run


def test_no_message_is_without_a_valid_signature(machine, outside, nameserver, play, rotate, wait_for):
    old = world.selectors(machine, "signing")
    start = outside.machine.host.check_output("date +@%s")
    with Stream(machine, world.address(machine, "frank")) as stream:
        wait_for(lambda: len(stream.sent) > 20, 60)
        broken = play("dkim_rotate", mail_dns_port=1, **NOW)
        assert broken.code != 0 and "cannot be used" in broken.output
        new = world.selectors(machine, "next")
        assert len(new) == len(old) == 2 and not new & old

        assert "shown by all name servers, and sign when this is run after" in world.said(rotate(**NOW))
        assert world.selectors(machine, "signing") == old
        assert nameserver.dkim_selectors(machine, old | new) == old | new
        time.sleep(machine.variables["mail_dns_ttl"])
        assert rotate(**NOW).changed == 1
        assert (world.selectors(machine, "signing"), world.selectors(machine, "retired")) == (new, old)
        assert rotate(**NOW).changed == 0
        switched = len(stream.sent)
        wait_for(lambda: len(stream.sent) > switched + 20, 60)
    assert stream.faults == []

    wait_for(lambda: not machine.host.check_output("postqueue -j"), 600, "the queue is not empty")
    verdicts = outside.verify_all(stream.subject)
    assert sorted(verdict["id"] for verdict in verdicts) == sorted(stream.sent)
    assert not [verdict for verdict in verdicts if set(verdict["signatures"].values()) != {True}]
    signers = [{name.partition("@")[0] for name in verdict["signatures"]} for verdict in verdicts]
    assert {frozenset(each) for each in signers} == {frozenset(old), frozenset(new)}
    for host in (machine, outside.machine):
        assert host.run(f"journalctl --no-pager --output cat --since {start} --grep 'status=bounced'").stdout == ""


def test_old_keys_go_in_the_end(machine, outside, nameserver, play, rotate, wait_for):
    old = world.selectors(machine, "retired")
    new = world.selectors(machine, "signing")
    assert rotate().changed == 0, "they went before mail on its way has arrived"
    table = f"/var/lib/mailserver/dkim/{world.domain(machine)}/selectors"
    machine.host.check_output("sed -i -E 's/(retired) .*/\\1 2026-01-01T00:00:00Z/' %s", table)
    assert f"hint DKIM keys: a step is due of 1: {world.domain(machine)}; run the playbook dkim_rotate" in world.said(play("check"))

    assert rotate().changed == 3, "the keys, their records, and the lines about them"
    assert nameserver.dkim_selectors(machine, old | new) == new
    files = machine.host.check_output(f"ls {table.rpartition('/')[0]}").split()
    assert sorted(files) == sorted(["selectors", *(f"{each}.{ending}" for each in new for ending in ("key", "txt"))])
    assert rotate().changed == 0
    machine.host.check_output("systemctl start mail-dkim-keys")
    assert world.selectors(machine, "signing") == new, "the first keys are made again"
    file = outside.wait_for_message(wait_for, world.submit(machine, world.address(machine, "alice"), world.FRIEND))
    assert set(outside.verify(file)["signatures"].values()) == {True}
