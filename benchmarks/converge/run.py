# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measures site and users beside what they cannot do without, in one run, on fresh machines of both Debian releases.

usage: python3 benchmarks/converge/run.py [--repeat N] [--users N]

The first run of site is compared with apt-get installing the same packages on a machine of its own; the second one with a play
of as many tasks that do nothing; users, after a change of one user, with a play of one such task. Figures are medians, of first runs
on as many machines. Needs what scripts/demo needs; makes machines, and removes them.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MACHINES = ROOT / "molecule/shared"
INVENTORIES = [f"--inventory={ROOT / 'molecule/shared/inventory'}", f"--inventory={HERE / 'inventory'}"]
NOTHING = {"ansible.builtin.command": "true", "changed_when": False}
# The packages' services start in neither case: the roles start them when they are configured.
INSTALL = """printf '#!/bin/sh\\nexit 101\\n' > /usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d
apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends """
INSTALLED = "dpkg-query -W -f '${Package} '"


def play(playbook, *arguments, limit="all"):
    """Seconds of a run of ansible-playbook, and how many tasks ran a module."""
    with tempfile.NamedTemporaryFile() as counts:
        environment = {
            **os.environ,
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback_plugins"),
            "ANSIBLE_CALLBACKS_ENABLED": "module_tasks",
            "MODULE_TASKS_FILE": counts.name,
        }
        begin = time.monotonic()
        command = ["ansible-playbook", *INVENTORIES, "--limit", f"localhost,{limit}", *arguments, str(playbook)]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        seconds = time.monotonic() - begin
        if done.returncode:
            sys.exit(f"{playbook} failed on {limit}:\n{done.stdout[-5000:]}")
        return seconds, json.load(counts)


def shell(host, command):
    return subprocess.run(
        ["podman", "exec", f"virtmail-converge-{host}", "sh", "-c", command], stdout=subprocess.PIPE, text=True, check=True
    ).stdout


def install_packages(host, packages):
    begin = time.monotonic()
    shell(host, INSTALL + " ".join(packages))
    return time.monotonic() - begin


def write_play(directory, number):
    path = Path(directory) / f"nothing-{number}.json"
    path.write_text(json.dumps([{"hosts": "mail", "gather_facts": False, "tasks": [NOTHING] * number}]), encoding="ascii")
    return path


def write_users(path, number, changed):
    """Hashes are given, so that none is made."""
    hashed = "{SHA512-CRYPT}$6$rounds=5001$6XepDM8LEZa9rGRV$" + "a" * 86
    users = [
        {"email": f"user{each}@example.test", "password_hash": hashed, "display_name": f"{changed if each == 0 else each}"}
        for each in range(number)
    ]
    path.write_text(json.dumps({"users": users}), encoding="ascii")


def median(repeat, function):
    return statistics.median(function(turn) for turn in range(repeat))


def measure_first_runs(release, repeat):
    """Packages, and the seconds of site and of apt-get alone, each time on new machines. They take turns at being the first, for the
    second one finds the packages closer by."""
    host, floor = f"site-{release}", f"floor-{release}"
    packages, site, installation = [], [], []
    for turn in range(repeat):
        for playbook in ("destroy.yml", "create.yml"):
            play(MACHINES / playbook, limit=f"{host},{floor}")
        before = set(shell(host, INSTALLED).split())
        floor_first = turn % 2 == 1
        if floor_first:
            installation.append(install_packages(floor, packages))
        site.append(play("virtmail.mailserver.site", limit=host)[0])
        if not floor_first:
            packages = sorted(set(shell(host, INSTALLED).split()) - before)
            installation.append(install_packages(floor, packages))
    return packages, statistics.median(site), statistics.median(installation)


def measure(release, options, directory):
    host = f"site-{release}"
    packages, first, installation = measure_first_runs(release, options.repeat)

    runs = [play("virtmail.mailserver.site", limit=host) for dummy in range(options.repeat)]
    tasks = runs[0][1]["tasks"]
    nothing = median(options.repeat, lambda dummy: play(write_play(directory, tasks), limit=host)[0])

    users = Path(directory) / "users.json"
    arguments = [f"--extra-vars={json.dumps({'mail_directory_files': [str(users)]})}"]

    def change_one(turn):
        write_users(users, options.users, f"changed {turn}")
        return play("virtmail.mailserver.users", *arguments, limit=host)[0]

    change_one(-1)
    change = median(options.repeat, change_one)
    one = median(options.repeat, lambda dummy: play(write_play(directory, 1), limit=host)[0])
    print(f"\n{release}: {len(packages)} packages; a second run has {tasks} tasks with a module, {runs[0][1]['calls']} calls of one")
    print_row("site, first run", first, "apt-get alone", installation)
    print_row("site, second run", statistics.median(seconds for seconds, dummy in runs), "tasks that do nothing", nothing)
    print_row(f"users, 1 of {options.users} changed", change, "one such task", one)


def print_row(name, seconds, floor_name, floor):
    print(f"{name:28}{seconds:8.1f} s   {floor_name:24}{floor:8.1f} s{seconds / floor:8.2f} times", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--users", type=int, default=1000)
    options = parser.parse_args()
    try:
        with tempfile.TemporaryDirectory() as directory:
            for release in ("d12", "d13"):
                measure(release, options, directory)
    finally:
        play(MACHINES / "destroy.yml")


if __name__ == "__main__":
    main()
