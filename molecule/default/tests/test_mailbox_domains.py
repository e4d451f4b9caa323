# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Postfix finds the domains in a copy, and refuses no mail for a new one before the copy has it."""

import time

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


def answer_to_a_user(machine):
    with wire.secured(machine, wire.SUBMISSION) as client:
        client.login("alice@example.test", machine.passwords["alice@example.test"])
        client.ask("MAIL FROM:<alice@example.test>")
        return client.ask(f"RCPT TO:<{nobody()}>")


def test_a_domain_comes_and_goes(machine, wait_for):
    assert is_copied(machine, "example.test")
    execute(machine, INSERT)
    wait_for(lambda: is_copied(machine))
    assert "User unknown" in answer(machine)
    execute(machine, DELETE)
    wait_for(lambda: not is_copied(machine))
    assert "Relay access denied" in answer(machine)


@pytest.mark.usefixtures("deaf", "domain")
@pytest.mark.parametrize("ask", [answer, answer_to_a_user])
def test_mail_for_a_domain_that_is_not_copied_yet_is_put_off(machine, ask):
    assert not is_copied(machine)
    assert ask(machine).startswith("450 4.3.0")


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
