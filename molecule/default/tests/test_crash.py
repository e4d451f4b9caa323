# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was answered with 250 arrives, even if the processes that put it away are killed in the middle of it."""

import concurrent.futures
import threading

import mail

READER = "grace@example.test"
MESSAGES = 40
# Dovecot's, not Postfix's clients of it: Postfix waits a minute before it starts again what has died young.
KILL = "pkill -KILL -x -P $(cat /run/dovecot/master.pid) lmtp"


def kill_until(machine, over):
    """The number of times that a delivery was killed."""
    return sum(machine.run(KILL).rc == 0 for dummy in iter(lambda: over.wait(0.1), True))


def test_accepted_mail_outlives_a_killed_delivery(machine, wait_for):
    over = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        killer = pool.submit(kill_until, machine, over)
        try:
            taken = list(pool.map(lambda _: mail.deliver(machine, READER), range(MESSAGES)))
        finally:
            over.set()
    assert killer.result() > 0
    wait_for(lambda: machine.run("postqueue -f").rc == 0 and not machine.host.check_output("postqueue -j"), 60, "mail waits")
    with mail.imap(machine, READER) as client:
        assert all(mail.find(client, each) for each in taken)
