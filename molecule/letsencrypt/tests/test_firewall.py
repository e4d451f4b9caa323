# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The firewall lets in mail and its administrator, and nothing else; nftables and ufw are judged alike."""

import socket

import pytest

CLOSED = 8099


def reachable(machine, port):
    try:
        socket.create_connection((machine.address, port), 3).close()
    except OSError:
        return False
    return True


@pytest.fixture
def listener(machine):
    """A service that nobody declared."""
    unit = "undeclared.service"
    machine.run(f"systemd-run --unit {unit} python3 -m http.server {CLOSED}")
    yield
    machine.run(f"systemctl stop {unit}")


@pytest.mark.parametrize("port", [22, 25, 110, 143, 465, 587, 993, 995, 4190])
def test_declared_port_is_open(machine, port):
    assert reachable(machine, port)


def test_other_port_is_closed(machine, listener, wait_for):
    probe = f"python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", {CLOSED}), 3)'"
    wait_for(lambda: machine.run(probe).rc == 0, message="the service does not listen")
    assert not reachable(machine, CLOSED)
