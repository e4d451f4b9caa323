# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the filter can be reached, and by whom."""

import pytest
import world


def test_nothing_of_it_listens_in_the_network(machine):
    listeners = machine.host.check_output("ss --listening --tcp --udp --processes --numeric")
    assert not [line for line in listeners.splitlines() if "rspamd" in line or "redis" in line]


@pytest.mark.parametrize("socket", ["/run/rspamd/milter.sock", "/run/rspamd/controller.sock", world.REDIS_SOCKET])
def test_nobody_else_on_the_host_reaches_it(machine, socket):
    program = "import socket, sys; socket.socket(socket.AF_UNIX).connect(sys.argv[1])"
    assert machine.run("python3 -c %s %s", program, socket).rc == 0
    asked = machine.run("setpriv --reuid=nobody --regid=nogroup --clear-groups python3 -c %s %s", program, socket)
    assert "PermissionError" in asked.stderr


def test_nobody_else_on_the_host_reads_the_keys(machine):
    keys = machine.host.check_output("ls /var/lib/mailserver/dkim/*/*.key").split()
    assert keys
    for key in keys:
        assert machine.run("setpriv --reuid=nobody --regid=nogroup --clear-groups cat %s", key).rc != 0


def test_redis_is_bounded(machine):
    memory = machine.host.check_output(f"redis-cli -s {world.REDIS_SOCKET} config get maxmemory").split()[-1]
    assert int(memory) == 256 * 1024 * 1024


def test_a_configuration_is_judged_although_nobody_answers_for_others_names(machine, wait_for):
    machine.host.check_output("install -d /tmp/judged && echo 'enabled = true;' > /tmp/judged/fuzzy_check.conf")
    begin = "cp /etc/resolv.conf /root && echo nameserver 127.0.0.9 > /etc/resolv.conf"
    with world.out_of_order(machine, wait_for, begin, "cat /root/resolv.conf > /etc/resolv.conf"):
        machine.host.check_output("/usr/local/libexec/mail-rspamd-check local.d /tmp/judged")
