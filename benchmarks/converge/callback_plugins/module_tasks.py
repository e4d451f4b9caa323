# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writes, into the file that MODULE_TASKS_FILE names, how many tasks ran a module on a host, and on each item of a loop."""

from __future__ import annotations

import json
import os

from ansible.plugins.callback import CallbackBase

DOCUMENTATION = """
name: module_tasks
type: aggregate
short_description: Count the tasks that ran a module
description: What runs in the controller alone, such as assert or set_fact, costs next to nothing.
"""


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "module_tasks"

    def __init__(self):
        super().__init__()
        self._tasks = set()
        self._calls = 0

    def v2_runner_on_ok(self, result):
        if "results" not in result.result:
            self._note(result)

    def v2_runner_item_on_ok(self, result):
        self._note(result)

    def v2_playbook_on_stats(self, stats):
        with open(os.environ["MODULE_TASKS_FILE"], "w", encoding="ascii") as stream:
            json.dump({"tasks": len(self._tasks), "calls": self._calls}, stream)

    def _note(self, result):
        if "invocation" in result.result:
            self._tasks.add(result.task._uuid)
            self._calls += 1
