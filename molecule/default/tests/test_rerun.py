# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run changes what was asked for and nothing else, gently; what the daemons would refuse never reaches them."""

import mail
import pytest
import wire

PROCESSES = "cat /var/spool/postfix/pid/master.pid /run/dovecot/master.pid"
FILES = "find /etc/postfix /etc/dovecot -type f -exec sha256sum {} + | sort"


def works(machine):
    """Mail comes in, and its reader too."""
    user = "alice@example.test"
    return wire.rcpt(machine, user).startswith("250") and wire.let_in(
        wire.login(machine, wire.IMAPS, user, machine.passwords[user])
    )


def test_a_second_run_changes_nothing(second_run):
    run, dummy = second_run
    assert (run.code, run.changed) == (0, 0), run.output[-3000:]


def test_the_dns_records_to_publish_are_said(machine, second_run):
    run, dummy = second_run
    for record in (
        f"{machine.hostname}. needs an A record with its public address",
        f"example.test. 3600 IN MX 10 {machine.hostname}.",
        'example.test. 3600 IN TXT "v=spf1 mx -all"',
        '_dmarc.example.test. 3600 IN TXT "v=DMARC1; p=quarantine',
    ):
        assert record in run.output.replace("\\", ""), record


def test_a_check_of_a_finished_host_shows_nothing(play):
    run = play("site", "--check", "--diff")
    assert (run.code, run.changed, run.diff) == (0, 0, []), run.output[-3000:]


def test_one_changed_variable_is_one_changed_line_and_a_reload(machine, play):
    before = machine.host.check_output(PROCESSES)
    change = {"postfix_message_size_limit": 33_333_333, "dovecot_default_quota": "33M"}
    with mail.imap(machine, "alice@example.test") as session:
        run = play("site", "--diff", "--tags", "postfix,dovecot", **change)
        try:
            assert run.code == 0, run.output[-3000:]
            assert [line[0] for line in run.diff] == ["-", "+", "-", "+"], run.diff
            assert "33333333" in run.diff[1]
            assert run.diff[3].endswith(("33M", str(33 * 1024 * 1024)))
            with wire.Wire(machine, wire.SMTP) as client:
                assert "SIZE 33333333" in client.ask("EHLO client.test")
            with mail.imap(machine, "alice@example.test") as client:
                assert f" {33 * 1024})" in str(client.getquotaroot("INBOX"))
            assert session.noop()[0] == "OK", "the reload ended an open session"
            assert machine.host.check_output(PROCESSES) == before, "restarted, not reloaded"
        finally:
            restored = play("site", "--tags", "postfix,dovecot")
    assert (restored.code, restored.changed > 0) == (0, True), restored.output[-3000:]


def test_a_run_starts_what_has_stopped(machine, play):
    # Not by systemctl: on Debian 12 that would stop more than the daemon.
    machine.host.check_output("postfix stop; systemctl stop dovecot")
    run = play("site", "--tags", "postfix,dovecot")
    assert run.code == 0, run.output[-3000:]
    assert works(machine)


@pytest.mark.parametrize(
    ("role", "variables"),
    [
        pytest.param("dovecot", {"dovecot_extra_conf": "no_such_setting = 1"}, id="dovecot"),
        pytest.param("postfix", {"postfix_master_cf_extra": "broken inet n"}, id="postfix"),
        pytest.param("postfix", {"postfix_postscreen_dnsbl_sites": ["list.example.org*heavy"]}, id="postscreen"),
    ],
)
def test_what_a_daemon_refuses_never_reaches_it(machine, play, role, variables):
    before = machine.host.check_output(FILES)
    run = play("site", "--tags", role, **variables)
    assert run.code != 0
    assert machine.host.check_output(FILES) == before
    assert works(machine)


@pytest.mark.parametrize(
    ("role", "variable"),
    [
        ("always", "mail_hostnme"),
        ("mailhost", "mailhost_firewal"),
        ("postgres_mail", "postgres_mail_settngs"),
        ("certbot", "certbot_challange"),
        ("postfix", "postfix_hostnme"),
        ("dovecot", "dovecot_extra_config"),
    ],
)
def test_a_misspelt_variable_is_an_error_that_names_it(play, role, variable):
    run = play("site", "--check", "--tags", role, **{variable: "x"})
    assert run.code != 0
    assert variable in run.output
