# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Moving mail to Junk and back teaches the filter."""

import random

import mail
import pytest
import world

STRANGER = "stranger@elsewhere.test"
WORDS = {
    "BAYES_SPAM": "offer casino winner pills lottery bonus jackpot credit cheap replica watches luxury income miracle".split(),
    "BAYES_HAM": "meeting minutes harbour invoice schedule review lighthouse keeper ferry timetable repair lamp crew tide".split(),
}
# As many as the filter wants to know of each kind
LEARNED = 200
HELD_OUT = 5
REDIS = f"redis-cli -s {world.REDIS_SOCKET}"


def text(kind, seed):
    """A body of words that this kind of mail has, never twice the same."""
    chosen = random.Random(f"{kind} {seed}").choices(WORDS[kind], k=60)
    return "\r\n".join(" ".join(chosen[start : start + 10]) + "." for start in range(0, 60, 10))


def opinion(machine, wait_for, user, body):
    """What the filter thinks of a message, by the header that it gives it; None where it thinks nothing."""
    message_id, data = world.compose(STRANGER, user, body=body)
    wait_for(lambda: world.answer(mail.deliver, machine, user, data=data, sender=STRANGER)[0] == 250, message="it is not taken")

    def read():
        for folder in ("INBOX", "Junk"):
            with mail.imap(machine, user, folder) as client:
                for uid in mail.find(client, message_id):
                    return client.uid("FETCH", uid, "(BODY.PEEK[HEADER.FIELDS (X-Spamd-Result)])")[1][0][1].decode()
        return None

    header = wait_for(read, message=f"{message_id} is neither in INBOX nor in Junk")
    return next((each for each in WORDS if each in header), None)


def opinions(machine, wait_for, user, kind):
    """Of mail of this kind that the filter has not seen."""
    return {opinion(machine, wait_for, user, text(kind, f"held out {number}")) for number in range(HELD_OUT)}


def move(machine, user, kind, source, target, number=LEARNED):
    """What a user does who finds such mail in one folder, and thinks that it belongs into the other."""
    with mail.imap(machine, user, None) as client:
        client.create(source)
        client.select(source)
        client.uid("STORE", "1:*", "+FLAGS", r"(\Deleted)")
        client.expunge()
        for seed in range(number):
            dummy, data = world.compose(STRANGER, user, body=text(kind, f"learned {seed}"))
            client.append(source, None, None, data)
        client.noop()
        status, said = client.uid("MOVE", "1:*", target)
    assert status == "OK", said


@pytest.fixture(scope="module")
def taught(machine, wait_for):
    """Erin, who has taught a filter that knew nothing."""
    erin = world.address(machine, "erin")
    machine.host.check_output(f"{REDIS} flushall")
    assert opinions(machine, wait_for, erin, "BAYES_SPAM") == {None}
    move(machine, erin, "BAYES_HAM", "Junk", "INBOX")
    move(machine, erin, "BAYES_SPAM", "Suspects", "Junk")
    return erin


@pytest.mark.parametrize("kind", WORDS)
def test_what_users_move_decides_about_what_comes_next(machine, wait_for, taught, kind):
    assert opinions(machine, wait_for, taught, kind) == {kind}


def test_what_was_learned_outlives_a_crash(machine, wait_for, taught):
    learned = int(machine.host.check_output(f"{REDIS} --raw hget RS learns_spam"))
    machine.host.check_output("sleep 1.5; systemctl kill --signal=KILL redis-server@rspamd")  # it is written once a second
    wait_for(lambda: machine.run(f"{REDIS} ping").stdout == "PONG\n", message="Redis does not come back")
    assert learned
    assert int(machine.host.check_output(f"{REDIS} --raw hget RS learns_spam")) == learned
    wait_for(lambda: opinions(machine, wait_for, taught, "BAYES_SPAM") == {"BAYES_SPAM"}, message="the filter has forgotten it all")


def test_a_move_succeeds_when_nobody_learns(machine, wait_for, taught):
    with world.out_of_order(machine, wait_for, "systemctl stop rspamd", "systemctl start rspamd"):
        move(machine, taught, "BAYES_SPAM", "Suspects", "Junk", number=5)
