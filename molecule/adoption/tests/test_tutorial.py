# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A mail server that was set up by a tutorial is taken over in place, with its rows and its mail."""

import dataclasses

import mail
import mailboxes
import pytest
import wire
from playbook import run_playbook

DATABASE = "runuser -u postgres -- pg_dump mailserver | grep -v restrict"
STORE = "cd /var/mail/vhosts && find . -type f ! -name 'dovecot*' | sort"
ROWS = """runuser -u postgres -- psql -qAt mailserver -c "
    SELECT count(*) FROM virtual_{0}" """
FOLDERS = dict.fromkeys(folder for folder, dummy, dummy in mailboxes.MESSAGES if folder != "INBOX")


@pytest.fixture(scope="module")
def tutorial(neighbour, machine):
    """The tutorial's server of the same release, with the passwords of its users."""
    there = neighbour(f"tutorial-d{machine.release}")
    return dataclasses.replace(there, variables={**there.variables, "mail_users": there.variables["tutorial_users"]})


def session(machine, user):
    return mailboxes.connection(machine, user, machine.passwords[user])


def look(machine):
    """All mail of all users, message by message, and how its messages are numbered."""
    found = {}
    for user in machine.passwords:
        with session(machine, user) as client:
            found[user] = mailboxes.contents(client), mailboxes.all_uids(client)
    return found


def subscriptions(machine):
    return {(user, name) for user in machine.passwords for name in mailboxes.subscriptions(session(machine, user))}


@pytest.fixture(scope="module")
def before(tutorial):
    for user in tutorial.passwords:
        with session(tutorial, user) as client:
            for folder in FOLDERS:
                client.create(f'"{inside(folder)}"')
                client.subscribe(f'"{inside(folder)}"')
            for number, (folder, flags, body) in enumerate(mailboxes.MESSAGES):
                mailboxes.append(client, inside(folder), flags, number, body)
    return look(tutorial), subscriptions(tutorial)


def inside(folder):
    """The name of a folder in a Maildir."""
    return folder.removeprefix("INBOX/").replace("/", ".")


@pytest.fixture(scope="module")
def adopt(tutorial, tmp_path_factory):
    return lambda *arguments: run_playbook(
        tutorial, tmp_path_factory.mktemp("adopt"), "adopt_tutorial", *arguments, target="tutorial"
    )


@pytest.fixture(scope="module")
def dry_run(tutorial, before, adopt):
    there = tutorial.host.check_output(DATABASE), tutorial.host.check_output(STORE)
    run = adopt("--check", "--diff")
    return run, there == (tutorial.host.check_output(DATABASE), tutorial.host.check_output(STORE)), look(tutorial)


@pytest.fixture(scope="module")
def adopted(tutorial, dry_run, adopt):
    run = adopt()
    assert run.code == 0, run.output[-3000:]
    return run


def test_a_dry_run_prints_the_plan_and_changes_nothing(dry_run, before):
    run, is_unchanged, after = dry_run
    assert run.code == 0, run.output[-3000:]
    for line in (
        "set aside from virtual_domains, id 1: tutorial.test is there as id 2",
        "set aside from virtual_users, id 4: alice@tutorial.test is there as id 1",
        "set aside from virtual_users, id 5: the domain of old@gone.test is not in virtual_domains",
        "set aside from virtual_aliases, id 3: help@tutorial.test to bob@tutorial.test is there as id 2",
        "lists of destinations become a row for each: info@tutorial.test",
        "passwords get a scheme in front: alice@tutorial.test, bob@tutorial.test",
        "no login without a new password, as the stored one is no hash: dave@tutorial.test",
        "taken over: 1 domains, 4 users, 3 destinations of aliases",
    ):
        assert line in " ".join(run.output.split()), line
    assert is_unchanged and after == before[0]


def test_all_mail_is_there_as_it_was(tutorial, before, adopted):
    assert look(tutorial) == before[0]
    assert subscriptions(tutorial) >= before[1]


def test_no_row_is_lost(tutorial, adopted):
    count = {table: int(tutorial.host.check_output(ROWS.format(table))) for table in ("domains", "users", "aliases")}
    assert count == {"domains": 1, "users": 4, "aliases": 3}
    aside = "SELECT table_name || row_id FROM mail_internal.set_aside ORDER BY 1"
    found = tutorial.host.check_output(f'runuser -u postgres -- psql -qAt mailserver -c "{aside}"').split()
    assert found == ["virtual_aliases3", "virtual_domains1", "virtual_users4", "virtual_users5"]


def test_users_log_in_and_get_mail(tutorial, adopted, wait_for):
    for user, password in tutorial.passwords.items():
        for service in wire.LOGIN:
            assert wire.let_in(wire.login(tutorial, service, user, password)), f"{user}, {service}"
    message_id = mail.deliver(tutorial, "info@tutorial.test")
    for user in ("alice@tutorial.test", "bob@tutorial.test"):
        mail.wait_for_message(tutorial, wait_for, user, message_id)


def test_a_second_run_changes_nothing(adopted, adopt):
    run = adopt()
    assert (run.code, run.changed) == (0, 0), run.output[-3000:]
