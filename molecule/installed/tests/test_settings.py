# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings that differ from the default scenario's do what they say."""

import imaplib
import os
import socket
from pathlib import Path

import mail
import pytest
import wire

WALTER = ("walter", "Harbour-walter-84")


def test_the_collection_is_the_installed_one():
    path = Path(os.environ["ANSIBLE_COLLECTIONS_PATH"]) / "ansible_collections/virtmail/mailserver"
    assert (path / "MANIFEST.json").is_file() and not path.is_symlink()


def test_mail_arrives_in_an_mdbox(machine, wait_for):
    message_id = mail.deliver(machine, "info@example.test")
    mail.wait_for_message(machine, wait_for, "alice@example.test", message_id)
    assert machine.run("find /var/mail/vhosts/example.test/alice -name 'm.*' | grep -q .").rc == 0


def test_users_send_to_each_other(machine, wait_for):
    message_id, text = mail.message()
    with mail.smtp(machine, wire.SUBMISSION, "alice@example.test") as client:
        client.sendmail("alice@example.test", "bob@example.test", text)
    mail.wait_for_message(machine, wait_for, "bob@example.test", message_id)


def test_a_system_user_logs_in_and_gets_mail(machine, wait_for):
    message_id = mail.deliver(machine, f"walter@{machine.hostname}")
    with imaplib.IMAP4_SSL(machine.address, ssl_context=wire.verifying(machine), timeout=60) as client:
        client.login(*WALTER)
        client.select()
        wait_for(lambda: mail.find(client, message_id), message="the system user's mail never came")


def test_postgresql_is_elsewhere_and_asked_over_tls(machine):
    assert machine.run("ls /usr/lib/postgresql").rc != 0
    lookup = machine.run("postmap -q example.test $(postconf -hx virtual_mailbox_domains)")
    assert (lookup.rc, lookup.stdout.strip()) == (0, "example.test")


def test_credentials_are_for_root_only(machine):
    listing = machine.host.check_output("stat -c '%a %U %n' /etc/mailserver/credentials /etc/mailserver/credentials/*").splitlines()
    assert listing[0].startswith("700 root")
    assert len(listing) == 5
    assert all(line.startswith("600 root") for line in listing[1:])


def test_the_firewall_hides_what_no_mail_needs(machine):
    """A service that listens on every address is reachable on the machine, and not from outside."""
    machine.host.check_output("systemd-run --unit=open-port --collect python3 -m http.server 8099")
    try:
        assert machine.run("sleep 1; ss -lnt | grep -q :8099").rc == 0
        with pytest.raises(OSError):
            socket.create_connection((machine.address, 8099), timeout=2).close()
    finally:
        machine.run("systemctl stop open-port")
    socket.create_connection((machine.address, 25), timeout=2).close()
