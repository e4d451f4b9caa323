# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was answered with 250 arrives, even if the processes that carry it are killed on the way."""

import concurrent.futures
import smtplib
import threading

import mail

READER = "grace@example.test"
MESSAGES = 60
# Everything between the answer and the mailbox. Their masters start them again.
KILL = "pkill -KILL -x '(smtpd|cleanup|qmgr|lmtp|trivial-rewrite|proxymap)'; true"


def try_to_deliver(machine):
    """The message's ID if the server has taken it; who gets no answer would send it again, and we do not."""
    try:
        return mail.deliver(machine, READER)
    except (OSError, smtplib.SMTPException):
        return None


def kill_until(machine, over):
    """The number of times that something was killed."""
    times = 0
    while not over.wait(0.3):
        machine.host.check_output(KILL)
        times += 1
    return times


def test_accepted_mail_outlives_killed_processes(machine, wait_for):
    over = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(5) as pool:
        killer = pool.submit(kill_until, machine, over)
        try:
            taken = [each for each in pool.map(lambda _: try_to_deliver(machine), range(MESSAGES)) if each]
        finally:
            over.set()
    assert killer.result() > 3 and len(taken) > MESSAGES / 10, (killer.result(), len(taken))
    machine.host.check_output("postqueue -f")
    with mail.imap(machine, READER) as client:
        wait_for(lambda: all(mail.find(client, each) for each in taken), 150, "accepted mail has not arrived")
