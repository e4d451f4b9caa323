# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many at once: every session is served, and PostgreSQL's connections are not used up."""

import concurrent.futures
import contextlib

import wire

SESSIONS = 45
# PostgreSQL has 97 for everybody; what Postfix, Dovecot and the watcher have at the same time stays below this.
MAX_BACKENDS = 16
BACKENDS = "runuser -u postgres -- psql -qAtc \"SELECT count(*) FROM pg_stat_activity WHERE usename LIKE 'mail\\_%'\""


def ask(client):
    """The answer to a recipient; four kinds of lookup are behind it."""
    client.ask("EHLO client.test")
    client.ask("MAIL FROM:<stranger@elsewhere.test>")
    return wire.code_of(client.ask("RCPT TO:<info@example.test>"))


def test_sessions_share_a_few_database_connections(machine):
    with contextlib.ExitStack() as stack, concurrent.futures.ThreadPoolExecutor(SESSIONS) as pool:
        clients = list(pool.map(lambda _: stack.enter_context(wire.Wire(machine, wire.SMTP)), range(SESSIONS)))
        assert list(pool.map(ask, clients)) == [250] * SESSIONS
        # With a connection for each process and kind of lookup, there would be more than there are sessions.
        assert 0 < int(machine.host.check_output(BACKENDS)) <= MAX_BACKENDS
