# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks for the tests that judge a run, and how pytest-xdist shares out the work."""

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
from processes import ProcessWatch

SCENARIO = Path(__file__).resolve().parent.parent


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
    for inventory in (SCENARIO.parent / "shared/inventory", SCENARIO / "inventory"):
        command += ["--inventory", str(inventory)]
    # Plain text and wide lines whoever started the tests: the output is read here.
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_FORCE_COLOR": "0", "COLUMNS": "1000"}
    done = subprocess.run(
        [*command, *arguments], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return Run(done.returncode, done.stdout)


@pytest.fixture
def play(machine, tmp_path):
    """Run a playbook: play("users", "--diff", mail_users=[...])."""
    return lambda name, *arguments, **variables: run_playbook(machine, tmp_path, name, *arguments, **variables)


@pytest.fixture(scope="session")
def second_run(machine, tmp_path_factory):
    """A run of the whole site over what the scenario has built, and every command line seen meanwhile."""
    with ProcessWatch() as watch:
        run = run_playbook(machine, tmp_path_factory.mktemp("second-run"), "site", "-vvv", "--diff")
    return run, watch.command_lines


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """With pytest-xdist (-n 2), one worker for each machine: tests of one machine share its queue and its database."""
    from xdist.scheduler import LoadScopeScheduling

    class OneWorkerPerMachine(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            return re.search(r"mail-d\d+|$", nodeid)[0]

    return OneWorkerPerMachine(config, log)
