# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of what was measured, and whether it is what we promise."""

import collections
import re
import statistics

COLUMNS = ("total", "postfix", "dovecot", "postgresql", "journald", "rspamd", "fail2ban")


def median(rounds, *keys):
    """Of the figure that is found behind the keys in each round"""

    def look(measured):
        for key in keys:
            measured = measured[key]
        return measured

    return statistics.median(map(look, rounds))


def memory(rounds):
    """Mebibytes of all daemons"""
    return statistics.median(sum(measured["memory"].values()) for measured in rounds)


def print_workload(release, number, name, measured):
    print(f"\n{name}, {release}, {number} accounts")
    if name == "queries":
        print_queries(measured)
    elif name == "passwords":
        for arm, schemes in measured.items():
            print_rounds({f"{arm}: {scheme}": [each] for scheme, each in schemes.items()})
    else:
        print_rounds(measured)


def print_rounds(measured):
    width = max(map(len, measured))
    print(f"{'CPU ms each:':{width}}{''.join(f'{column:>11}' for column in COLUMNS)}{'rate/s':>9}{'p50 ms':>9}{'p99 ms':>9}", end="")
    print(f"{'failed':>8}{'backends':>10}{'MiB':>7}{'generator ms':>14}")
    for arm, rounds in measured.items():
        cpu = "".join(f"{median(rounds, 'cpu', column):11.2f}" for column in COLUMNS)
        print(f"{arm:{width}}{cpu}{median(rounds, 'rate'):9.1f}{median(rounds, 'p50'):9.0f}{median(rounds, 'p99'):9.0f}", end="")
        failed, backends = sum(len(each["failures"]) for each in rounds), max(each["backends"] for each in rounds)
        print(f"{failed:8}{backends:10}{memory(rounds):7.0f}{median(rounds, 'generator'):14.2f}")
        print_particulars(rounds)


def print_particulars(rounds):
    for measured in rounds:
        if "kept" in measured:
            print(f"    {measured['served']} logins served; mail on 25 keeps {measured['kept']:.2f} of its rate")
    print_failures([failure for measured in rounds for failure in measured["failures"]])


def print_failures(failures):
    """The most frequent ones; addresses in them are left out."""
    kinds = collections.Counter(re.sub(r"<[^>]*>", "<...>", failure) for failure in failures)
    for failure, times in kinds.most_common(3):
        print(f"    {times} times {failure}")


def print_queries(measured):
    for arm, operations in measured.items():
        for operation, found in operations.items():
            print(f"{arm}, {operation}: {sum(found.values()):.2f}")
            for query, times in found.items():
                print(f"    {times:6.2f}  {query[:150]}")


class Measured:
    """All of one release, as promises ask for it. KeyError or ZeroDivisionError: it was left out, or nobody was served."""

    def __init__(self, results):
        self.results = results
        self.first = next(iter(results))

    def cpu(self, workload, arm, number=None):
        return median(self.results[number or self.first][workload][arm], "cpu", "total")

    def ratio(self, workload, arm, other):
        return self.cpu(workload, arm) / self.cpu(workload, other)

    def growth(self, workload):
        if len(self.results) == 1:
            raise KeyError("a second number of accounts")
        return self.cpu(workload, "ours", max(self.results)) / self.cpu(workload, "ours")

    def p99_ratio(self):
        deliver = self.results[self.first]["deliver"]
        return median(deliver["ours"], "p99") / median(deliver["guides"], "p99")

    def memory_ratio(self):
        deliver = self.results[self.first]["deliver"]
        return memory(deliver["ours"]) / memory(deliver["guides"])

    def memory_of_a_client_ratio(self):
        """The guides refuse many of the clients, who take no memory any more."""
        ours, guides = (memory([self.at_once(arm)]) / self.at_once(arm)["operations"] for arm in ("ours", "guides"))
        return ours / guides

    def at_once(self, arm):
        return self.results[self.first]["at_once"][arm][0]

    def storm(self):
        return self.results[self.first]["storm"]["ours"][0]

    def backends(self):
        workloads = self.results[self.first].items()
        return max(each["backends"] for name, arms in workloads if name not in ("queries", "passwords") for each in arms.get("ours", []))

    def queries(self):
        return sum(self.results[self.first]["queries"]["ours"]["deliver"].values())


PROMISES = [
    ("CPU of a message, ours/nodb", lambda measured: measured.ratio("deliver", "ours", "nodb"), "<=", 1.15),
    ("CPU of a message, guides/ours", lambda measured: measured.ratio("deliver", "guides", "ours"), ">=", 1.25),
    ("CPU of a login, ours/nodb", lambda measured: measured.ratio("imap", "ours", "nodb"), "<=", 1.10),
    ("CPU of a login, guides/ours (shared)", lambda measured: measured.ratio("imap", "guides", "ours"), ">=", 4),
    ("CPU of a login, guides/ours (isolated)", lambda measured: measured.ratio("imap", "guides", "isolated"), ">=", 1.5),
    ("CPU of a submission, ours/nodb", lambda measured: measured.ratio("submit", "ours", "nodb"), "<=", 1.15),
    ("p99 until a message is accepted, ours/guides", Measured.p99_ratio, "<=", 0.35),
    ("failures of 400 clients at once", lambda measured: len(measured.at_once("ours")["failures"]), "<=", 0),
    ("PostgreSQL backends", Measured.backends, "<=", 16),
    ("queries for a message", Measured.queries, "<=", 3),
    ("PSS with 20 clients on 25, ours/guides", Measured.memory_ratio, "<=", 0.75),
    ("PSS for each of 400 clients that is served, ours/guides", Measured.memory_of_a_client_ratio, "<=", 0.75),
    ("CPU of a message, most/fewest accounts", lambda measured: measured.growth("deliver"), "<=", 1.1),
    ("CPU of a login, most/fewest accounts", lambda measured: measured.growth("imap"), "<=", 1.1),
    ("storm: logins served of 1000", lambda measured: measured.storm()["served"], ">=", 1000),
    ("storm: rate of mail on 25 that is left", lambda measured: measured.storm()["kept"], ">=", 0.5),
]


def print_promises(release, results):
    print(f"\n{release}: medians, beside what is promised")
    for name, ask, comparison, bound in PROMISES:
        try:
            value = ask(Measured(results))
        except (KeyError, ValueError, ZeroDivisionError):
            print(f"{name:57} not measured")
            continue
        kept = value <= bound if comparison == "<=" else value >= bound
        print(f"{name:57}{value:9.2f} {comparison} {bound:<6} {'kept' if kept else 'NOT KEPT'}")
