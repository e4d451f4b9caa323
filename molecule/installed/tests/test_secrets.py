# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must stay secret is nowhere to be read, with a database elsewhere and a run that makes all that is secret.

A first run on a bare machine makes nothing that this one does not make; it only installs packages besides.
"""

import pytest
import wire
from leaks import Leaks, credentials, known_secrets, on_standard_input
from playbook import run_playbook
from processes import ProcessWatch

NEW_USER = "frank@example.test"


@pytest.fixture(scope="session")
def old_secrets(machine, database):
    return known_secrets(machine, database)


@pytest.fixture(scope="session")
def watched_run(machine, database, old_secrets, tmp_path_factory):
    """A run that makes the passwords of the database, a user and, unless it is the site's own, the key."""
    machine.host.check_output("rm /etc/mailserver/credentials/*.pgpass")
    database.host.check_output(
        "runuser -u postgres -- psql -qAt mailserver -c %s", f"DELETE FROM virtual_users WHERE email = '{NEW_USER}'"
    )
    if machine.variables.get("mail_certificate") != "files":
        machine.host.check_output("rm /etc/ssl/mailserver/privkey.pem")
    with ProcessWatch(machine) as watch:
        run = run_playbook(machine, tmp_path_factory.mktemp("creating-run"), "site", "-vvv", "--diff")
    return run, watch.command_lines


@pytest.fixture(scope="session")
def secrets(machine, database, old_secrets, watched_run):
    """Those from before the run, those that it made, and the one that it was given to make them with."""
    return old_secrets | known_secrets(machine, database) | {machine.variables["postgres_mail_login_password"]}


class TestSecrets(Leaks):
    def test_the_run_made_new_ones(self, machine, watched_run, old_secrets):
        run, dummy = watched_run
        assert run.code == 0, run.output[-3000:]
        assert len(credentials(machine)) == 4
        assert not old_secrets.intersection(credentials(machine))

    def test_the_daemons_have_the_new_ones(self, machine, watched_run):
        """They ask the database anew: nobody is in Dovecot's cache, and postmap has none."""
        machine.host.check_output("doveadm auth cache flush")
        assert wire.let_in(wire.login(machine, wire.IMAPS, NEW_USER, machine.passwords[NEW_USER]))
        assert wire.rcpt(machine, NEW_USER).startswith("250")
        assert machine.run("postmap -q %s $(postconf -hx virtual_mailbox_maps)", NEW_USER).stdout.strip() == NEW_USER

    def test_the_database_server_is_told_none(self, machine, database, secrets, old_secrets):
        """Its log shows the statements that change a password, and none with the password itself."""
        log = "cat /var/log/postgresql/*.log"
        assert int(database.run(f"{log} | grep -c 'ALTER ROLE.*SCRAM-SHA-256'").stdout.strip()) >= 4
        told = {*credentials(machine), *machine.passwords.values()} | old_secrets
        assert database.run(f"{log} | grep -c -F -f <({on_standard_input(told)})").stdout.strip() == "0"
