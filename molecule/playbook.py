# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running the collection's playbooks as a user does, and reading what they say."""

import json
import os
import re
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True)
class Run:
    """What a playbook run left behind."""

    code: int
    output: str

    @property
    def changed(self):
        return int(re.search(r"changed=(\d+)", self.output)[1])

    @property
    def diff(self):
        """The lines that --diff shows as removed or added, without the names of the files."""
        return [line for line in self.output.splitlines() if re.match(r"[+-](?!\+\+ |-- )", line)]


def run_playbook(machine, directory, name, *arguments, **variables):
    """Run one of the collection's playbooks on the machine; the variables go through a file, out of sight of ps."""
    extra = directory / "variables.json"
    extra.touch(mode=0o600)
    extra.write_text(json.dumps(variables))
    command = ["ansible-playbook", f"virtmail.mailserver.{name}", "--limit", machine.name, "--extra-vars", f"@{extra}"]
    for inventory in (machine.scenario.parent / "shared/inventory", machine.scenario / "inventory"):
        command += ["--inventory", str(inventory)]
    # Plain text and wide lines whoever started the tests: the output is read here.
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0", "COLUMNS": "1000"}
    done = subprocess.run(
        [*command, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return Run(done.returncode, done.stdout)
