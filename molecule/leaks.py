# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tests that look for the very secrets of a machine wherever somebody could read them.

A scenario makes them its own by a subclass; it says in two fixtures what the secrets are and which run is judged:
`secrets`, and `watched_run`, a Run of `site -vvv --diff` with the command lines seen meanwhile.
"""

import base64
import uuid

from processes import ProcessWatch

USER = "frank@example.test"
# Root would find some anywhere; this one is laid open for everybody.
PLANTED = "/var/tmp/planted"


def known_secrets(machine, database):
    """Every password, hash and key that the machine knows at the moment."""
    query = "SELECT password FROM virtual_users UNION ALL SELECT password FROM virtual_app_passwords"
    hashes = database.host.check_output("runuser -u postgres -- psql -At mailserver -c %s", query)
    keys = machine.host.check_output("grep -hv -e -- /etc/ssl/mailserver/privkey.pem")
    found = {*machine.passwords.values(), *machine.app_passwords.values(), *hashes.split(), *credentials(machine), *keys.split()}
    # The last line of a key may be a few letters that also stand elsewhere.
    return {secret for secret in found if len(secret) >= 12}


def credentials(machine):
    """The passwords of a database elsewhere; a local one has none."""
    return machine.run("cut -d: -f5 /etc/mailserver/credentials/*.pgpass").stdout.split()


def on_standard_input(secrets):
    """A shell's way to give the secrets to a program; in no command line can they be read."""
    return "echo " + base64.b64encode("\n".join(secrets).encode()).decode() + " | base64 -d"


def spilt(secrets, text):
    """Which secrets the text holds, cut short so that a failing test tells none."""
    return [secret[:8] + "..." for secret in secrets if secret in text]


class Leaks:
    def test_the_secrets_are_known(self, machine, secrets):
        """Without this, the other tests could look for nothing."""
        assert len(secrets) > 2 * len(machine.passwords)

    def test_processes_are_seen_on_both_sides(self, machine):
        with ProcessWatch(machine) as watch:
            machine.host.check_output("sleep 0.9")
        assert "sleep 0.9 " in watch.command_lines
        assert any(line.startswith("ssh ") and "sleep 0.9" in line for line in watch.command_lines)

    def test_a_verbose_run_of_the_site_tells_none(self, watched_run, secrets):
        run, command_lines = watched_run
        assert run.code == 0, "the run failed"
        assert spilt(secrets, run.output) == []
        assert spilt(secrets, "\n".join(command_lines)) == []

    def test_a_verbose_change_of_a_password_tells_neither(self, machine, play, secrets):
        old, new = machine.passwords[USER], f"changed-{uuid.uuid4()}"
        with ProcessWatch(machine) as watch:
            runs = [play("users", "-vvv", "--diff", mail_users=[{"email": USER, "password": each}]) for each in (new, old)]
        assert [(run.code, run.changed) for run in runs] == [(0, 1), (0, 1)]
        told = "\n".join([*watch.command_lines, *(run.output for run in runs)])
        assert spilt({*secrets, new}, told) == []

    def test_the_journal_and_the_logs_tell_none(self, machine, secrets):
        """The search finds a word of today that both hold, and nothing else."""
        word = str(uuid.uuid4())
        patterns = on_standard_input({*secrets, word})
        machine.host.check_output(f"logger {word} && journalctl --sync && echo {word} > /var/log/{word}")
        try:
            journal = machine.run(f"journalctl --no-pager --all | grep -F -f <({patterns})")
            logs = machine.run(f"{patterns} | grep -r -l -F -f - /var/log --exclude-dir=journal")
        finally:
            machine.host.check_output(f"rm /var/log/{word}")
        assert [line.endswith(word) for line in journal.stdout.splitlines()] == [True], "the journal holds secrets, or is not read"
        assert (logs.stdout.split(), logs.stderr) == ([f"/var/log/{word}"], "")

    def test_nobody_reads_any_in_a_file(self, machine, secrets):
        """Nobody finds the one secret that is laid open for the search, and no other."""
        machine.host.check_output(f"{on_standard_input(sorted(secrets)[:1])} > {PLANTED} && chmod 644 {PLANTED}")
        search = "runuser -u nobody -- grep -r -l -s -F -D skip -f - --exclude-dir=proc --exclude-dir=sys /"
        try:
            found = machine.run(f"{on_standard_input(secrets)} | {search}")
        finally:
            machine.host.check_output(f"rm {PLANTED}")
        assert (found.stdout.split(), found.stderr) == ([PLANTED], "")
