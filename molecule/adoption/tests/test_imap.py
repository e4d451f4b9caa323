# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mail of an old Cyrus, whose users are in PostfixAdmin's table, is copied by adopt_imap."""

import dataclasses
import threading

import mail
import mailboxes
import pytest
import wire
from leaks import on_standard_input, spilt
from playbook import run_playbook
from processes import ProcessWatch

ACTIVE = ["md5", "sha", "blf", "plain"]
# The copy of this one's mail is interrupted.
MANY = "sha"


@pytest.fixture(scope="module")
def users(machine, old):
    """{address: password} of the users of the domain that this machine adopts."""
    domain = f"d{machine.release}.legacy.test"
    return {f"{user['name']}@{domain}": user["password"] for user in old.variables["old_users"] if user["name"] in ACTIVE}


@pytest.fixture(scope="module")
def variables(old, users):
    return {
        # The home server's accounts have no mail on the old server.
        "adopt_imap_users": list(users),
        "adopt_imap_host": old.hostname,
        "adopt_imap_ca_file": "/etc/ssl/old-ca.pem",
        "adopt_imap_master_user": old.variables["old_master_user"],
        "adopt_imap_master_password": old.variables["old_master_password"],
    }


@pytest.fixture(scope="module")
def adopt(machine, tmp_path_factory, variables):
    return lambda *arguments, **more: run_playbook(
        machine, tmp_path_factory.mktemp("adopt"), "adopt_imap", *arguments, **{**variables, **more}
    )


@pytest.fixture(scope="module")
def master(old):
    """Opens a mailbox of the old server as the administrator."""
    administrator, password = old.variables["old_master_user"], old.variables["old_master_password"]
    return lambda user: mailboxes.connection(old, user, password, master=administrator)


@pytest.fixture(scope="module")
def here(machine, users):
    """The new server with the passwords of its users."""
    declared = [{"email": email, "password": password} for email, password in users.items()]
    return dataclasses.replace(machine, variables={**machine.variables, "mail_users": declared})


@pytest.fixture(scope="module")
def declared(here, users, tmp_path_factory):
    domain = next(iter(users)).partition("@")[2]
    mail_users = here.variables["mail_users"]
    run = run_playbook(here, tmp_path_factory.mktemp("declare"), "users", mail_domains=[{"name": domain}], mail_users=mail_users)
    assert run.code == 0, run.output


@pytest.fixture(scope="module")
def before(old, users, master, declared):
    """{user: what the user sees on the old server}; the old passwords work there."""
    administrator = mailboxes.connection(old, old.variables["old_master_user"], old.variables["old_master_password"])
    found = {}
    for user, password in users.items():
        administrator.create(f'"user/{user}"')
        with master(user) as client:
            mailboxes.fill(client, extra=700 if user.startswith(MANY) else 0)
        with mailboxes.connection(old, user, password) as client:
            found[user] = {
                "contents": mailboxes.contents(client),
                "subscriptions": mailboxes.subscriptions(client),
                "uids": mailboxes.uids(client),
            }
    return found


@pytest.fixture(scope="module")
def stored(machine, users):
    """All files of the users' messages, and what runs remember of the old server."""
    domain = next(iter(users)).partition("@")[2]
    return lambda: machine.run(f"find /var/mail/vhosts/{domain} -path '*/Maildir/*' -type f; ls /var/lib/mailserver/adoption").stdout


@pytest.fixture(scope="module")
def dry_run(before, stored, adopt):
    already = stored()
    run = adopt("--check", "--diff")
    return run, already == stored()


@pytest.fixture(scope="module")
def interrupted(machine, users, dry_run, adopt):
    """A run in which the copy of one user's mail is killed in its middle."""
    user = next(user for user in users if user.startswith(MANY))
    runs = []
    thread = threading.Thread(target=lambda: runs.append(adopt()))
    thread.start()
    name, dummy, domain = user.partition("@")
    machine.host.check_output(
        f"timeout 60 sh -c 'while ! [ $(ls /var/mail/vhosts/{domain}/{name}/Maildir/cur /var/mail/vhosts/{domain}/{name}/Maildir/new 2>/dev/null"
        f" | wc -l) -gt 100 ]; do sleep 0.05; done' && kill -9 $(pgrep -f '[d]oveadm -c .* -u {user}')"
    )
    thread.join()
    return runs[0]


@pytest.fixture(scope="module")
def arrived(here, users, interrupted, wait_for):
    """{user: ID of a message that the new server has got between two runs}"""
    found = {user: mail.deliver(here, user) for user in users}
    for user, message_id in found.items():
        mail.wait_for_message(here, wait_for, user, message_id)
    return found


@pytest.fixture(scope="module")
def watched(machine, arrived, adopt):
    """The run after the interruption, and the command lines seen meanwhile."""
    with ProcessWatch(machine) as watch:
        run = adopt("-vvv", "--diff")
    assert run.code == 0, run.output[-3000:]
    return run, watch.command_lines


@pytest.fixture(scope="module")
def second_run(watched, adopt):
    return adopt()


def seen(here, user):
    with mail.imap(here, user, folder=None) as client:
        return mailboxes.contents(client), mailboxes.subscriptions(client), mailboxes.uids(client)


def test_a_dry_run_says_what_it_would_copy_and_changes_nothing(dry_run, before):
    run, is_unchanged = dry_run
    assert run.code == 0, run.output
    assert is_unchanged
    for user, mailbox in before.items():
        count = sum(map(len, mailbox["contents"].values()))
        assert f"{user}: {count} of {count} messages" in run.output


def test_an_interrupted_copy_is_named_and_does_not_stop_the_others(interrupted, users):
    run = interrupted
    many = next(user for user in users if user.startswith(MANY))
    assert run.code != 0
    assert "Run it again" in run.output and run.output.count(f"{many}: Dovecot could not copy all mail") >= 1
    for user in users.keys() - {many}:
        assert f"{user}: 11 of 11 messages" in run.output, run.output


def test_every_message_is_there_once_as_it_was(here, watched, before, arrived, users):
    for user in users:
        contents, dummy, dummy = seen(here, user)
        with mail.imap(here, user) as client:
            assert len(mail.find(client, arrived[user])) == 1, "what came between the runs is gone"
        for folder, found in contents.items():
            there = set(before[user]["contents"].get(folder, []))
            more = [each for each in found if each not in there]
            assert len(more) == (folder == "INBOX"), f"{user} has more in {folder}"
        gone = {folder: set(found) - set(contents.get(folder, [])) for folder, found in before[user]["contents"].items()}
        assert not any(gone.values()), gone
        assert sum(map(len, contents.values())) == sum(map(len, before[user]["contents"].values())) + 1


def test_subscriptions_are_kept(here, watched, before, users):
    for user in users:
        dummy, subscribed, dummy = seen(here, user)
        assert before[user]["subscriptions"] - {"INBOX"} <= subscribed
        assert "lists|debian" not in subscribed


def test_uids_are_kept(here, watched, before, users):
    # The one who had no mail here before
    user = next(user for user in users if user.startswith("plain"))
    dummy, dummy, (validity, uids) = seen(here, user)
    assert (validity, uids[:-1]) == before[user]["uids"]


def test_a_second_run_changes_nothing(here, watched, second_run, before, users):
    assert (second_run.code, second_run.changed) == (0, 0), second_run.output
    for user in users:
        contents, dummy, dummy = seen(here, user)
        assert sum(map(len, contents.values())) == sum(map(len, before[user]["contents"].values())) + 1


def test_later_runs_bring_what_has_happened_since(here, master, second_run, before, users, adopt):
    """On the old server mail comes and flags change; here the user deletes the newest message and moves one."""
    user = next(user for user in users if user.startswith("blf"))
    with mail.imap(here, user) as client:
        numbers = client.uid("SEARCH", "ALL")[1][0].decode().split()
        client.uid("STORE", numbers[0], "+FLAGS", r"(\Answered)")
        client.uid("MOVE", numbers[1], "Trash")
        client.select("Sent")
        client.store("2", "+FLAGS", r"(\Deleted)")
        client.expunge()
    expected = dict(seen(here, user)[0])
    with master(user) as client:
        client.select("INBOX")
        client.uid("STORE", "1", "+FLAGS", r"(\Seen)")
        client.uid("STORE", "3", "-FLAGS", r"(\Flagged)")
        mailboxes.append(client, "INBOX", r"\Flagged", 900, b"late")
        client.create('"INBOX/new"')
        mailboxes.append(client, "INBOX/new", "", 901, b"in a new folder")
    runs = [adopt(adopt_imap_users=[user]) for dummy in range(2)]
    assert [(run.code, run.changed) for run in runs] == [(0, 1), (0, 0)], runs[0].output
    contents = seen(here, user)[0]
    assert contents["Sent"] == expected["Sent"] and contents["Trash"] == expected["Trash"]
    assert len(contents["INBOX"]) == len(expected["INBOX"]) + 1 and len(contents["new"]) == 1
    with mail.imap(here, user) as client:
        flags = [line.decode() for line in client.uid("FETCH", f"{numbers[0]},{numbers[2]}", "(FLAGS)")[1]]
    assert r"\Seen" in flags[0] and r"\Answered" in flags[0] and r"\Flagged" not in flags[1], flags


def test_the_old_server_is_only_read(old, users, before, second_run):
    user = next(user for user in users if user.startswith("md5"))
    with mailboxes.connection(old, user, users[user]) as client:
        assert mailboxes.contents(client) == before[user]["contents"]


def test_a_certificate_that_is_not_trusted_is_refused(watched, adopt, users):
    run = adopt(adopt_imap_ca_file="/etc/ssl/mailserver/ca.pem", adopt_imap_users=[next(iter(users))])
    assert run.code != 0 and "is not trusted" in run.output


def test_faults_name_the_user(watched, adopt, users):
    user = next(iter(users))
    run = adopt(adopt_imap_users=[user, f"nobody@{user.partition('@')[2]}"])
    assert run.code != 0 and "Dovecot gives no access to the mail of nobody@" in run.output
    assert f"{user}: 0 of" in run.output, "the fault of one has stopped the other"
    run = adopt(adopt_imap_users=[user], adopt_imap_master_password="wrong")
    assert run.code != 0 and f"does not let cyrus in as {user}" in run.output
    run = adopt(adopt_imap_hosts="old.example.test")
    assert run.code != 0 and "Unknown variable adopt_imap_hosts" in run.output


def test_the_password_of_the_master_is_nowhere(machine, variables, watched):
    run, command_lines = watched
    secret = variables["adopt_imap_master_password"]
    assert spilt([secret, secret.partition(" ")[0]], run.output + "\n".join(command_lines)) == []
    search = on_standard_input([secret])
    assert machine.run(f"journalctl --sync; journalctl --no-pager --all | grep -cF -f <({search})").stdout.strip() == "0"
    assert machine.run(f"{search} | grep -rlF -f - /var/log /tmp /etc /var/lib/mailserver").stdout == ""


def test_users_log_in_with_their_old_passwords(here, watched, users):
    for user, password in users.items():
        assert wire.let_in(wire.login(here, wire.IMAPS, user, password))
