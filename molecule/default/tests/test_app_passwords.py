# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A password for each device: it opens what it is for, until it is revoked, and no log tells of it or of any other password."""

import contextlib
import hashlib
import time
import uuid

import mail
import outage
import pytest
import wire

USER = "judy@example.test"
OTHER = "alice@example.test"
SERVICES = (wire.IMAPS, wire.POP3S, wire.SUBMISSION, wire.SIEVE)
DATABASE_LOG = "/var/log/postgresql/postgresql-*-main.log"


@pytest.fixture
def phone(machine):
    """For IMAP and submission."""
    return machine.app_passwords[USER, "phone"]


@pytest.fixture
def laptop(machine):
    """For all that programs speak."""
    return machine.app_passwords[USER, "laptop"]


def opens(machine, password, services=SERVICES, user=USER):
    """The names of the services that the password opens."""
    return [service.name for service in services if wire.let_in(wire.login(machine, service, user, password))]


def sql(machine, statement):
    return machine.host.check_output("runuser -u postgres -- psql -qAt mailserver -c %s", statement)


def test_each_opens_what_it_is_for(machine, phone, laptop):
    assert opens(machine, phone, wire.LOGIN) == ["submission", "submissions", "imap", "imaps"]
    assert opens(machine, laptop, wire.LOGIN) == [service.name for service in wire.LOGIN]
    assert opens(machine, machine.passwords[USER], wire.LOGIN) == [], "the password is for webmail only"


def test_nobody_else_gets_in_with_it(machine, phone):
    assert opens(machine, phone, user=OTHER) == []
    assert opens(machine, f"{phone}0") == opens(machine, phone[:-1]) == opens(machine, "app-" + "0" * 20) == []


def test_mail_is_sent_with_it(machine, phone):
    with mail.smtp(machine, wire.SUBMISSION) as client:
        client.login(USER, phone)
        assert client.sendmail(USER, [OTHER], mail.message()[1]) == {}


@pytest.fixture
def tablet(machine, play):
    """One more, which Dovecot remembers for every service."""
    secret = f"app-{uuid.uuid4()}"
    run = play("users", mail_users=[{"email": USER, "app_passwords": [{"name": "tablet", "password": secret}]}])
    assert run.code == 0 and secret not in run.output, run.output
    time.sleep(1)
    assert opens(machine, secret) == [service.name for service in SERVICES]
    yield secret
    sql(machine, "DELETE FROM virtual_app_passwords WHERE name = 'tablet'")


def revoke_by_the_playbook(machine, play):
    run = play("users", mail_users=[{"email": USER, "app_passwords": [{"name": "tablet", "state": "absent"}]}])
    assert (run.code, run.changed) == (0, 1), run.output


def revoke_in_the_database(machine, play):
    sql(machine, "DELETE FROM virtual_app_passwords WHERE name = 'tablet'")


@pytest.mark.parametrize("revoke", [revoke_by_the_playbook, revoke_in_the_database])
def test_a_revoked_one_lets_nobody_in_and_the_others_still_do(machine, play, tablet, laptop, revoke):
    revoke(machine, play)
    time.sleep(1)
    assert opens(machine, tablet) == []
    assert opens(machine, laptop) == [service.name for service in SERVICES]


def test_the_protocols_of_one_that_is_remembered_change(machine, tablet):
    sql(machine, "UPDATE virtual_app_passwords SET protocols = 'pop3' WHERE name = 'tablet'")
    time.sleep(1)
    assert opens(machine, tablet) == ["pop3s"]


def test_a_password_that_is_remembered_is_limited(machine):
    password = machine.passwords[OTHER]
    assert opens(machine, password, user=OTHER) == [service.name for service in SERVICES]
    try:
        sql(machine, f"UPDATE virtual_users SET password_protocols = 'imap sieve web' WHERE email = '{OTHER}'")
        time.sleep(1)
        assert opens(machine, password, user=OTHER) == ["imaps", "sieve"]
    finally:
        sql(machine, f"UPDATE virtual_users SET password_protocols = NULL WHERE email = '{OTHER}'")


def test_an_outage_of_the_database(machine, database, wait_for, phone, laptop):
    """The phone was here before, to read mail, and may send some; the laptop is put off, and not refused."""
    machine.host.check_output("doveadm auth cache flush")
    assert opens(machine, phone, [wire.IMAPS]) == ["imaps"]
    with outage.database_afterwards(machine, database):
        database.host.check_output(outage.STOP)
        assert opens(machine, phone) == ["imaps", "submission"]
        assert "[UNAVAILABLE]" in wire.login(machine, wire.IMAPS, USER, laptop)
    wait_for(lambda: opens(machine, laptop) == [service.name for service in SERVICES])


@pytest.fixture
def logged(machine):
    """PostgreSQL logs all statements; the log as it has grown since."""
    sql(machine, "ALTER SYSTEM SET log_statement = 'all'")
    sql(machine, "SELECT pg_reload_conf()")
    with contextlib.ExitStack() as stack:
        stack.callback(sql, machine, "SELECT pg_reload_conf()")
        stack.callback(sql, machine, "ALTER SYSTEM RESET log_statement")
        start = int(machine.host.check_output(f"cat {DATABASE_LOG} | wc -c"))
        yield lambda: machine.host.check_output(f"cat {DATABASE_LOG} | tail -c +{start + 1}")


def digest(password):
    return hashlib.sha256(password.encode()).hexdigest()


def test_logs_tell_no_password_and_no_digest_of_one_that_somebody_thought_up(machine, logged, phone):
    start = machine.host.check_output("date +@%s")
    wrong_app, wrong, own = f"app-{uuid.uuid4()}", f"wrong-{uuid.uuid4()}", machine.passwords[USER]
    for password in (phone, wrong_app, wrong, own):
        opens(machine, password)
    log = logged()
    assert digest(phone) in log, "the log would not tell of anything"
    journal = machine.host.check_output(f"journalctl --no-pager --all --since {start}")
    assert USER in journal, "the journal would not tell of anything"
    for secret in (phone, wrong_app, wrong, own, digest(wrong), digest(own)):
        assert secret not in log + journal


@pytest.mark.parametrize("name", ["phone", "own"])
def test_a_login_asks_the_database_once_and_then_not_at_all(machine, logged, name):
    password, user = (machine.app_passwords[USER, name], USER) if name == "phone" else (machine.passwords[OTHER], OTHER)
    machine.host.check_output("doveadm auth cache flush %s", user)
    questions = []
    for service in (wire.IMAPS, wire.SUBMISSION, wire.IMAPS):
        assert opens(machine, password, [service], user)
        questions.append(logged().count(f"mail_lookup.passdb('{user}'"))
    assert questions == [1, 1, 1]


def test_the_check_logs_in_with_a_limited_password(machine, play):
    run = play("check", mail_users=[{"email": USER, "password": machine.passwords[USER], "password_protocols": ["web"]}])
    assert run.code == 0 and f"login {USER}: accepted" in run.output, run.output[-3000:]
