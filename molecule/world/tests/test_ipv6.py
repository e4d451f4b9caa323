# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail by the newer Internet Protocol."""

import socket
from dataclasses import replace

import mail
import pytest
import world


@pytest.fixture(scope="module")
def by_ipv6(machine):
    """The machine as who has IPv6 alone sees it."""
    return replace(machine, variables={**machine.variables, "ansible_host": machine.variables["machine_address6"]})


def test_mail_comes_in_and_is_read(by_ipv6, wait_for):
    alice = world.address(by_ipv6, "alice")
    text = mail.wait_for_message(by_ipv6, wait_for, alice, world.arrive(by_ipv6, "stranger@elsewhere.test", alice))
    assert b"[IPv6:2001:db8:5::1]" in text
    assert b"spf=pass" in text


def test_mail_goes_out_to_who_has_nothing_else(machine, outside, wait_for):
    message_id = world.submit(machine, world.address(machine, "bob"), "friend@six.outside.test")
    received = " ".join(outside.headers(outside.wait_for_message(wait_for, message_id), "received"))
    assert f"[IPv6:{machine.variables['machine_address6']}]" in received


def test_the_mail_server_has_such_an_address_in_the_dns(machine, neighbour):
    answer = neighbour("dns").host.check_output(f"dig +short @localhost {machine.hostname} AAAA")
    assert socket.inet_pton(socket.AF_INET6, answer) == socket.inet_pton(socket.AF_INET6, machine.variables["machine_address6"])
