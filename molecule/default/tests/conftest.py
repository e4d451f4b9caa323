# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Playbooks for the tests that judge a run, and how pytest-xdist shares out the work."""

import re

import pytest
from playbook import run_playbook
from processes import ProcessWatch


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
