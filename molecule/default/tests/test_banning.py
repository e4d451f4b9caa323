# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who guesses passwords is shut out, and nobody else. The scenario's other mail server does the guessing."""

import base64
import re
from pathlib import Path

import outage
import pytest
import wire

GUESSED = "alice@example.test"
GUESSES = """
import concurrent.futures, socket, sys, types
sys.path.insert(0, "/run/guess")
import wire

address, hostname, service, times = sys.argv[1:]
machine = types.SimpleNamespace(address=address, hostname=hostname, ca_file="/run/guess/ca.pem")
service = next(each for each in wire.LOGIN if each.name == service)

def guess(number):
    try:
        return wire.let_in(wire.login(machine, service, "alice@example.test", f"guess {number}"))
    except ConnectionRefusedError:
        return "refused"
    except OSError:
        return "cut off"

with concurrent.futures.ThreadPoolExecutor(20) as pool:
    print(*pool.map(guess, range(int(times))), sep="\\n")
"""
KNOCK = "timeout 3 bash -c 'exec 3<> /dev/tcp/%s/%d'"


@pytest.fixture(scope="module")
def guesser(machine, neighbour):
    """The other machine, ready to guess."""
    there = neighbour({"mail-d12": "mail-d13", "mail-d13": "mail-d12"}[machine.name])
    there.host.check_output("mkdir -p /run/guess")
    files = {"wire.py": Path(wire.__file__).read_bytes(), "ca.pem": machine.ca_file.read_bytes(), "guess.py": GUESSES.encode()}
    for name, content in files.items():
        there.host.check_output("echo %s | base64 -d > %s", base64.b64encode(content).decode(), f"/run/guess/{name}")
    yield there
    there.host.check_output("rm -r /run/guess")


@pytest.fixture(autouse=True)
def nobody_banned(machine, guesser):
    yield
    guesser.run("pkill -f ^python3./run/guess")
    machine.host.check_output("fail2ban-client unban --all")


def guess(guesser, machine, service, times):
    command = "python3 /run/guess/guess.py %s %s %s %s"
    return guesser.host.check_output(command, machine.address, machine.hostname, service.name, str(times)).split("\n")


def reaches(guesser, machine, port):
    return guesser.run(KNOCK % (machine.address, port)).rc == 0


def failures_seen(machine):
    status = machine.host.check_output("fail2ban-client status mailserver")
    return int(re.search(r"Total failed:\s+(\d+)", status)[1])


def test_a_ban_outlives_a_reload_and_can_be_lifted(machine, guesser, wait_for):
    machine.host.check_output("fail2ban-client set mailserver banip %s", guesser.address)
    machine.host.check_output("systemctl reload fail2ban")
    wait_for(lambda: not reaches(guesser, machine, 993), message="the ban is gone")
    machine.host.check_output("fail2ban-client set mailserver unbanip %s", guesser.address)
    wait_for(lambda: reaches(guesser, machine, 993), message="the ban was not lifted")


@pytest.mark.parametrize("service", [wire.SUBMISSION, wire.SUBMISSIONS, wire.IMAPS, wire.POP3S, wire.SIEVE], ids=str)
def test_a_failure_counts_whatever_the_protocol(machine, guesser, wait_for, service):
    before = failures_seen(machine)
    assert guess(guesser, machine, service, 1) == ["False"]
    wait_for(lambda: failures_seen(machine) == before + 1, message=f"{failures_seen(machine) - before} failures seen instead of 1")


def test_a_name_that_nobody_has_counts_too(machine, guesser, wait_for):
    before = failures_seen(machine)
    guesser.host.check_output("sed -i s/alice@example.test/nobody@example.test/ /run/guess/guess.py")
    try:
        assert guess(guesser, machine, wire.IMAPS, 1) == ["False"]
    finally:
        guesser.host.check_output("sed -i s/nobody@example.test/alice@example.test/ /run/guess/guess.py")
    wait_for(lambda: failures_seen(machine) == before + 1, message="it was not seen")


def test_an_outage_of_the_database_bans_nobody(machine, guesser, wait_for):
    before = failures_seen(machine)
    machine.host.check_output("doveadm auth cache flush")
    machine.host.check_output(outage.STOP)
    try:
        assert "True" not in guess(guesser, machine, wire.IMAPS, 30)
    finally:
        machine.host.check_output(outage.START)
    wait_for(lambda: wire.let_in(wire.login(machine, wire.IMAPS, GUESSED, machine.passwords[GUESSED])), message="nobody gets in again")
    # What comes after it shows that all before it has been read.
    guess(guesser, machine, wire.IMAPS, 1)
    wait_for(lambda: failures_seen(machine) > before, message="a wrong password after the outage was not seen")
    assert failures_seen(machine) == before + 1


# The last one here: of its guesses some are judged after it.
def test_a_hundred_guesses_end_in_a_ban_within_a_minute(machine, guesser, wait_for):
    command = "python3 /run/guess/guess.py %s %s imaps 100 > /dev/null 2>&1 &"
    guesser.host.check_output(command, machine.address, machine.hostname)
    wait_for(lambda: not reaches(guesser, machine, 993), timeout=60, message="the guesser still gets through")
    assert [port for port in (25, 143, 465, 587, 995, 4190) if reaches(guesser, machine, port)] == []
    assert reaches(guesser, machine, 22), "an administrator behind the same address lost SSH"
    for service in (wire.IMAPS, wire.SUBMISSION):
        assert wire.let_in(wire.login(machine, service, GUESSED, machine.passwords[GUESSED])), f"{service} is shut for others, too"
