# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of every scenario share: the machines of the scenario's own inventory, playbooks, and patience.

The modules beside this file are theirs to import: pytest puts this directory on the path.
"""

from __future__ import annotations

import functools
import json
import os
import re
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import testinfra
from playbook import Run, run_playbook
from xdist.scheduler import LoadScopeScheduling

# So that their assertions show what they compared, as those of the tests do.
pytest.register_assert_rewrite("leaks", "mail", "outage", "passwords")

HERE = Path(__file__).resolve().parent
RELEASES = {"bookworm": 12, "trixie": 13}


@dataclass(frozen=True)
class Machine:
    """A machine of the inventory as the tests see it: from outside, and through a root shell."""

    name: str
    variables: dict[str, Any]
    ca_file: Path
    scenario: Path

    @property
    def address(self) -> str:
        return self.variables["ansible_host"]

    @property
    def hostname(self) -> str:
        return self.variables["mail_hostname"]

    @property
    def release(self) -> int:
        return RELEASES[self.variables["machine_suite"]]

    @property
    def passwords(self) -> dict[str, str]:
        """The plain password of each declared user."""
        return {user["email"]: user["password"] for user in self.variables.get("mail_users", []) if "password" in user}

    @property
    def app_passwords(self) -> dict[tuple[str, str], str]:
        """The plain app passwords of the declared users, by address and name."""
        return {
            (user["email"], app["name"]): app["password"]
            for user in self.variables.get("mail_users", [])
            for app in user.get("app_passwords", [])
        }

    @property
    def host(self) -> testinfra.host.Host:
        """The machine as testinfra knows it: .service(), .file(), .socket() and so on."""
        state = state_directory(self.variables)
        return testinfra.get_host(
            f"ssh://root@{self.address}",
            ssh_identity_file=str(state / "ssh_key"),
            ssh_extra_args=(
                "-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "
                f"-o ControlPath={state}/tests-%h"
            ),
        )

    def run(self, command: str, *arguments: str) -> testinfra.backend.base.CommandResult:
        """Run a shell command as root; %s stands for a quoted argument. The result has rc, stdout and stderr."""
        return self.host.run(command, *arguments)


def state_directory(variables: dict[str, Any]) -> Path:
    """Where shared/create.yml left the key of these machines."""
    return Path.home() / ".cache" / "virtmail-mailserver" / variables["machine_network"]["name"]


@functools.cache
def inventory(scenario: Path) -> dict[str, Any]:
    """The scenario's inventory as Ansible reads it; values stay untemplated."""
    command = ["ansible-inventory", "--list", "-i", str(HERE / "shared/inventory"), "-i", str(scenario / "inventory")]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def scenario_of(test_file: Path) -> Path:
    """The scenario's directory: the one that molecule verifies, or the one right below ours that holds the test.

    A scenario may judge its machines by another one's tests, too.
    """
    verified = os.environ.get("MOLECULE_SCENARIO_DIRECTORY")
    return Path(verified) if verified else HERE / test_file.relative_to(HERE).parts[0]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test that asks for a machine on every mail server of the scenario."""
    if "machine" in metafunc.fixturenames:
        scenario = scenario_of(metafunc.definition.path)
        names = inventory(scenario)["mail"]["hosts"]
        metafunc.parametrize("machine", [(scenario, name) for name in names], ids=names, indirect=True, scope="session")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """One worker of pytest-xdist for all tests of a machine: they share its queue and its database.

    That is what --dist=loadgroup is for, but xdist 3.8 does not see the groups under pytest 9.2.
    """

    class OneWorkerPerMachine(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return re.search(r"mail-d\d+|$", nodeid)[0]

    return OneWorkerPerMachine(config, log)


@pytest.fixture(scope="session")
def machine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Machine:
    """A mail server of the scenario; a test that asks for it runs once on each."""
    scenario, name = request.param
    variables = inventory(scenario)["_meta"]["hostvars"][name]
    ca_file = tmp_path_factory.mktemp(name) / "ca.pem"
    machine = Machine(name, variables, ca_file, scenario)
    ca_file.write_text(machine.run("cat %s", variables.get("machine_ca_file", "/etc/ssl/mailserver/ca.pem")).stdout)
    return machine


@pytest.fixture(scope="session")
def database(machine: Machine) -> Machine:
    """Where the machine's PostgreSQL runs: on itself, or on the machine that mail_database_host names."""
    address = machine.variables.get("mail_database_host")
    if not address:
        return machine
    hosts = inventory(machine.scenario)["_meta"]["hostvars"]
    name = next(name for name, variables in hosts.items() if address in variables.get("machine_aliases", []))
    return replace(machine, name=name, variables=hosts[name])


@pytest.fixture(scope="session")
def neighbour(machine: Machine, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Machine]:
    """Another machine of the scenario, by its name."""

    def find(name: str) -> Machine:
        ca_file = tmp_path_factory.mktemp(name) / "ca.pem"
        found = replace(machine, name=name, variables=inventory(machine.scenario)["_meta"]["hostvars"][name], ca_file=ca_file)
        ca_file.write_text(found.run("cat %s", found.variables.get("machine_ca_file", "/etc/ssl/mailserver/ca.pem")).stdout)
        return found

    return find


@pytest.fixture
def play(machine: Machine, tmp_path: Path) -> Callable[..., Run]:
    """Run a playbook: play("users", "--diff", mail_users=[...])."""
    return lambda name, *arguments, **variables: run_playbook(machine, tmp_path, name, *arguments, **variables)


@pytest.fixture(scope="session")
def wait_for() -> Callable[..., Any]:
    """Ask again and again until the answer is true; see poll()."""
    return poll


def poll(condition: Callable[[], Any], timeout: float = 20, message: str = "the condition never came true") -> Any:
    """Return the condition's first true value, or fail with the message once the time is over."""
    end = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > end:
            pytest.fail(f"after {timeout} s: {message}")
        time.sleep(0.2)
    return value
