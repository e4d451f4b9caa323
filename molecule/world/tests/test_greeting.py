# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who connects to port 25 shows that it is a mail server, by waiting for its turn."""

import ipaddress
import time

import mail
import pytest
import wire
import world


@pytest.fixture
def alice(machine):
    """Nobody has sent mail to her server yet."""
    world.forget_who_waited(machine)
    return world.address(machine, "alice")


def said_early(sender, recipient, data):
    """A whole session at once. The answer to the first command takes the place of the rest of the greeting."""
    commands = ["HELO early.elsewhere.test", f"MAIL FROM:<{sender}>", f"RCPT TO:<{recipient}>", "DATA", f"{data.decode()}.", "QUIT", ""]
    return "\r\n".join(commands).encode()


def test_who_talks_before_its_turn_is_refused(machine, wait_for, alice):
    message_id, data = mail.message()
    for attempt in ("first", "second"):
        with wire.Wire(machine, wire.SMTP, early=said_early(mail.SENDER, alice, data)) as client:
            answers = [client.hear() for command in ("MAIL", "RCPT", "DATA")]
        assert [wire.code_of(answer) for answer in answers] == [250, 550, 554], f"{attempt} attempt: {answers}"
    log = machine.host.check_output("journalctl --quiet --output=cat --identifier=postfix/postscreen --since=-1min")
    assert "PREGREET" in log
    assert f"550 5.5.1 Protocol error; from=<{mail.SENDER}>, to=<{alice}>" in log
    mail.wait_for_message(machine, wait_for, alice, world.arrive(machine, mail.SENDER, alice))
    assert mail.count(machine, alice, message_id) == 0


def test_who_waits_is_let_in_and_waits_once(machine, alice):
    seconds = []
    for attempt in ("first", "second"):
        start = time.monotonic()
        with wire.Wire(machine, wire.SMTP) as client:
            seconds.append(time.monotonic() - start)
            client.ask("HELO patient.elsewhere.test")
            client.ask("MAIL FROM:<>")
            assert client.ask(f"RCPT TO:<{alice}>").startswith("250 "), f"{attempt} attempt"
    assert seconds[0] > 5
    assert seconds[1] < 3


@pytest.fixture
def listed(machine, nameserver, play):
    """A list that has the address of the tests, and that is asked."""
    name = f"{machine.name}.outside.test"
    record = ipaddress.ip_address(machine.variables["tests_address"]).reverse_pointer.replace("in-addr.arpa", name)
    nameserver.update(f"add {record}. 5 A 127.0.0.2")
    run = play("site", "--tags", "postfix", postfix_postscreen_dnsbl_sites=[f"{name}*2"], postfix_postscreen_dnsbl_threshold=2)
    assert run.code == 0, run.output[-3000:]
    yield name
    assert play("site", "--tags", "postfix").code == 0
    nameserver.update(f"delete {record}. A")
    world.forget_who_waited(machine)


def test_who_is_in_a_list_is_refused(machine, alice, listed):
    refusal = f"550 5.7.1 Service unavailable; client [{machine.variables['tests_address']}] blocked using {listed}"
    assert wire.rcpt(machine, alice).startswith(refusal)
