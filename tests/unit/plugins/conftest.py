# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import importlib
import io
import json

import pytest
from ansible.module_utils.common import warnings
from ansible.module_utils.testing import patch_module_args

MODULES = "ansible_collections.virtmail.mailserver.plugins.modules."


def run_module(module, /, check=False, no_log=False, **options):
    """Run a whole module; returns its result, and with it the very text that it printed."""
    warnings._global_warnings.clear()  # ansible-core keeps them as long as the process lives
    args = {**options, "_ansible_check_mode": check, "_ansible_diff": True, "_ansible_no_log": no_log}
    printed = io.StringIO()
    with patch_module_args(args), contextlib.redirect_stdout(printed), pytest.raises(SystemExit):
        importlib.import_module(MODULES + module).main()
    result = json.loads(printed.getvalue())
    texts = [warning["event"]["msg"] for warning in result.get("warnings", [])]
    return {**result, "warnings": texts, "printed": printed.getvalue()}


@pytest.fixture
def run(database):
    """Runs a whole module on the fresh database."""

    def run_here(module, /, **options):
        return run_module(module, **{**database, **options})

    return run_here


@pytest.fixture
def rows(connection):
    """Tells all that is stored."""

    def read():
        return {
            table: connection.execute(f"SELECT * FROM virtual_{table} ORDER BY id").fetchall()
            for table in ("domains", "users", "aliases")
        }

    return read
