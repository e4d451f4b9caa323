# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who may log in to the local PostgreSQL: a line that it refuses never comes into force, nor stays for a restart."""

FILES = "sha256sum /etc/postgresql/*/main/pg_hba.conf /etc/postgresql/*/main/pg_ident.conf; ls /etc/postgresql/*/main"
RULES = "SELECT count(*) FILTER (WHERE error IS NULL), count(error) FROM pg_hba_file_rules"


def rules(machine):
    return machine.host.check_output("runuser -u postgres -- psql -At -c %s", RULES)


def test_a_broken_rule_is_refused_and_the_running_ones_stay(machine, play):
    before = machine.host.check_output(FILES), rules(machine)
    run = play("site", "--tags", "postgres_mail", postgres_mail_hba_extra=["hostssl all nobody 192.0.2.1/33 scram-sha-256"])
    assert run.code != 0
    assert "pg_hba.conf line" in run.output and "of postgres_mail_hba_extra" in run.output
    assert "192.0.2.1/33" in run.output
    assert (machine.host.check_output(FILES), rules(machine)) == before
    # What the server runs with, whatever stands in the file: the way in that everything here uses.
    machine.host.check_output("systemctl reload postgresql")
    lookup = "postmap -q alice@example.test proxy:pgsql:/etc/postfix/pgsql/mailboxes.cf"
    assert machine.run(lookup).stdout.strip() == "alice@example.test"
