# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folders that every mail program looks for, and the user's own rules that file into them."""

import mail
import wire

SPECIAL_USE = {"Drafts", "Sent", "Junk", "Trash", "Archive"}
USER = "bob@example.test"
RULE = 'require "fileinto"; if header :is "subject" "{subject}" { fileinto "Archive"; }'


def test_the_special_folders_are_there_marked_and_subscribed(machine):
    with mail.imap(machine, "alice@example.test") as client:
        dummy, folders = client.list()
        dummy, subscribed = client.lsub()
    for name in SPECIAL_USE:
        line = next(line.decode() for line in folders if line.decode().endswith(f" {name}"))
        assert f"\\{name}" in line
        assert any(line.decode().endswith(f" {name}") for line in subscribed)


def test_a_rule_uploaded_by_managesieve_files_a_message(machine, wait_for):
    message_id, text = mail.message(subject=b"For the archive")
    rule = RULE.replace("{subject}", "For the archive").encode()
    with wire.secured(machine, wire.SIEVE) as client:
        assert wire.let_in(client.login(USER, machine.passwords[USER]))
        client.send(f'PUTSCRIPT "molecule" {{{len(rule)}+}}\r\n'.encode() + rule + b"\r\n")
        assert client.hear().startswith("OK")
        assert client.ask('SETACTIVE "molecule"').startswith("OK")
        try:
            mail.deliver(machine, USER, data=text)
            mail.wait_for_message(machine, wait_for, USER, message_id, "Archive")
        finally:
            client.ask('SETACTIVE ""')
            client.ask('DELETESCRIPT "molecule"')


def test_a_rule_with_a_fault_is_refused_at_upload(machine):
    with wire.secured(machine, wire.SIEVE) as client:
        client.login(USER, machine.passwords[USER])
        assert client.ask('PUTSCRIPT "broken" "fileinto nowhere"').startswith("NO")
