# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""check.yml says in one line each what works and what does not, and its exit code tells."""

import re

import pytest


def report(run):
    """The lines of the report: what they are about, and whether it is well."""
    return {subject: word == "ok" for word, subject in re.findall(r"\b(ok|FAULT) +(\w[^:\n]*): ", run.output)}


def test_a_sound_server_has_no_faults(play):
    run = play("check")
    lines = report(run)
    assert (run.code, run.changed, set(lines.values())) == (0, 0, {True}), run.output[-3000:]
    assert {"service postfix", "port 993 imaps", "lookup alias", "login alice@example.test", "queue"} <= set(lines)


@pytest.fixture
def restart_all(machine):
    yield
    machine.host.check_output("systemctl start postgresql dovecot; systemctl restart postfix")


@pytest.mark.usefixtures("restart_all")
@pytest.mark.parametrize(
    ("stop", "faults"),
    [
        pytest.param(
            "systemctl stop postgresql 'postgresql@*'",
            # The domains are in a copy as well.
            {"service postgresql", "lookup mailbox", "lookup alias", "lookup sender login"},
            id="postgresql",
        ),
        pytest.param("systemctl stop dovecot", {"service dovecot", "port 993 imaps", "login alice@example.test"}, id="dovecot"),
        # Not by systemctl: on Debian 12 that would stop more than the daemon.
        pytest.param("postfix stop", {"service postfix", "port 25 smtp", "port 587 submission"}, id="postfix"),
    ],
)
def test_what_is_down_is_a_fault(machine, play, stop, faults):
    machine.host.check_output(stop)
    run = play("check")
    assert run.code != 0
    assert faults <= {subject for subject, well in report(run).items() if not well}, run.output[-3000:]


def test_only_what_is_served_and_active_is_asked_for(play):
    """Rows that are to be gone or asleep come first here."""
    run = play(
        "check",
        dovecot_protocols=["imap"],
        mail_domains=[{"name": "gone.test", "state": "absent"}, {"name": "dormant.test", "active": False}, {"name": "example.test"}],
        mail_users=[
            {"email": "gone@example.test", "state": "absent"},
            {"email": "asleep@example.test", "active": False},
            {"email": "eve@dormant.test"},
            {"email": "bob@example.test", "password": "never his", "update_password": "on_create"},
        ],
        mail_aliases=[{"source": "gone@example.test", "state": "absent"}, {"source": "info@example.test"}],
    )
    lines = report(run)
    assert (run.code, set(lines.values())) == (0, {True}), run.output[-3000:]
    assert not [subject for subject in lines if "pop3" in subject or "sieve" in subject]
    assert "lookup mailbox: bob@example.test" in run.output
