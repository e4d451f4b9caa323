# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Looking beside what a test does."""

import threading


class Watch(threading.Thread):
    """Looks every `interval` seconds until it is left. A look that raises is the last one, and leaving raises it again."""

    def __init__(self, interval):
        super().__init__(daemon=True)
        self.interval = interval
        self.finished = threading.Event()
        self.fault = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, exception_type, *dummy):
        self.finished.set()
        self.join()
        if self.fault and not exception_type:
            raise self.fault

    def run(self):
        try:
            while not self.finished.wait(self.interval):
                self.look()
        except Exception as exc:  # whatever it is, the test has to hear of it
            self.fault = exc

    def look(self):
        raise NotImplementedError
