# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must stay secret is nowhere to be read: each test looks for the very secrets of the machine."""

import base64
import uuid

import pytest
from processes import ProcessWatch

USER = "frank@example.test"


@pytest.fixture(scope="session")
def secrets(machine):
    """Every password, hash and key that this machine knows."""
    hashes = machine.host.check_output("runuser -u postgres -- psql -At mailserver -c 'SELECT password FROM virtual_users'")
    database = machine.run("cut -d: -f5 /etc/mailserver/credentials/*.pgpass").stdout
    keys = machine.host.check_output("grep -hv -e -- /etc/ssl/mailserver/privkey.pem")
    found = {*machine.passwords.values(), *hashes.split(), *database.split(), *keys.split()}
    # The last line of a key may be a few letters that also stand elsewhere.
    return sorted(secret for secret in found if len(secret) >= 12)


def on_standard_input(secrets):
    """A shell's way to give the secrets to grep; in no command line can they be read."""
    return "echo " + base64.b64encode("\n".join(secrets).encode()).decode() + " | base64 -d"


def spilt(secrets, text):
    """Which secrets the text holds, cut short so that a failing test tells none."""
    return [secret[:8] + "..." for secret in secrets if secret in text]


def test_the_secrets_are_known(machine, secrets):
    """Without this, the other tests could look for nothing."""
    assert len(secrets) > 2 * len(machine.passwords)


def test_a_verbose_run_of_the_site_tells_none(second_run, secrets):
    run, command_lines = second_run
    assert "Lighthouse" not in run.output
    assert spilt(secrets, run.output) == []
    assert spilt(secrets, "\n".join(command_lines)) == []


def test_a_verbose_change_of_a_password_tells_neither(machine, play, secrets):
    old, new = machine.passwords[USER], f"changed-{uuid.uuid4()}"
    with ProcessWatch() as watch:
        runs = [play("users", "-vvv", "--diff", mail_users=[{"email": USER, "password": each}]) for each in (new, old)]
    assert [(run.code, run.changed) for run in runs] == [(0, 1), (0, 1)]
    told = "\n".join([*watch.command_lines, *(run.output for run in runs)])
    assert spilt([*secrets, new], told) == []


def test_the_journal_and_the_logs_tell_none(machine, secrets):
    found = machine.run(f"{on_standard_input(secrets)} | (grep -c -F -f /dev/stdin <(journalctl --no-pager --all))")
    assert found.stdout.strip() == "0", "the journal holds secrets"
    found = machine.run(f"{on_standard_input(secrets)} | grep -r -l -F -f - /var/log --exclude-dir=journal")
    assert (found.rc, found.stdout) == (1, "")


def test_nobody_reads_any_in_a_file(machine, secrets):
    search = "runuser -u nobody -- grep -r -l -s -F -D skip -f - --exclude-dir=proc --exclude-dir=sys /"
    assert machine.run(f"{on_standard_input(secrets)} | {search}").stdout == ""


def test_root_would_find_some(machine, secrets):
    """Without this, a search that can find nothing would prove nothing."""
    search = "grep -r -l -s -F -f - /etc/ssl/mailserver"
    assert "privkey.pem" in machine.run(f"{on_standard_input(secrets)} | {search}").stdout
