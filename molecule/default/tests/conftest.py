# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run for the tests that judge one."""

import pytest
from playbook import run_playbook
from processes import ProcessWatch


@pytest.fixture(scope="session")
def second_run(machine, tmp_path_factory):
    """A run of the whole site over what the scenario has built, and every command line seen meanwhile."""
    with ProcessWatch(machine) as watch:
        run = run_playbook(machine, tmp_path_factory.mktemp("second-run"), "site", "-vvv", "--diff")
    return run, watch.command_lines
