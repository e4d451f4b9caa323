# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `ps` would have shown on a machine and, for what the tests themselves start, on this host."""

import os
import subprocess
from pathlib import Path

from watch import Watch


class ProcessWatch(Watch):
    """Collects command lines until it is left. Whatever else runs on this host does not concern the test."""

    def __init__(self, machine):
        super().__init__(interval=0.05)
        container = f"{machine.variables['machine_network']['name']}-{machine.name}"
        init = subprocess.check_output(["podman", "inspect", "--format", "{{.State.Pid}}", container], text=True).strip()
        self.namespace = os.readlink(f"/proc/{init}/ns/pid")
        self.command_lines = set()
        self.strangers = set()

    def look(self):
        """A process that is none of ours once is asked no more, as long as it lives."""
        running = set(Path("/proc").glob("[0-9]*"))
        self.strangers &= running
        for process in running - self.strangers:
            try:
                if self.concerns(process):
                    self.command_lines.add((process / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
                else:
                    self.strangers.add(process)
            except OSError:
                continue  # gone between the two calls

    def concerns(self, process):
        """Does it run on the machine, or for these tests?"""
        return os.readlink(process / "ns/pid") == self.namespace or is_descendant(process, os.getpid())


def is_descendant(process, ancestor):
    """Has the process come from the ancestor? Both stand in /proc."""
    while process.name not in ("0", "1"):
        # The name of the program, which may hold anything, is in parentheses before these fields; see proc(5).
        parent = (process / "stat").read_text().rpartition(")")[2].split()[1]
        if int(parent) == ancestor:
            return True
        process = process.parent / parent
    return False
