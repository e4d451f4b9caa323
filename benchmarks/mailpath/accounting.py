# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""CPU time, memory and database connections of a machine's daemons, all read from outside the machine.

CPU time is what the kernel has booked on cgroups, in nanoseconds: that of processes which have ended is in it, that of kernel
threads (writing to the disk) and what the network does on behalf of the other end are not.
"""

import contextlib
import re
import threading
import time
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")
UNITS = {
    "postfix": r"postfix(@.*)?\.service",
    "dovecot": r"dovecot\.service",
    "postgresql": r"postgresql@.*\.service",
    "watcher": r"mail-directory-watch\.service",
    "journald": r"systemd-journald\.service",
    "rspamd": r"(rspamd|redis-server@rspamd)\.service",
    "fail2ban": r"fail2ban\.service",
}
DAEMONS = tuple(UNITS)
QUIET_SHARE = 0.02  # of one CPU


def daemon_of_unit(name):
    return next((daemon for daemon, pattern in UNITS.items() if re.fullmatch(pattern, name)), None)


def cgroup_paths(pid):
    """{controller: path} of a process; the controllers of cgroup v2 are ''."""
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    return {controllers: path.lstrip("/") for dummy, controllers, path in (line.split(":", 2) for line in lines)}


def processes_in(directory):
    with contextlib.suppress(OSError):
        return [int(line) for line in (directory / "cgroup.procs").read_text().split()]
    return []


class HybridCgroups:
    """cgroup v1: systemd makes groups for its units in its own hierarchy only, so each daemon gets one of ours for CPU time."""

    def __init__(self, init):
        self.root = CGROUPS / "cpuacct" / cgroup_paths(init)["cpuacct"]
        for daemon in DAEMONS:
            (self.root / daemon).mkdir(exist_ok=True)

    def find_daemons(self):
        """Move the daemons that were started since; what they start follows by itself."""
        moved = True
        while moved:
            moved = False
            for pid in processes_in(self.root):
                with contextlib.suppress(OSError):
                    unit = next((path for name, path in cgroup_paths(pid).items() if name == "name=systemd"), "")
                    if daemon := daemon_of_unit(unit.rpartition("/")[2]):
                        (self.root / daemon / "cgroup.procs").write_text(str(pid))
                        moved = True

    def processes(self, daemon):
        return processes_in(self.root / daemon)

    def seconds(self, daemon=""):
        """Used so far by the daemon, or by the whole machine."""
        return int((self.root / daemon / "cpuacct.usage").read_text()) / 1e9


class UnifiedCgroups:
    """cgroup v2: the groups that systemd makes for its units count."""

    def __init__(self, init):
        path = CGROUPS / cgroup_paths(init)[""]
        self.root = path.parent if path.name == "init.scope" else path
        self.find_daemons()

    def find_daemons(self):
        self.groups = {daemon: [] for daemon in DAEMONS}
        for path in self.root.rglob("*.service"):
            if daemon := daemon_of_unit(path.name):
                self.groups[daemon].append(path)

    def processes(self, daemon):
        return [pid for group in self.groups[daemon] for pid in processes_in(group)]

    def seconds(self, daemon=""):
        groups = self.groups[daemon] if daemon else [self.root]
        return sum(int(re.search(r"usage_usec (\d+)", (group / "cpu.stat").read_text())[1]) for group in groups) / 1e6


class Accounting:
    def __init__(self, init):
        self.cgroups = (HybridCgroups if (CGROUPS / "cpuacct").is_dir() else UnifiedCgroups)(init)
        self.find_daemons()

    def find_daemons(self):
        self.cgroups.find_daemons()

    def cpu(self):
        """{daemon: seconds so far}; 'other' is the rest of the machine."""
        seconds = {daemon: self.cgroups.seconds(daemon) for daemon in DAEMONS}
        total = self.cgroups.seconds()
        return {**seconds, "other": total - sum(seconds.values()), "total": total}

    def wait_until_quiet(self, timeout=60):
        """What was done by order of a client is over once the machine uses next to no CPU."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            before = self.cgroups.seconds()
            time.sleep(0.2)
            if self.cgroups.seconds() - before < 0.2 * QUIET_SHARE:
                return
        raise RuntimeError(f"the machine is still busy after {timeout} s")

    def memory(self):
        """Mebibytes of each daemon of the mail server, pages that several processes share counted once (PSS)."""
        return {daemon: sum(map(pss, self.cgroups.processes(daemon))) / 1024 for daemon in DAEMONS if daemon != "journald"}

    def backends(self):
        """How many connections PostgreSQL serves, the watcher's included."""
        return sum(map(is_backend, self.cgroups.processes("postgresql")))


def pss(pid):
    with contextlib.suppress(OSError):
        return int(re.search(r"^Pss: *(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)[1])
    return 0


def is_backend(pid):
    with contextlib.suppress(OSError):
        return b" mailserver " in Path(f"/proc/{pid}/cmdline").read_bytes()
    return False


class PeakBackends(threading.Thread):
    """Counts the connections again and again until it is left."""

    def __init__(self, accounting):
        super().__init__(daemon=True)
        self.accounting = accounting
        self.peak = 0
        self.finished = threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *dummy):
        self.finished.set()
        self.join()

    def run(self):
        while not self.finished.wait(0.05):
            self.peak = max(self.peak, self.accounting.backends())
