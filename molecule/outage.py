# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL goes away and comes back: what a mail server must say meanwhile, and how soon it must be right again.

Wherever PostgreSQL runs: `machine` is the mail server, `database` the machine of its PostgreSQL, maybe the same.
"""

import concurrent.futures
import contextlib
import time

import mail
import wire

KNOWN = "grace@example.test"
UNKNOWN = "nobody@example.test"
WARM = "alice@example.test"
COLD = "heidi@example.test"
LOGINS = [wire.IMAPS, wire.POP3S, wire.SUBMISSION, wire.SIEVE]
SECONDS_TO_RECOVER = 5

# With the queue manager stopped, mail is accepted and waits; when it goes on, twenty deliveries meet the outage.
HOLD = "kill -STOP $(pgrep -x qmgr)"
RELEASE = "kill -CONT $(pgrep -x qmgr)"
STOP = "systemctl stop postgresql 'postgresql@*'"
START = "systemctl start postgresql; until runuser -u postgres -- psql -qAtc 'SELECT 1' mailserver; do sleep 0.1; done"


def queue_twenty(machine):
    """Twenty accepted messages that have not been delivered yet."""
    machine.host.check_output(HOLD)
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        return list(pool.map(lambda _: mail.deliver(machine, KNOWN, sender=WARM), range(20)))


@contextlib.contextmanager
def interrupted_message(machine):
    """A message whose recipient was accepted before the outage, and whose text comes in the middle of it."""
    message_id, text = mail.message()
    with mail.smtp(machine) as client:
        client.ehlo()
        client.mail(WARM)
        assert client.rcpt(KNOWN)[0] == 250
        yield message_id, lambda: client.data(text)[0]


def log_in(machine, services):
    """The answers to a user who was here before."""
    return [wire.login(machine, service, WARM, machine.passwords[WARM]) for service in services]


def ask_during_outage(machine, seconds):
    """The answers to RCPT and to logins of a user who was here before, for as long as the outage lasts."""
    answers, logins = [], []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answers += [wire.rcpt(machine, KNOWN), wire.rcpt(machine, UNKNOWN)]
        logins += log_in(machine, LOGINS)
        time.sleep(0.5)
    return answers, logins


def seconds_until(condition):
    """How long it takes until the condition is true; each attempt is a new connection."""
    start = time.monotonic()
    while not condition() and time.monotonic() < start + 180:
        time.sleep(0.1)
    return time.monotonic() - start


def first_right_answers(machine):
    """Seconds until the MX knows who lives here, who does not, and until somebody new can log in."""
    conditions = {
        "a known recipient": lambda: wire.rcpt(machine, KNOWN).startswith("250"),
        "an unknown recipient": lambda: wire.rcpt(machine, UNKNOWN).startswith("550"),
        "a login by IMAP": lambda: wire.let_in(wire.login(machine, wire.IMAPS, COLD, machine.passwords[COLD])),
        "a login to submit": lambda: wire.let_in(wire.login(machine, wire.SUBMISSION, COLD, machine.passwords[COLD])),
    }
    with concurrent.futures.ThreadPoolExecutor(len(conditions)) as pool:
        return dict(zip(conditions, pool.map(seconds_until, conditions.values()), strict=True))


@contextlib.contextmanager
def database_afterwards(machine, database):
    """Whatever happens meanwhile, PostgreSQL and the queue manager are at work afterwards."""
    try:
        yield
    finally:
        machine.run(RELEASE)
        database.run(START)


def survived(machine, database, wait_for, seconds, used_before):
    """Judge an outage of so many seconds; a user has logged in before by this service alone."""
    machine.host.check_output("doveadm auth cache flush")
    assert all(map(wire.let_in, log_in(machine, [used_before])))
    start = machine.host.check_output("date +@%s")
    with database_afterwards(machine, database):
        with interrupted_message(machine) as (message_id, send_text):
            queued = queue_twenty(machine)
            database.host.check_output(STOP)
            machine.host.check_output(RELEASE)
            code = send_text()
            queued += [message_id] if code == 250 else []
            answers, logins = ask_during_outage(machine, seconds)
        database.host.check_output(START)
        recovery = first_right_answers(machine)
    print(f"after {seconds} s: {recovery}")

    assert code == 250 or 400 <= code < 500
    assert {answer[:1] for answer in answers} == {"4"}, f"not a temporary refusal: {sorted(set(answers))}"
    assert all(map(wire.let_in, logins)), f"who was here before was locked out: {sorted(set(logins))}"
    slow = {what: round(took, 1) for what, took in recovery.items() if took > SECONDS_TO_RECOVER}
    assert not slow, f"seconds from PostgreSQL's first answer to: {slow}"

    everything_arrives(machine, wait_for, queued)
    bounced = machine.run(f"journalctl --no-pager --output cat --since {start} --grep 'status=bounced'").stdout
    assert bounced == ""


def everything_arrives(machine, wait_for, queued):
    """All queued messages are in the mailbox, each once, sooner than Postfix by itself would try again."""
    with mail.imap(machine, KNOWN) as client:
        wait_for(lambda: all(mail.find(client, each) for each in queued), 90, "queued mail has not arrived")
        assert [len(mail.find(client, each)) for each in queued] == [1] * len(queued)
