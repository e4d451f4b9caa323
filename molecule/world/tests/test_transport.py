# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail goes out to the server that the recipient's domain wants it to go to, or waits."""

import json
import time

import pytest
import world

# Three times as long as Postfix leaves what has been put off.
SECONDS = 18


def send(machine, domain):
    """Leave a message for a domain of the other server with ours. Returns its ID and its recipient, whom no other message has."""
    recipient = f"friend-{time.time_ns()}@{domain}"
    return world.submit(machine, world.address(machine, "alice"), recipient), recipient


def log(machine, words):
    """The lines of late in which Postfix' client has these words."""
    command = "journalctl --no-pager --output cat --since '-2 minutes' --identifier postfix/smtp --grep %s"
    return machine.run(command, words).stdout.splitlines()


def waiting(machine, recipient):
    """The IDs in the queue of what is for this recipient."""
    entries = map(json.loads, machine.host.check_output("postqueue -j").splitlines())
    return [entry["queue_id"] for entry in entries if recipient in [each["address"] for each in entry["recipients"]]]


@pytest.mark.parametrize("domain", ["dane.test", "sts.test", "dane-and-sts.test"])
def test_mail_goes_to_the_right_server(machine, outside, wait_for, domain):
    message_id, dummy = send(machine, domain)
    outside.wait_for_message(wait_for, message_id)
    assert log(machine, f"^Verified TLS connection established to mx.{domain}\\[")


def test_mail_goes_to_who_publishes_nothing(machine, outside, wait_for):
    message_id, dummy = send(machine, "outside.test")
    outside.wait_for_message(wait_for, message_id)


@pytest.mark.parametrize("domain", ["wrong-dane.test", "wrong-sts.test", "wrong-dane-and-sts.test"])
def test_mail_waits_where_the_server_is_the_wrong_one(machine, outside, wait_for, domain):
    message_id, recipient = send(machine, domain)
    try:
        wait_for(lambda: log(machine, recipient), message="nobody has tried to send it")
        time.sleep(SECONDS)
        assert waiting(machine, recipient)
        tries = log(machine, recipient)
        assert len(tries) > 1
        assert all("status=deferred (Server certificate not " in each for each in tries), tries
    finally:
        for queue_id in waiting(machine, recipient):
            machine.host.check_output("postsuper -d %s", queue_id)
    assert not outside.files(message_id)
