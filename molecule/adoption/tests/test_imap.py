# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mail of an old Cyrus, whose users are in PostfixAdmin's table, is copied by adopt_imap, and that of an old Dovecot."""

import base64
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
def pigeon(machine):
    """A user of the old Dovecot."""
    return f"pigeon{machine.release}@d{machine.release}.legacy.test"


@pytest.fixture(scope="module")
def stray(pigeon):
    """Another mailbox of the same person, on the same old server."""
    return pigeon.partition("@")[0]


@pytest.fixture(scope="module")
def owl(machine):
    """Another one, who has mail here already, and not enough room for the rest."""
    return f"owl{machine.release}@d{machine.release}.legacy.test"


@pytest.fixture(scope="module")
def here(machine, old, users, pigeon, owl):
    """The new server with the passwords of its users."""
    declared = [{"email": email, "password": password} for email, password in users.items()]
    password = old.variables["old_dovecot_password"]
    declared += [{"email": pigeon, "password": password}, {"email": owl, "password": password, "quota": "1M"}]
    return dataclasses.replace(machine, variables={**machine.variables, "mail_users": declared})


@pytest.fixture(scope="module")
def declare(here, users, tmp_path_factory):
    domain = next(iter(users)).partition("@")[2]

    def run(mail_users):
        run = run_playbook(here, tmp_path_factory.mktemp("declare"), "users", mail_domains=[{"name": domain}], mail_users=mail_users)
        assert run.code == 0, run.output

    return run


@pytest.fixture(scope="module")
def declared(here, declare):
    declare(here.variables["mail_users"])


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
def dovecot(old):
    """Opens a mailbox of the old Dovecot."""
    password, port = old.variables["old_dovecot_password"], old.variables["old_dovecot_port"]
    return lambda user: mailboxes.connection(old, user, password, port=port)


@pytest.fixture(scope="module")
def nested(old, pigeon, stray, owl, dovecot):
    """Fills the old Dovecot; {user: what the user sees there}"""
    mail_of = {pigeon: mailboxes.PIGEON, owl: mailboxes.OWL, stray: mailboxes.STRAY}
    for number, (user, messages) in enumerate(mail_of.items()):
        directory = f"/srv/mail/{user}/Maildir"
        old.host.check_output(f"install -d -o mail -g mail /srv/mail/{user} {directory} {directory}/cur {directory}/new {directory}/tmp")
        write(old, f"{directory}/dovecot-keywords", f"0 {mailboxes.ODD_KEYWORD}\n".encode())
        # The same for two mailboxes, as it is by chance
        write(old, f"{directory}/dovecot-uidlist", b"3 V1500000000 N1\n")
        with dovecot(user) as client:
            mailboxes.fill(client, messages, first=100 * number)
    for user in (pigeon, owl):
        for name, text in mailboxes.ODD_FILES.items():
            write(old, f"/srv/mail/{user}/Maildir/cur/{name}", text)
    found = {user: expected(dovecot, user) for user in mail_of}
    # A folder that its own server does not open
    old.host.check_output(f"install -d -o mail -g mail /srv/mail/{owl}/Maildir/.~ /srv/mail/{owl}/Maildir/.~/cur")
    return found


def write(machine, file, content):
    encoded = base64.b64encode(content).decode()
    machine.host.check_output("echo %s | base64 -d | install -o mail -g mail -m 600 /dev/stdin %s", encoded, file)


def expected(dovecot, user):
    """What of a mailbox on the old Dovecot is the user's own, without the keyword that no server takes."""
    with dovecot(user) as client:
        found = mailboxes.contents(client)
    return {
        path: [(digest, tuple(flag for flag in flags if flag != mailboxes.ODD_KEYWORD), moment) for digest, flags, moment in messages]
        for path, messages in found.items()
        if not path.startswith("public")
    }


@pytest.fixture(scope="module")
def move(old, adopt):
    """Copies from the old Dovecot."""
    return lambda *arguments, **variables: adopt(*arguments, adopt_imap_port=old.variables["old_dovecot_port"], **variables)


@pytest.fixture(scope="module")
def moves(here, declared, nested, pigeon, owl, move, wait_for):
    """A run in check mode, one, and another, of which each says that not all of one user's mail is copied."""
    mail.wait_for_message(here, wait_for, owl, mail.deliver(here, owl))
    return [move(*arguments, adopt_imap_users=[pigeon, owl]) for arguments in (["--check"], [], [])]


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
        count = len(mailboxes.CYRUS)
        assert f"{user}: {count} of {count} messages" in run.output, run.output


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
    dry_run = adopt("--check", adopt_imap_users=[user])
    assert (dry_run.code, dry_run.changed) == (0, 1), dry_run.output
    with master(user) as client:
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


def test_each_folder_of_a_dovecot_comes_to_its_place(here, nested, pigeon, moves):
    contents, subscriptions, dummy = seen(here, pigeon)
    assert contents == nested[pigeon]
    assert not [path for path in subscriptions if path.startswith("public") or path == "INBOX|below"]
    with mail.imap(here, pigeon, folder=None) as client:
        assert b"public" not in b" ".join(client.list()[1])


def test_a_dry_run_counts_the_mail_of_all_namespaces_and_names_what_it_cannot_read(nested, pigeon, owl, moves):
    count = sum(map(len, nested[pigeon].values()))
    assert f"{pigeon}: {count} of {count} messages" in moves[0].output, moves[0].output
    assert moves[0].code != 0 and f"{owl}: not everything can be copied: INBOX.~: " in moves[0].output, moves[0].output


def test_what_is_refused_is_named_and_holds_up_nothing(here, nested, pigeon, owl, moves):
    big, empty = mailboxes.digest(mailboxes.text(101, mailboxes.OWL[1][2])), mailboxes.digest(b"")
    for run in moves[1:]:
        assert run.code != 0
        assert f"{owl}: not everything can be copied: INBOX UID 2: the server refuses APPEND" in run.output, run.output
        assert "INBOX.~: the server refuses SELECT" in run.output, run.output
    assert f"{pigeon}: 0 of " in moves[2].output, moves[2].output
    contents = seen(here, owl)[0]
    assert contents["Sent"] == nested[owl]["Sent"]
    there = [each for each in contents["INBOX"] if each in nested[owl]["INBOX"]]
    assert len(contents["INBOX"]) == len(there) + 1
    assert {each[0] for each in nested[owl]["INBOX"]} - {each[0] for each in there} == {big, empty}


def test_what_was_refused_is_copied_as_soon_as_it_can_be(here, old, nested, owl, moves, declare, move):
    declare([{"email": owl, "quota": "1G"}])
    old.host.check_output(f"rm -r /srv/mail/{owl}/Maildir/.~")
    runs = [move(adopt_imap_users=[owl]) for dummy in range(2)]
    assert [(run.code, run.changed) for run in runs] == [(0, 1), (0, 0)], runs[0].output + runs[1].output
    contents = seen(here, owl)[0]
    assert len(contents["INBOX"]) == len(nested[owl]["INBOX"]) and contents["Sent"] == nested[owl]["Sent"]


def test_a_user_may_have_mail_in_two_old_mailboxes(here, nested, pigeon, stray, moves, move):
    """Their messages have the same numbers."""
    runs = [move(adopt_imap_users=[pigeon], adopt_imap_login="name") for dummy in range(2)]
    assert [(run.code, run.changed) for run in runs] == [(0, 1), (0, 0)], runs[0].output
    assert seen(here, pigeon)[0] == {**nested[pigeon], "INBOX": sorted(nested[pigeon]["INBOX"] + nested[stray]["INBOX"])}


def test_users_log_in_with_their_old_passwords(here, watched, users):
    for user, password in users.items():
        assert wire.let_in(wire.login(here, wire.IMAPS, user, password))
