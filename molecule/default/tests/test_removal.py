# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user is removed: the mail is put away at once, and whoever gets the address next sees none of it."""

import dataclasses

import mail
import pytest
import wire

DOMAIN = "example.test"
NAME = "leaver"
USER = f"{NAME}@{DOMAIN}"
LEAVER = {"email": USER, "password": "Lighthouse-leaver-82"}
LEAVING_DOMAIN = "leaving.test"
LEAVER_OF_DOMAIN = {"email": f"{NAME}@{LEAVING_DOMAIN}", "password": "Lighthouse-leaver-83"}
STORE = "/var/mail/vhosts"
ARCHIVE = "/var/mail/archive"


@pytest.fixture
def declare(play):
    """Run the users playbook, which must succeed."""

    def run(**declared):
        done = play("users", **declared)
        assert done.code == 0, done.output

    return run


@pytest.fixture
def remove(declare):
    return lambda: declare(mail_users=[{"email": USER, "state": "absent"}])


@pytest.fixture
def inhabited(machine, declare, remove):
    """The machine with one user more, whom it does not have afterwards."""
    declare(mail_users=[LEAVER])
    yield dataclasses.replace(machine, variables={**machine.variables, "mail_users": [LEAVER, LEAVER_OF_DOMAIN]})
    remove()


@pytest.fixture
def old_mail(inhabited, wait_for):
    """A message that the user has."""
    return arrived(inhabited, wait_for, USER)


def arrived(machine, wait_for, user):
    """A message that the user has got; whoever has just been given an old address may have to wait a moment."""
    wait_for(lambda: wire.code_of(wire.rcpt(machine, user)) == 250)
    message_id = mail.deliver(machine, user)
    mail.wait_for_message(machine, wait_for, user, message_id)
    return message_id


def archived_home(machine, message_id, domain=DOMAIN):
    """The home in the archive that has the message, if there is one."""
    files = machine.run(f"grep -rlF %s {ARCHIVE}/{domain}", message_id).stdout.split()
    homes = {"/".join(file.split("/")[:6]) for file in files}
    assert len(homes) < 2, homes
    return homes.pop() if homes else ""


def test_the_mail_of_a_removed_user_is_archived(inhabited, wait_for, remove, old_mail):
    remove()
    wait_for(lambda: not inhabited.host.file(f"{STORE}/{DOMAIN}/{NAME}").exists, message="the home is still there")
    home = wait_for(lambda: archived_home(inhabited, old_mail), message="the mail is not in the archive")
    assert home.startswith(f"{ARCHIVE}/{DOMAIN}/{NAME}.20")
    assert inhabited.host.file(home).user == "vmail"
    assert not wire.let_in(wire.login(inhabited, wire.IMAPS, USER, LEAVER["password"]))
    assert wire.rcpt(inhabited, USER).startswith("550")


def test_archived_mail_can_be_given_to_somebody_else(machine, inhabited, wait_for, remove, old_mail):
    remove()
    home = wait_for(lambda: archived_home(inhabited, old_mail), message="the mail is not in the archive")
    heir = "bob@example.test"
    machine.host.check_output(f"doveadm import -u {heir} maildir:{home}/Maildir {NAME} all")
    try:
        assert mail.count(machine, heir, old_mail, f"{NAME}.INBOX") == 1
    finally:
        machine.run(f"doveadm mailbox delete -u {heir} -r {NAME}")


def test_a_new_user_sees_nothing_of_the_old_one(inhabited, wait_for, declare, remove, old_mail):
    remove()
    declare(mail_users=[LEAVER])
    new_mail = arrived(inhabited, wait_for, USER)
    with mail.imap(inhabited, USER) as client:
        assert not mail.find(client, old_mail)
        assert len(mail.find(client, new_mail)) == 1
        assert client.uid("SEARCH", "ALL")[1][0].split() == mail.find(client, new_mail)
    wait_for(lambda: archived_home(inhabited, old_mail), message="the mail is not in the archive")


def test_an_open_session_ends(inhabited, wait_for, remove, old_mail):
    with wire.secured(inhabited, wire.IMAPS) as session:
        assert wire.let_in(session.login(USER, LEAVER["password"]))
        assert "a OK" in session.ask("a SELECT INBOX")
        remove()
        answer = session.hear()  # until the server hangs up
        assert "a OK" not in answer, answer
    wait_for(lambda: archived_home(inhabited, old_mail), message="the mail is not in the archive")


def test_a_removed_domain_takes_its_mail_along(inhabited, wait_for, declare):
    declare(mail_domains=[{"name": LEAVING_DOMAIN}], mail_users=[LEAVER_OF_DOMAIN])
    old_mail = arrived(inhabited, wait_for, LEAVER_OF_DOMAIN["email"])
    declare(
        mail_domains=[{"name": LEAVING_DOMAIN, "state": "absent"}],
        mail_users=[{"email": LEAVER_OF_DOMAIN["email"], "state": "absent"}],
    )
    wait_for(lambda: not inhabited.host.file(f"{STORE}/{LEAVING_DOMAIN}").exists, message="the domain is still there")
    assert wait_for(lambda: archived_home(inhabited, old_mail, LEAVING_DOMAIN), message="the mail is not in the archive")


def test_a_host_that_does_not_hear_of_it_keeps_everybody_out(inhabited, wait_for, declare, remove, old_mail):
    """Nobody is told anything final either: mail and logins wait."""
    inhabited.host.check_output("systemctl stop mail-directory-watch")
    try:
        remove()
        inhabited.host.check_output("doveadm auth cache flush && doveadm auth cache flush -a /run/dovecot/users-master")
        declare(mail_users=[LEAVER])
        answer = wire.login(inhabited, wire.IMAPS, USER, LEAVER["password"])
        assert "[UNAVAILABLE]" in answer, answer
        assert wire.rcpt(inhabited, USER).startswith("4")
    finally:
        inhabited.host.check_output("systemctl start mail-directory-watch")
    new_mail = arrived(inhabited, wait_for, USER)
    with mail.imap(inhabited, USER) as client:
        assert not mail.find(client, old_mail) and mail.find(client, new_mail)
