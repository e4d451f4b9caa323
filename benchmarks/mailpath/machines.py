# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machines of the benchmark: made by the scenarios' playbooks, reached through podman."""

import json
import subprocess
import sys
from pathlib import Path

from accounting import Accounting

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
INVENTORIES = [f"--inventory={ROOT / 'molecule/shared/inventory'}", f"--inventory={HERE / 'inventory'}"]
SHARED = ROOT / "molecule/shared"
STORE = "/var/mail/vhosts"
QUEUES = ("incoming", "active", "deferred", "maildrop", "hold")


def inventory():
    command = ["ansible-inventory", *INVENTORIES, "--list"]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)["_meta"]["hostvars"]


def play(playbook, *arguments, hosts):
    command = ["ansible-playbook", *INVENTORIES, "--limit", ",".join(["localhost", *hosts]), *arguments, str(playbook)]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        sys.exit(f"{playbook} failed:\n{done.stdout[-5000:]}")


def add_addresses(variables):
    """The generator's addresses, on the bridge of the machines' network, with which they vanish."""
    network = variables["machine_network"]
    inspected = json.loads(subprocess.run(["podman", "network", "inspect", network["name"]], stdout=subprocess.PIPE, check=True).stdout)
    bridge, length = inspected[0]["network_interface"], network["subnet"].partition("/")[2]
    for address in variables["generator_addresses"]:
        subprocess.run(["ip", "address", "replace", f"{address}/{length}", "dev", bridge], check=True)


class Machine:
    """One arm on one release."""

    def __init__(self, name, variables):
        self.name = name
        self.arm = name.partition("-")[0]
        self.address = variables["ansible_host"]
        self.generator_addresses = variables["generator_addresses"]
        self.container = f"{variables['machine_network']['name']}-{name}"
        inspect = ["podman", "inspect", "--format", "{{.State.Pid}}", self.container]
        self.init = subprocess.run(inspect, stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
        self.accounting = Accounting(self.init)

    def path(self, path):
        """A file of the machine, as this host sees it: reading it costs the machine nothing."""
        return Path(f"/proc/{self.init}/root{path}")

    def run(self, command, **options):
        argv = ["podman", "exec", *(["--interactive"] if options else []), self.container, "sh", "-c", command]
        return subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=True, **options).stdout.strip()

    def restart(self):
        """All daemons at once"""
        database = [] if self.arm == "nodb" else ["postgresql.service"]
        self.run(" ".join(["systemctl restart", *database, "postfix.service dovecot.service"]))

    def sql(self, statement):
        return self.run("runuser -u postgres -- psql -XqAt -v ON_ERROR_STOP=1 mailserver", input=statement)

    def sql_input(self, lines):
        argv = ["podman", "exec", "--interactive", self.container, "runuser", "-u", "postgres", "--"]
        process = subprocess.Popen(
            [*argv, "psql", "-Xq", "-v", "ON_ERROR_STOP=1", "mailserver"], stdin=subprocess.PIPE, text=True
        )
        with process.stdin as stream:
            stream.writelines(lines)
        if process.wait():
            raise RuntimeError(f"{self.name}: psql failed")

    def queued(self):
        """Messages that Postfix has not delivered yet; a file may move from one queue to the next meanwhile."""
        spool = self.path("/var/spool/postfix")
        return sum(path.is_file() for queue in QUEUES for path in (spool / queue).rglob("*"))

    def delivered(self, addresses):
        """Messages in the INBOXes, as Maildir++ keeps them: in the home itself, or in Maildir below it."""
        return sum(sum(1 for dummy in folder.iterdir()) for address in addresses for folder in self.inbox_folders(address))

    def inbox_folders(self, address):
        user, dummy, domain = address.partition("@")
        home = self.path(f"{STORE}/{domain}/{user}")
        return [path for base in (home, home / "Maildir") for path in (base / "new", base / "cur") if path.is_dir()]
