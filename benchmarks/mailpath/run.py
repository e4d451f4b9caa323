# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures what a message and a login cost: on our mail server, on one of the common guides, and on ours without a database.

usage: python3 benchmarks/mailpath/run.py [--releases d12,d13] [--accounts N,N] [--workloads NAME,NAME] [--arms NAME,NAME]
           [--repeat N] [--results FILE.json] [--keep]

Rounds of the arms take turns, and figures are medians of the rounds. All workloads run with the first number of accounts, delivery
and IMAP with the others, which have to be larger. Needs what scripts/demo needs, and root; makes machines, and removes them unless
they are to be kept for a next run.
"""

import argparse
import json
import sys
import time
from pathlib import Path

import accounts
import at_once
import checks
import load
import machines
import passwords
import queries
import report
import storm
import workloads

ARMS = ["guides", "ours", "isolated", "full", "nodb"]
# Who takes part in a workload, where it is not these three.
COMPARED = ["guides", "ours", "nodb"]
TAKING_PART = {
    "imap": ["guides", "ours", "isolated", "nodb"],
    "pop3": ["guides", "ours", "isolated", "nodb"],
    "quota": ["ours", "nodb"],
    # A row of its own: the machine rests while the filter waits for DNS, which is to the advantage of whose turn is next.
    "full": ["ours", "full"],
    "queries": ["guides", "ours"],
    "passwords": ["ours"],
}
GROWING = ["deliver", "imap"]
COUNTED = ["deliver", "imap", "pop3", "submit"]
ONCE = {"at_once": at_once.measure, "storm": storm.measure}
WORKLOADS = [*workloads.ALL, *checks.CHECKS, "queries", "passwords", *ONCE]


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def measure_rounds(arms, repeat, streams_of, number):
    """{arm: rounds}, the arms in turns; the first round is a warm-up."""
    rounds = {machine.arm: [] for machine in arms}
    for turn in range(repeat + 1):
        for machine in arms:
            rounds[machine.arm].append(load.measure(machine, streams_of(number, turn)))
    return {arm: measured[1:] for arm, measured in rounds.items()}


def measure_workload(name, arms, repeat, number):
    for machine in arms:
        # The guides' idle processes keep all connections that the database has to give, which is not the next workload's fault,
        # and everybody's keep their memory.
        machine.run("systemctl restart postfix dovecot")
    arms = [machine for machine in arms if machine.arm in TAKING_PART.get(name, COMPARED)]
    if name == "queries":
        users = accounts.some(number)
        return {machine.arm: {operation: queries.count(machine, operation, users) for operation in COUNTED} for machine in arms}
    if name == "passwords":
        return {machine.arm: passwords.measure(machine, number) for machine in arms}
    if name in ONCE:
        return {machine.arm: [ONCE[name](machine, number)] for machine in arms}
    if name in checks.CHECKS:
        with checks.added(name, arms):
            return measure_rounds(arms, repeat, workloads.ALL["deliver"], number)
    return measure_rounds(arms, repeat, workloads.ALL[name], number)


def measure(release, options, variables):
    """{number of accounts: {workload: {arm: rounds}}}"""
    arms = [machines.Machine(f"{arm}-{release}", variables[f"{arm}-{release}"]) for arm in options.arms]
    results = {}
    for number in options.accounts:
        for machine in arms:
            say(f"{machine.name}: {number} accounts")
            accounts.load(machine, number)
            machine.accounting.wait_until_quiet()
        first = number == options.accounts[0]
        results[number] = {}
        for name in options.workloads:
            if first or name in GROWING:
                say(f"{release}, {number} accounts: {name}")
                results[number][name] = measure_workload(name, arms, options.repeat, number)
                report.print_workload(release, number, name, results[number][name])
    return results


def numbers(text):
    return [int(each) for each in text.split(",")]


def names(text):
    return text.split(",")


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--releases", type=names, default=["d12", "d13"])
    parser.add_argument("--accounts", type=numbers, default=[1000, 100000, 1000000])
    parser.add_argument("--workloads", type=names, default=WORKLOADS)
    parser.add_argument("--arms", type=names, default=ARMS)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--results", type=Path, help="file for all that was measured, for plot.py")
    parser.add_argument("--keep", action="store_true", help="leave the machines running")
    return parser.parse_args()


def main():
    options = parse()
    variables = machines.inventory()
    results = {}
    try:
        for release in options.releases:
            hosts = [f"{arm}-{release}" for arm in options.arms]
            say(f"making {', '.join(hosts)}")
            machines.play(machines.SHARED / "create.yml", hosts=hosts)
            machines.play(machines.HERE / "prepare.yml", hosts=hosts)
            machines.add_addresses(variables[hosts[0]])
            results[release] = measure(release, options, variables)
            report.print_promises(release, results[release])
            if options.results:
                options.results.write_text(json.dumps(results))
    finally:
        if not options.keep:
            machines.play(machines.SHARED / "destroy.yml", hosts=["all"])


if __name__ == "__main__":
    main()
