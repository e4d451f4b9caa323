# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The accounts of a home server become users, and their mail is copied, by adopt_accounts."""

import dataclasses
import hashlib

import home_mail
import mail
import mailboxes
import pytest
import wire
from leaks import spilt
from playbook import run_playbook

DOMAIN = "home.test"


@pytest.fixture(scope="module")
def home(machine):
    """The machine with the passwords of its accounts."""
    accounts = machine.variables["home_accounts"]
    users = [{"email": f"{each['name']}@{DOMAIN}", "password": each["password"]} for each in accounts if "password" in each]
    return dataclasses.replace(machine, variables={**machine.variables, "mail_users": users})


@pytest.fixture(scope="module")
def adopt(machine, tmp_path_factory):
    def run(mail_format, *arguments):
        names = {"maildir": [*home_mail.MAILDIR, "nora", "robot$"], "mbox": home_mail.MBOX}[mail_format]
        return run_playbook(
            machine,
            tmp_path_factory.mktemp("adopt"),
            "adopt_accounts",
            *arguments,
            adopt_accounts_domain=DOMAIN,
            adopt_accounts_names=names,
            adopt_accounts_format=mail_format,
            adopt_accounts_aliases_file="/etc/aliases.old",
        )

    return run


@pytest.fixture(scope="module")
def originals(machine):
    """A fingerprint of all old files."""
    return lambda: machine.host.check_output(
        "cd / && find home/*/Maildir home/*/mail var/mail/max -exec stat -c '%n %s %Y %U %a' {} + | sort | sha256sum"
    )


@pytest.fixture(scope="module")
def dry_run(machine, originals, adopt):
    before = originals()
    return before, [adopt(mail_format, "--check", "--diff") for mail_format in ("maildir", "mbox")]


@pytest.fixture(scope="module")
def first_run(dry_run, adopt):
    runs = [adopt(mail_format, "-vvv", "--diff") for mail_format in ("maildir", "mbox")]
    assert [run.code for run in runs] == [0, 0], runs[0].output[-3000:] + runs[1].output[-3000:]
    return runs


def expected(mail_format):
    found = {}
    for number, (folder, flags, when, body) in enumerate(home_mail.MESSAGES):
        text = home_mail.text(number, body).replace(b"\n", b"\r\n")
        path = folder.replace(".", "|")
        if mail_format == "mbox":
            path = path.replace(f"{home_mail.REPORTS}|", "&xcW7NA- &- &vPSs4A-_d|")
        found.setdefault(path, []).append((hashlib.sha256(text).hexdigest(), tuple(sorted(flags)), float(when)))
    return {path: sorted(messages) for path, messages in found.items()}


def contents(home, name):
    with mail.imap(home, f"{name}@{DOMAIN}", folder=None) as client:
        return mailboxes.contents(client)


def test_a_dry_run_prints_the_plan_and_changes_nothing(machine, dry_run):
    before, (maildir, mbox) = dry_run
    assert (maildir.code, mbox.code) == (0, 0), maildir.output + mbox.output
    assert f"mia@{DOMAIN}" in "\n".join(maildir.diff) and f"max@{DOMAIN}" in "\n".join(mbox.diff)
    assert "1/2 mia: 8 of 8 messages" in maildir.output and "1/1 max: 8 of 8 messages" in mbox.output


@pytest.mark.parametrize(("mail_format", "names"), [("maildir", ["mia", "yan"]), ("mbox", ["max"])])
def test_every_message_is_there_as_it_was(home, first_run, mail_format, names):
    for name in names:
        assert contents(home, name) == expected(mail_format)


def test_a_second_run_changes_nothing(home, first_run, adopt):
    runs = [adopt(mail_format) for mail_format in ("maildir", "mbox")]
    assert [(run.code, run.changed) for run in runs] == [(0, 0), (0, 0)], runs[0].output
    assert contents(home, "max") == expected("mbox")


def test_the_old_files_are_as_they_were(dry_run, first_run, originals):
    assert originals() == dry_run[0]


def test_users_log_in_with_their_old_passwords(home, first_run):
    for name in ("mia", "max", "yan"):
        user = f"{name}@{DOMAIN}"
        assert wire.let_in(wire.login(home, wire.IMAPS, user, home.passwords[user])), f"{user} is not let in"
    assert not wire.let_in(wire.login(home, wire.IMAPS, f"lea@{DOMAIN}", home.passwords[f"lea@{DOMAIN}"]))


def test_aliases_lead_to_the_users(home, first_run, wait_for):
    message_id = mail.deliver(home, f"postmaster@{DOMAIN}")
    mail.wait_for_message(home, wait_for, f"mia@{DOMAIN}", message_id)
    assert wire.rcpt(home, f"old-archive@{DOMAIN}").startswith("550")


def test_what_is_left_out_is_said(first_run):
    for text in (
        "account nora: it has no password",
        "account robot$: ",
        "alias old-archive: it leads to archive, which is left out",
        "Inactive, so not copied: lea",
    ):
        assert text in first_run[0].output


def test_hashes_are_not_shown(machine, first_run):
    hashes = machine.host.check_output("cut -d: -f2 /etc/shadow | grep '\\$'").split()
    assert spilt(hashes, "".join(run.output for run in first_run)) == []
    assert machine.run("ls /run /tmp | grep adopt-").stdout == ""
