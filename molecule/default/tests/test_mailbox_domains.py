# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Postfix finds the domains in a copy, and refuses no mail for a new one before the copy has it."""

import time

import mail
import pytest
import wire

DOMAIN = "added.test"
COPY = "lmdb:/var/lib/postfix/mailbox_domains"
INSERT = f"INSERT INTO virtual_domains (name) VALUES ('{DOMAIN}')"
DELETE = f"DELETE FROM virtual_domains WHERE name = '{DOMAIN}'"


def execute(machine, statement):
    machine.host.check_output("runuser -u postgres -- psql -qAt mailserver -c %s", statement)


def is_copied(machine, domain=DOMAIN):
    return machine.host.run(f"postmap -q {domain} {COPY}").rc == 0


@pytest.fixture
def domain(machine):
    """A domain without users, added behind the playbooks' back."""
    execute(machine, INSERT)
    yield DOMAIN
    execute(machine, DELETE)


@pytest.fixture
def deaf(machine):
    """Nobody tells Postfix what changes."""
    machine.host.check_output("systemctl stop mail-directory-watch")
    yield
    machine.host.check_output("systemctl start mail-directory-watch")


def nobody(domain=DOMAIN):
    """An address that no SMTP server process has been asked for before: it would remember whose domain that was."""
    return f"nobody{time.monotonic_ns()}@{domain}"


def answer(machine, domain=DOMAIN):
    """ "User unknown" for a domain of ours without users, "Relay access denied" for any other."""
    return wire.rcpt(machine, nobody(domain))


def test_a_domain_comes_and_goes(machine, wait_for):
    assert is_copied(machine, "example.test")
    execute(machine, INSERT)
    wait_for(lambda: is_copied(machine))
    assert "User unknown" in answer(machine)
    execute(machine, DELETE)
    wait_for(lambda: not is_copied(machine))
    assert "Relay access denied" in answer(machine)


@pytest.mark.usefixtures("deaf", "domain")
def test_mail_for_a_domain_that_is_not_copied_yet_is_put_off(machine):
    assert not is_copied(machine)
    assert answer(machine).startswith("450 4.3.0")


@pytest.mark.usefixtures("deaf", "domain")
def test_what_is_accepted_is_delivered_before_the_domain_is_copied(machine, wait_for):
    """An alias leads there: the domain's only user is moved in behind the watcher's back."""
    user, alias = f"late@{DOMAIN}", "to-late@example.test"
    id_of = "SELECT id FROM virtual_domains WHERE name = '{}'".format
    users = f"INSERT INTO virtual_users (domain_id, email, password) VALUES (({id_of(DOMAIN)}), '{user}', '{{PLAIN}}x')"
    aliases = f"INSERT INTO virtual_aliases (domain_id, source, destination) VALUES (({id_of('example.test')}), '{alias}', '{user}')"
    execute(machine, f"{users}; {aliases}")
    try:
        message_id = mail.deliver(machine, alias)
        assert not is_copied(machine)
        wait_for(lambda: machine.run(f"grep -rqF '{message_id}' /var/mail/vhosts/{DOMAIN}/late").rc == 0)
    finally:
        execute(machine, f"DELETE FROM virtual_aliases WHERE source = '{alias}'")


@pytest.mark.usefixtures("deaf", "domain")
def test_what_lies_below_a_new_domain_is_not_ours(machine):
    assert "Relay access denied" in answer(machine, f"sub.{DOMAIN}")


def test_what_went_unheard_is_copied_later(machine, wait_for, request):
    request.getfixturevalue("deaf")
    request.getfixturevalue("domain")
    assert not is_copied(machine)
    machine.host.check_output("systemctl start mail-directory-watch")
    wait_for(lambda: is_copied(machine))


def test_a_stranger_may_not_use_our_domain(machine):
    """Whom we do not know can't be the sender; the check is asked for in the copy."""
    assert wire.code_of(wire.rcpt(machine, "alice@example.test", sender="nobody@example.test")) == 550
