# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures virtual_directory beside what else could load users, in one run; prints tables and draws a plot.

usage: pg_virtualenv python3 benchmarks/directory/run.py [--repeat N] [--loop-users N] [--plot FILE.svg] USERS...

Every figure is the median of so many repetitions; from a million users on there is only one. pg_virtualenv (of Debian's
postgresql-common) lends a server.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import floor
import module
import playbooks
import vmm

LARGE = 1_000_000


def median(repeat, function, *arguments):
    return statistics.median(function(*arguments) for dummy in range(repeat))


def measure_module(repeat, number, directory):
    """Medians of everything that module.measure() tells."""
    runs = [module.measure(number, directory) for dummy in range(repeat)]
    return {
        operation: {key: statistics.median(run[operation][key] for run in runs) for key in runs[0][operation]}
        for operation in runs[0]
    }


def print_module(number, measured, copied, copied_bare):
    print(f"\n{number} users: COPY takes {copied:.2f} s, without triggers {copied_bare:.2f} s")
    print(f"{'':14}{'whole':>9}{'in SQL':>9}{'SQL/COPY':>10}{'bare':>7}{'whole/SQL':>11}{'peak':>10}")
    for operation, figures in measured.items():
        seconds, sql = figures["seconds"], figures["sql"]
        print(
            f"{operation:14}{seconds:8.2f}s{sql:8.2f}s{sql / copied:10.2f}{sql / copied_bare:7.2f}{seconds / sql:11.2f}"
            f"{figures['mebibytes']:6.0f} MiB"
        )


def print_others(number, seconds):
    print(f"\n{number} users, beside others")
    for name, taken in seconds.items():
        print(f"{name:28}{taken:9.2f} s{taken / seconds['virtual_directory']:9.2f} times ours")


def plot(path, results):
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7, 4))
    numbers = sorted(results)
    axes.plot(numbers, [results[number]["copy"] for number in numbers], "k--", label="COPY of ready rows")
    for operation in results[numbers[0]]["module"]:
        axes.plot(numbers, [results[number]["module"][operation]["seconds"] for number in numbers], "o-", label=operation)
    axes.set(xscale="log", yscale="log", xlabel="users", ylabel="seconds", title="virtual_directory, whole call")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("users", type=int, nargs="+")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--loop-users", type=int, default=0, help="compare with others, who load so many users")
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    results = {}
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        for number in options.users:
            repeat = options.repeat if number < LARGE else 1
            copied, bare = median(repeat, floor.load, number, True), median(repeat, floor.load, number, False)
            results[number] = {"copy": copied, "module": measure_module(repeat, number, directory)}
            print_module(number, results[number]["module"], copied, bare)
        if number := options.loop_users:
            tasks = {"virtual_directory": playbooks.ours, "one statement, many rows": playbooks.one_statement}
            seconds = {what: median(options.repeat, playbooks.measure, task, number, directory) for what, task in tasks.items()}
            seconds["a task for each row"] = playbooks.measure(playbooks.loop, number, directory)
            seconds["virtual_user for each row"] = playbooks.measure(playbooks.single_tasks, number, directory)
            seconds["vmm for each row"] = vmm.measure(number, directory)
            print_others(number, seconds)
    if options.plot:
        plot(options.plot, results)


if __name__ == "__main__":
    main()
