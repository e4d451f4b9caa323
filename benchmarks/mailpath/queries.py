# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which queries an operation needs: counted in PostgreSQL's log, in passes of their own that nobody times."""

import collections
import contextlib
import re

import load

OPERATIONS = 100
STATEMENT = re.compile(r"(?<!postgres)@mailserver LOG:  (?:statement|execute [^:]*): (.*)")


@contextlib.contextmanager
def logged(machine):
    machine.sql("ALTER SYSTEM SET log_statement = 'all'")
    machine.sql("SELECT pg_reload_conf()")
    try:
        yield
    finally:
        machine.sql("ALTER SYSTEM RESET log_statement")
        machine.sql("SELECT pg_reload_conf()")


def count(machine, operation, users):
    """{query without its values: times per operation}, for users whom the machine has met just before"""
    streams = {operation: load.stream(operation, users, OPERATIONS)}
    load.measure(machine, streams)
    (log,) = machine.path("/var/log/postgresql").glob("postgresql-*-main.log")
    with logged(machine):
        position = log.stat().st_size
        measured = load.measure(machine, streams)
    with log.open(encoding="utf-8", errors="replace") as file:
        file.seek(position)
        found = collections.Counter(without_values(match[1]) for match in map(STATEMENT.search, file) if match)
    return {query: times / measured["operations"] for query, times in found.most_common()}


def without_values(query):
    return re.sub(r"'[^']*'", "'…'", " ".join(query.split()))
