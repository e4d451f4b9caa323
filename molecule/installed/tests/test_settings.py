# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The settings that differ from the default scenario's do what they say."""

import contextlib
import imaplib
import os
import re
import ssl
import time
from pathlib import Path

import mail
import pytest
import wire

WALTER = ("walter", "Harbour-walter-84")


def test_the_collection_is_the_installed_one():
    path = Path(os.environ["ANSIBLE_COLLECTIONS_PATH"]) / "ansible_collections/virtmail/mailserver"
    assert (path / "MANIFEST.json").is_file() and not path.is_symlink()


def test_mail_arrives_in_the_chosen_format(machine, wait_for):
    message_id = mail.deliver(machine, "info@example.test")
    mail.wait_for_message(machine, wait_for, "alice@example.test", message_id)
    home = "/var/mail/vhosts/example.test/alice"
    files = machine.run(f"cd {home} && grep -r -l -F --exclude='dovecot.index*' %s", message_id).stdout.split()
    expected = {"mdbox": r"mdbox/storage/m\.\d+", "mbox": "mbox/INBOX"}[machine.variables["dovecot_mail_format"]]
    assert [bool(re.fullmatch(expected, file)) for file in files] == [True], files


def test_users_send_to_each_other(machine, wait_for):
    message_id, text = mail.message()
    with mail.smtp(machine, wire.SUBMISSION, "alice@example.test") as client:
        client.sendmail("alice@example.test", "bob@example.test", text)
    mail.wait_for_message(machine, wait_for, "bob@example.test", message_id)


def sent_by(machine, wait_for, service):
    """A message that alice sends to bob, as bob reads it."""
    message_id, text = mail.message()
    with mail.smtp(machine, service, "alice@example.test") as client:
        client.sendmail("alice@example.test", "bob@example.test", text)
        own_address = client.sock.getsockname()[0]
    return mail.wait_for_message(machine, wait_for, "bob@example.test", message_id).decode(), own_address


@pytest.mark.parametrize("service", [wire.SUBMISSION, wire.SUBMISSIONS], ids=str)
def test_a_message_does_not_say_where_its_sender_is(machine, wait_for, service):
    text, own_address = sent_by(machine, wait_for, service)
    assert own_address not in text
    assert "client.test" not in text.replace("@client.test", "")
    assert re.search(rf"^Received: by {re.escape(machine.hostname)} \(Postfix\) with ESMTPSA id", text, re.MULTILINE)


def test_a_message_from_outside_says_where_it_comes_from(machine, wait_for):
    message_id = mail.deliver(machine, "bob@example.test")
    text = mail.wait_for_message(machine, wait_for, "bob@example.test", message_id).decode()
    assert re.search(r"^Received: from client\.test ", text, re.MULTILINE)


def test_a_system_user_logs_in_and_gets_mail(machine, wait_for):
    message_id = mail.deliver(machine, f"walter@{machine.hostname}")
    with imaplib.IMAP4_SSL(machine.address, ssl_context=wire.verifying(machine), timeout=60) as client:
        client.login(*WALTER)
        client.select()
        wait_for(lambda: mail.find(client, message_id), message="the system user's mail never came")


def test_clients_have_a_login_process_each_if_they_are_isolated(machine):
    with contextlib.ExitStack() as connections:
        for dummy in range(3):
            connections.enter_context(wire.secured(machine, wire.IMAPS))
        processes = int(machine.host.check_output("pgrep -c -x imap-login"))
    assert (processes >= 3) == (machine.variables.get("dovecot_login_processes") == "isolated")


def test_credentials_are_for_root_only(machine):
    listing = machine.host.check_output("stat -c '%a %U %n' /etc/mailserver/credentials /etc/mailserver/credentials/*").splitlines()
    assert listing[0].startswith("700 root")
    assert len(listing) == 5
    assert all(line.startswith("600 root") for line in listing[1:])


@pytest.fixture
def penalty(machine, play):
    """Failed logins delay the next ones, switched on and off again on the running server."""
    start = machine.host.check_output("date +@%s")
    run = play("site", "--tags", "dovecot", dovecot_auth_penalty=True)
    yield run, start
    restored = play("site", "--tags", "dovecot")
    assert (restored.code, restored.changed > 0) == (0, True), restored.output[-3000:]


def seconds_of_wrong_logins(machine):
    start = time.monotonic()
    for password in ("wrong-one", "wrong-two"):
        assert not wire.let_in(wire.login(machine, wire.IMAPS, "bob@example.test", password))
    return time.monotonic() - start


def test_failed_logins_begin_to_delay_on_a_running_server(machine, penalty):
    run, start = penalty
    assert run.code == 0, run.output[-3000:]
    assert seconds_of_wrong_logins(machine) > 5
    crashes = "journalctl --no-pager --output cat --unit dovecot --since %s --grep 'Panic|Fatal|killed with signal'"
    assert machine.run(crashes, start).stdout == ""


def newest_is_tls_1_2(machine):
    context = wire.verifying(machine)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    return context


@pytest.mark.parametrize("service", wire.LOGIN, ids=str)
def test_users_connect_by_tls_1_3_alone(machine, service):
    with pytest.raises((ssl.SSLError, ConnectionError)):
        wire.secured(machine, service, newest_is_tls_1_2(machine))
    assert wire.let_in(wire.login(machine, service, "alice@example.test", machine.passwords["alice@example.test"]))


def test_other_servers_may_come_with_tls_1_2(machine):
    with wire.secured(machine, wire.SMTP, newest_is_tls_1_2(machine)) as client:
        assert client.socket.version() == "TLSv1.2"
