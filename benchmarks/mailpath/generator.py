# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process that plays clients: it reads what to do, a line of JSON, and writes how it went, another; see generate() in load.py.

If a stream's clients hold on, it writes the line "held" once each of them has got as far as it could, and reads a line before
they leave.
"""

import asyncio
import collections
import json
import resource
import sys
import time

import operations
from connection import PATIENCE, Connection, Refused


class Gate:
    """Where the clients that hold on wait for each other."""

    def __init__(self, expected):
        self.expected = expected
        self.opened = asyncio.Event()

    async def arrive(self):
        self.expected -= 1
        if self.expected == 0:
            print("held", flush=True)
            await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
            self.opened.set()

    async def wait(self):
        await self.arrive()
        await self.opened.wait()


class Stream:
    """Clients of one kind: each does one operation after the other until all are done."""

    def __init__(self, host, sources, *, operation, users, concurrency, hold=False, background=False):
        self.host = host
        self.sources = sources
        self.operation = operations.ALL[operation]
        self.users = collections.deque(users)
        self.concurrency = concurrency
        self.hold = hold
        self.background = background
        self.latencies = []
        self.failures = []

    async def run(self, gate):
        begin = time.monotonic()
        clients = (self.client(self.sources[number % len(self.sources)], gate) for number in range(self.concurrency))
        await asyncio.gather(*clients)
        self.seconds = time.monotonic() - begin

    async def client(self, source, gate):
        while self.users:
            user = self.users.popleft()
            if self.background:
                self.users.append(user)
            try:
                async with asyncio.timeout(PATIENCE) as limit:
                    await self.once(source, user, gate, limit)
            except (OSError, Refused, TimeoutError) as exc:
                self.failures.append(f"{type(exc).__name__}: {exc}")

    async def once(self, source, user, gate, limit):
        """Who is refused does not let the others wait."""
        talk, port, implicit_tls = self.operation
        begin = time.monotonic()
        connection, is_served = None, False
        try:
            connection = await Connection.open(self.host, port, source, implicit_tls)
            async for dummy in talk(connection, user):
                self.latencies.append(time.monotonic() - begin)
                is_served = True
                if self.hold:
                    limit.reschedule(None)
                    await gate.wait()
        finally:
            if connection:
                connection.close()
            if self.hold and not is_served:
                await gate.arrive()

    def result(self):
        return {"latencies": self.latencies, "failures": self.failures, "seconds": self.seconds}


async def run(streams):
    """Clients in the background go on until the others are done."""
    gate = Gate(sum(len(stream.users) for stream in streams if stream.hold))
    background = [asyncio.ensure_future(stream.run(gate)) for stream in streams if stream.background]
    await asyncio.gather(*(stream.run(gate) for stream in streams if not stream.background))
    for stream in streams:
        stream.users.clear()
    await asyncio.gather(*background)


def main():
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    order = json.loads(sys.stdin.readline())
    streams = {name: Stream(order["host"], order["sources"], **stream) for name, stream in order["streams"].items()}
    asyncio.run(run(list(streams.values())))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"cpu": usage.ru_utime + usage.ru_stime, "streams": {name: stream.result() for name, stream in streams.items()}}))


main()
