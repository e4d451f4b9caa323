# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who connects to port 25 shows that it is a mail server, by waiting for its turn."""

import pytest
import world

# Talks to a port 25, says how many seconds the greeting took, and what was answered to the recipient.
CLIENT = """
import socket, sys, time
address, recipient, manner = sys.argv[1:]
talk = f"HELO early.outside.test\\r\\nMAIL FROM:<>\\r\\nRCPT TO:<{recipient}>\\r\\nQUIT\\r\\n".splitlines(True)
start, seconds = time.monotonic(), 0
with socket.create_connection((address, 25), 60) as connection:
    server = connection.makefile("rw", newline="")
    def say(lines):
        server.writelines(lines)
        server.flush()
    lines = []
    if manner == "early":
        say(talk)
        lines = server.readlines()
    else:
        for line in ["", *talk]:
            say([line])
            while (answer := server.readline())[3:4] == "-":
                pass
            lines.append(answer)
            seconds = seconds or time.monotonic() - start
answers = [line for line in lines if not line.startswith("220")]
print(seconds, answers[2])
"""


@pytest.fixture
def stranger(machine, neighbour):
    """A host that has never sent mail to the server, and talks to it; (seconds until the greeting, answer to the recipient)."""
    machine.host.check_output("rm --force /var/lib/postfix/postscreen_cache.* && postfix reload")

    def talk(manner):
        command = ["python3 -c %s %s %s %s", CLIENT, machine.address, world.address(machine, "alice"), manner]
        seconds, answer = neighbour("dns").host.check_output(*command).split(" ", 1)
        return float(seconds), answer

    return talk


def test_who_talks_before_its_turn_is_refused(stranger):
    assert stranger("early")[1].startswith("550 5.5.1 Protocol error")
    assert stranger("early")[1].startswith("550 5.5.1 Protocol error"), "let in after a first attempt"


def test_who_waits_is_let_in_and_waits_once(stranger):
    seconds, answer = stranger("waiting")
    assert seconds > 5
    assert answer.startswith("250 ")
    seconds, answer = stranger("waiting")
    assert seconds < 3
    assert answer.startswith("250 ")
