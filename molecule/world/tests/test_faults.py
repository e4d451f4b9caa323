# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Something that mail depends on is out of order while mail flows: it arrives or waits, none is lost, none comes back."""

import contextlib
import smtplib
import time
from dataclasses import dataclass

import mail
import pytest
import wire
import world

SECONDS = 8


@dataclass(frozen=True)
class Fault:
    """How it begins and how it ends."""

    begin: str
    end: str


FAULTS = {
    "filter stopped": Fault("systemctl stop rspamd", "systemctl start rspamd"),
    "filter killed": Fault("systemctl kill --signal=KILL rspamd", "true"),
    "filter hangs": Fault("pkill -STOP -x rspamd", "pkill -CONT -x rspamd"),
    "Redis stopped": Fault("systemctl stop redis-server@rspamd", "systemctl start redis-server@rspamd"),
    "Redis hangs": Fault("pkill -STOP -x redis-server", "pkill -CONT -x redis-server"),
    "resolver stopped": Fault("systemctl stop unbound", "systemctl start unbound"),
    "resolver killed": Fault("systemctl kill --signal=KILL unbound", "true"),
    "resolver hangs": Fault("pkill -STOP -x unbound", "pkill -CONT -x unbound"),
    "policies stopped": Fault("systemctl stop postfix-mta-sts-resolver", "systemctl start postfix-mta-sts-resolver"),
    "policies killed": Fault("systemctl kill --signal=KILL postfix-mta-sts-resolver mail-tls-policy", "true"),
    "no way to the DNS server": Fault(*world.NO_WAY_TO_DNS),
}


def submit_or_retry(machine, dave, waiting):
    """A user's program tries to send a message, and what it could not send before. Returns the IDs of what it has sent."""
    waiting.append(world.compose(dave, world.FRIEND))
    sent = []
    for message_id, data in list(waiting):
        with contextlib.suppress(smtplib.SMTPServerDisconnected):
            code, text = world.answer(submit, machine, dave, data)
            assert code == 250 or 400 <= code < 500, f"refused for good: {code} {text}"
            if code == 250:
                sent.append(message_id)
                waiting.remove((message_id, data))
    return sent


def submit(machine, dave, data):
    with mail.smtp(machine, wire.SUBMISSION, dave) as client:
        client.sendmail(dave, [world.FRIEND], data)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_all_mail_arrives(machine, outside, wait_for, fault):
    dave = world.address(machine, "dave")
    start = machine.host.check_output("date +@%s")
    waiting, coming, going = [], [], []

    def flow():
        coming.append(outside.send("boss@outside.test", dave))
        going.extend(submit_or_retry(machine, dave, waiting))

    flow()
    with world.out_of_order(machine, wait_for, fault.begin, fault.end):
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            flow()
            time.sleep(0.5)
    for message_id in coming:
        mail.wait_for_message(machine, wait_for, dave, message_id, timeout=60)
    wait_for(lambda: going.extend(submit_or_retry(machine, dave, waiting)) or not waiting, 60, "nothing can be sent any more")
    for message_id in going:
        outside.wait_for_message(wait_for, message_id, 60)
    for host in (machine, outside.machine):
        bounced = host.run(f"journalctl --no-pager --output cat --since {start} --grep 'status=bounced'").stdout
        assert bounced == ""
