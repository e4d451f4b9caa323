# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The rows of PostfixAdmin are adopted by adopt_database: from MariaDB on Debian 12, from PostgreSQL on Debian 13."""

import contextlib
import dataclasses

import mail
import pytest
import wire
from leaks import spilt
from playbook import run_playbook

ENGINES = {12: "mariadb", 13: "postgresql"}
TABLES = {"mariadb": "mariadb postfixadmin", "postgresql": "runuser -u postgres -- psql -qAt postfixadmin"}


@pytest.fixture(scope="module")
def domain(machine):
    """The old domain that this machine's tests are about; they know that of the other machine, too."""
    return f"d{machine.release}.legacy.test"


@pytest.fixture(scope="module")
def here(machine, old, domain):
    """The new server with the passwords that users had on the old one."""
    users = [{"email": f"{user['name']}@{domain}", "password": user["password"]} for user in old.variables["old_users"]]
    return dataclasses.replace(machine, variables={**machine.variables, "mail_users": users})


@pytest.fixture(scope="module")
def adopt(machine, old, tmp_path_factory):
    return lambda *arguments: run_playbook(
        machine,
        tmp_path_factory.mktemp("adopt"),
        "adopt_database",
        *arguments,
        adopt_database_engine=ENGINES[machine.release],
        adopt_database_host=old.hostname,
        adopt_database_ca_file="/etc/ssl/old-ca.pem",
        adopt_database_user="postfixadmin",
        adopt_database_password=old.variables["old_database_password"],
        adopt_database_name="postfixadmin",
        adopt_database_cleartext_passwords=True,
    )


@pytest.fixture(scope="module")
def directory(machine):
    """All that the new server's tables hold."""
    return lambda: machine.host.check_output("runuser -u postgres -- pg_dump --data-only --table='virtual_*' mailserver | grep -v restrict")


@pytest.fixture(scope="module")
def dry_run(adopt, directory):
    before = directory()
    run = adopt("--check", "--diff")
    return run, before == directory()


@pytest.fixture(scope="module")
def first_run(dry_run, adopt):
    run = adopt("-vvv", "--diff")
    assert run.code == 0, run.output[-3000:]
    return run


def test_a_dry_run_prints_the_plan_and_changes_nothing(dry_run, domain):
    run, is_unchanged = dry_run
    assert run.code == 0, run.output
    assert f"+user md5@{domain} quota: 100000K" in run.diff
    assert f"+alias @alias-{domain} destination: @{domain}" in run.diff
    assert is_unchanged


def test_a_second_run_changes_nothing(first_run, adopt):
    run = adopt()
    assert (run.code, run.changed) == (0, 0), run.output


def test_users_log_in_with_their_old_passwords(here, first_run):
    for user, password in here.passwords.items():
        is_active = not user.startswith("asleep@")
        for service in (wire.IMAPS, wire.SUBMISSION):
            assert wire.let_in(wire.login(here, service, user, password)) == is_active, f"{user}, {service}"


def test_aliases_catch_all_and_alias_domain_lead_where_they_led(here, first_run, domain, wait_for):
    expected = {
        f"info@{domain}": ["md5", "sha"],
        f"anything@{domain}": ["blf"],
        f"sha@alias-{domain}": ["sha"],
    }
    for address, names in expected.items():
        message_id = mail.deliver(here, address)
        for name in names:
            user = f"{name}@{domain}"
            mail.wait_for_message(here, wait_for, user, message_id)
            here.host.check_output("doveadm expunge -u %s mailbox INBOX header Message-ID %s", user, message_id)


def test_quotas_are_kept(here, first_run, domain):
    with contextlib.ExitStack() as stack:
        limits = {}
        for name in ("md5", "sha"):
            client = stack.enter_context(mail.imap(here, f"{name}@{domain}"))
            limits[name] = b" ".join(line for part in client.getquotaroot("INBOX")[1] for line in part if line)
    assert b"STORAGE" in limits["md5"] and b" 100000)" in limits["md5"], limits
    assert b" 100000)" not in limits["sha"], limits


def test_no_hash_is_shown(old, machine, first_run):
    hashes = old.host.check_output(f"{TABLES[ENGINES[machine.release]]} <<< 'SELECT password FROM mailbox'").split()
    secrets = [*hashes, old.variables["old_database_password"]]
    assert spilt([secret for secret in secrets if len(secret) >= 12], first_run.output) == []
