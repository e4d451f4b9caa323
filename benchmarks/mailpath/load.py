# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets clients loose on a machine, and tells what that cost the machine."""

import itertools
import json
import math
import statistics
import subprocess
import sys
import time
from pathlib import Path

from accounting import PeakBackends

GENERATOR = Path(__file__).with_name("generator.py")
DELIVERING = {"deliver", "deliver_tls", "submit", "submit_465"}


def stream(operation, users, count, concurrency=20, **options):
    """So many operations, by or for the users in turn."""
    users = list(itertools.islice(itertools.cycle(users), count))
    return {"operation": operation, "users": users, "concurrency": concurrency, **options}


def generate(machine, streams, when_held):
    """The generator's answer; when_held() is called when all clients that hold on are there."""
    process = subprocess.Popen([sys.executable, GENERATOR], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        order = {"host": machine.address, "sources": machine.generator_addresses, "streams": streams}
        print(json.dumps(order), file=process.stdin, flush=True)
        if (line := process.stdout.readline()) == "held\n":
            when_held()
            print(file=process.stdin, flush=True)
            line = process.stdout.readline()
        return json.loads(line)


def measure(machine, streams, when_held=None):
    """What one round of clients costs; see summary()."""
    recipients = sorted({user for each in streams.values() if each["operation"] in DELIVERING for user in each["users"]})
    present = machine.delivered(recipients)
    machine.accounting.find_daemons()
    machine.accounting.wait_until_quiet()
    before = machine.accounting.cpu()
    with PeakBackends(machine.accounting) as watch:
        generated = generate(machine, streams, when_held)
        memory = machine.accounting.memory()
        wait_until_delivered(machine)
        machine.accounting.wait_until_quiet()
    after = machine.accounting.cpu()
    results = generated["streams"]
    accepted = sum(len(results[name]["latencies"]) for name, each in streams.items() if each["operation"] in DELIVERING)
    if (arrived := machine.delivered(recipients) - present) != accepted:
        raise RuntimeError(f"{machine.name} accepted {accepted} messages and delivered {arrived}")
    cpu = {daemon: after[daemon] - before[daemon] for daemon in after}
    return {**summary(results, cpu, generated["cpu"]), "backends": watch.peak, "memory": memory}


def summary(results, cpu, generator_cpu):
    """CPU in milliseconds for an operation, latencies in milliseconds, rates a second; of all streams, and of each."""
    latencies = sorted(latency for each in results.values() for latency in each["latencies"])
    failures = [failure for each in results.values() for failure in each["failures"]]
    number = len(latencies) or math.nan
    return {
        "operations": len(latencies),
        "cpu": {daemon: 1000 * seconds / number for daemon, seconds in cpu.items()},
        "generator": 1000 * generator_cpu / number,
        "rate": len(latencies) / max(each["seconds"] for each in results.values()),
        "p50": 1000 * (statistics.median(latencies) if latencies else math.nan),
        "p99": 1000 * (latencies[int(0.99 * len(latencies))] if latencies else math.nan),
        "failures": failures,
        "streams": {
            name: {"rate": len(each["latencies"]) / each["seconds"], "served": len(each["latencies"])}
            for name, each in results.items()
        },
    }


def wait_until_delivered(machine, timeout=300):
    """Until the queue is empty"""
    end = time.monotonic() + timeout
    while machine.queued():
        if time.monotonic() > end:
            raise RuntimeError(f"{machine.name} still has {machine.queued()} messages in its queue")
        time.sleep(0.1)
