# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom our servers ask for names, and whether they may believe it."""

import re

import pytest
import world

DOWN = {
    "unbound": "unbound",
    "postfix-mta-sts-resolver": "postfix-mta-sts-resolver",
    "mail-tls-policy": "mail-tls-policy.socket mail-tls-policy.service",
}


def test_it_is_the_only_one(machine):
    assert re.findall(r"(?m)^nameserver (.*)", machine.host.file("/etc/resolv.conf").content_string) == ["127.0.0.1"]


def test_its_answers_are_verified(machine):
    assert machine.host.check_output("python3 -c %s outside.test MX", world.VERIFIED) == "True"


def test_nobody_else_in_the_network_asks_it(machine):
    listeners = machine.host.check_output("ss --listening --tcp --udp --numeric --no-header 'sport = :53'").splitlines()
    assert {line.split()[4] for line in listeners} == {"127.0.0.1:53"}


@pytest.mark.parametrize("socket", ["/run/mta-sts/daemon.sock", "/run/mail-tls-policy.sock"])
def test_nobody_else_on_the_host_asks_for_policies(machine, socket):
    program = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    assert machine.run("python3 -c %s %s", program, socket).rc == 0
    asked = machine.run("setpriv --reuid=nobody --regid=nogroup --clear-groups python3 -c %s %s", program, socket)
    assert "PermissionError" in asked.stderr


def test_check_says_who_else_is_asked(machine, play):
    machine.host.check_output("cp /etc/resolv.conf /tmp && echo nameserver 192.0.2.53 >> /etc/resolv.conf")
    try:
        run = play("check")
    finally:
        machine.host.check_output("cp /tmp/resolv.conf /etc/resolv.conf")
    assert run.code != 0
    assert "FAULT resolver: /etc/resolv.conf names 192.0.2.53" in run.output


def test_check_says_what_is_down(machine, play):
    services = " ".join(DOWN.values())
    machine.host.check_output(f"systemctl stop {services}")
    try:
        run = play("check")
    finally:
        machine.host.check_output(f"systemctl start {services.removesuffix(' mail-tls-policy.service')}")
    assert run.code != 0
    assert set(DOWN) <= set(re.findall(r"FAULT service (\S+): ", run.output)), run.output[-3000:]
