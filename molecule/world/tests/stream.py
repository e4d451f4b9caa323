# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user who sends and sends."""

import threading
import time
import uuid

import mail
import wire
import world

RATE = 10
SESSIONS = 4


class Stream:
    """Ten messages a second while the context is open, in four sessions. They share a subject that no others have."""

    def __init__(self, machine, user):
        self.subject = f"Stream {uuid.uuid4()}"
        self.sent = []
        self.faults = []
        self._machine, self._user = machine, user
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(SESSIONS)]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *dummy):
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _send(self, number):
        """One of the sessions. After a delay it catches up, so that none is left out."""
        due = time.monotonic() + number / RATE
        try:
            with mail.smtp(self._machine, wire.SUBMISSION, self._user) as client:
                while not self._stop.wait(max(0, due - time.monotonic())):
                    message_id, data = world.compose(self._user, world.FRIEND, subject=self.subject)
                    client.sendmail(self._user, [world.FRIEND], data)
                    self.sent.append(message_id)
                    due += SESSIONS / RATE
        except Exception as exc:  # whatever it is, the test has to hear of it
            self.faults.append(repr(exc))
