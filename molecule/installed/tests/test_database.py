# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A database elsewhere is asked over TLS, may go away, and tells its changes at once, as a local one does."""

import time

import outage
import passwords
import pytest
import wire

USER = "frank@example.test"


@pytest.fixture
def old_password(machine, play):
    """The declared password, known to every service, and in force again afterwards."""
    password = machine.passwords[USER]
    for service in passwords.SERVICES:
        assert wire.let_in(wire.login(machine, service, USER, password))
    yield password
    play("users")


def test_postgresql_is_elsewhere_and_asked_over_tls(machine, database):
    assert machine.run("ls /usr/lib/postgresql").rc != 0
    lookup = machine.run(f"postmap -q {USER} proxy:pgsql:/etc/postfix/pgsql/mailboxes.cf")
    assert (lookup.rc, lookup.stdout.strip()) == (0, USER)
    sessions = "SELECT DISTINCT ssl FROM pg_stat_ssl JOIN pg_stat_activity USING (pid) WHERE usename LIKE 'mail%'"
    assert database.host.check_output("runuser -u postgres -- psql -At -c %s", sessions) == "t"


def test_the_login_that_prepares_it_is_no_superuser(machine, database):
    rights = "SELECT rolsuper, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = '{}'"
    login = machine.variables["postgres_mail_login_user"]
    assert database.host.check_output("runuser -u postgres -- psql -At -c %s", rights.format(login)) == "f|t|t"


def test_a_short_outage(machine, database, wait_for):
    outage.survived(machine, database, wait_for, 6, wire.IMAPS)


def test_a_dovecot_that_starts_during_an_outage_recovers_with_the_database(machine, database):
    with outage.database_afterwards(machine, database):
        database.host.check_output(outage.STOP)
        machine.host.check_output("systemctl restart dovecot")
        refusals = [outage.log_in(machine, [wire.IMAPS]) for dummy in range(4)]
        database.host.check_output(outage.START)
        recovery = outage.first_right_answers(machine)
    assert not any(wire.let_in(answer) for (answer,) in refusals)
    assert max(recovery.values()) <= outage.SECONDS_TO_RECOVER, recovery


def test_a_password_changed_in_the_database_is_in_force_within_a_second(machine, database, old_password):
    new = passwords.change_in_the_database(machine, database, USER)
    time.sleep(1)
    passwords.in_force_everywhere(machine, USER, old_password, new)
