# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Draws what run.py has left in a file.

usage: python3 benchmarks/mailpath/plot.py RESULTS.json DIRECTORY

Makes benchmark-mailpath-RELEASE.svg in the directory for each release.
"""

import json
import sys
from pathlib import Path

import matplotlib
from report import median

matplotlib.use("svg")
from matplotlib import pyplot  # noqa: E402

ARMS = ("guides", "isolated", "ours", "nodb")
NAMES = {"guides": "guides", "isolated": "ours, isolated", "ours": "ours", "nodb": "no database"}
WORKLOADS = {
    "deliver": "a message\non 25",
    "imap": "a login\non 993",
    "pop3": "a login\non 995",
    "submit": "a submission\non 587",
    "mixed": "mixed day",
}
PARTS = {"postfix": "Postfix", "dovecot": "Dovecot", "postgresql": "PostgreSQL", "journald": "journal"}
# REUSE-IgnoreStart
LICENCE = """<!--
SPDX-FileCopyrightText: virtmail.mailserver contributors
SPDX-License-Identifier: GPL-3.0-or-later
-->"""
# REUSE-IgnoreEnd
RELEASES = {"d12": "Debian 12", "d13": "Debian 13"}


def draw_costs(axes, measured):
    """A bar for each arm, of what each daemon takes."""
    place = 0
    ticks, labels = [], []
    for workload, label in WORKLOADS.items():
        arms = [arm for arm in ARMS if arm in measured.get(workload, {})]
        for arm in arms:
            bottom = 0
            for number, part in enumerate(PARTS):
                height = median(measured[workload][arm], "cpu", part)
                axes.bar(place, height, bottom=bottom, color=f"C{number}", width=0.85)
                bottom += height
            axes.text(place, bottom, f" {NAMES[arm]}", rotation=90, ha="center", va="bottom", fontsize=8)
            place += 1
        if arms:
            ticks.append(place - (len(arms) + 1) / 2)
            labels.append(label)
            place += 1
    axes.set_xticks(ticks, labels)
    axes.set(ylabel="milliseconds of CPU")
    axes.margins(y=0.35)
    axes.legend([pyplot.Rectangle((0, 0), 1, 1, color=f"C{number}") for number in range(len(PARTS))], PARTS.values(), fontsize=8)


def draw_growth(axes, results):
    """How the cost grows with the number of accounts."""
    for workload, style in (("deliver", "o-"), ("imap", "s--")):
        for number, arm in enumerate(ARMS):
            points = [
                (int(accounts), median(measured[workload][arm], "cpu", "total"))
                for accounts, measured in results.items()
                if arm in measured.get(workload, {})
            ]
            if points:
                label = f"{WORKLOADS[workload]}, {NAMES[arm]}".replace("\n", " ")
                axes.plot(*zip(*points, strict=True), style, color=f"C{number}", label=label)
    axes.set(xscale="log", yscale="log", xlabel="accounts", ylabel="milliseconds of CPU")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)


def draw(release, results, directory):
    if len(results) == 1:
        figure, costs = pyplot.subplots(figsize=(8, 4.5))
    else:
        figure, (costs, growth) = pyplot.subplots(1, 2, figsize=(12, 4.5), width_ratios=(3, 2))
        draw_growth(growth, results)
    draw_costs(costs, next(iter(results.values())))
    costs.set_title(f"{RELEASES[release]}, {int(next(iter(results))):,} accounts")
    figure.tight_layout()
    save(figure, directory / f"benchmark-mailpath-{release}.svg")


def save(figure, path):
    """With the licence behind the line that makes it XML"""
    figure.savefig(path, metadata={"Date": None})
    first, rest = path.read_text().split("\n", 1)
    path.write_text(f"{first}\n{LICENCE}\n{rest}")


def main():
    results, directory = json.loads(Path(sys.argv[1]).read_text()), Path(sys.argv[2])
    for release, measured in results.items():
        draw(release, measured, directory)


if __name__ == "__main__":
    main()
