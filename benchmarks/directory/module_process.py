# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""virtual_directory in a process of its own, as Ansible runs it; says on stderr where the time went.

usage: module_process.py ARGUMENTS.json
"""

import atexit
import json
import resource
import sys
import time

START = time.perf_counter()

from ansible.module_utils.testing import patch_module_args  # noqa: E402
from ansible_collections.virtmail.mailserver.plugins.module_utils import _store  # noqa: E402
from ansible_collections.virtmail.mailserver.plugins.modules import virtual_directory  # noqa: E402

# All that talks to the database
SQL = ("connect", "_check_schema", "lock", "fetch", "apply", "trim_history", "_commit")
in_sql = 0.0


def timed(function):
    def call(*args, **kwargs):
        global in_sql
        start = time.perf_counter()
        try:
            return function(*args, **kwargs)
        finally:
            in_sql += time.perf_counter() - start

    return call


def report():
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    json.dump({"seconds": time.perf_counter() - START, "sql": in_sql, "mebibytes": peak}, sys.stderr)


for name in SQL:
    setattr(_store, name, timed(getattr(_store, name)))
atexit.register(report)
with open(sys.argv[1]) as file, patch_module_args(json.load(file)):
    virtual_directory.main()
