# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `ps` would have shown: the machines are containers here, so this host sees their processes beside its own."""

import threading
from pathlib import Path


class ProcessWatch(threading.Thread):
    def __init__(self):
        super().__init__(daemon=True)
        self.command_lines = set()
        self.finished = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *dummy):
        self.finished.set()
        self.join()

    def run(self):
        while not self.finished.wait(0.1):
            self.look()

    def look(self):
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                self.command_lines.add(file.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
            except OSError:
                continue  # gone between the two calls
