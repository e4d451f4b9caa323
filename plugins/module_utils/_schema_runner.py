# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""Read the server, plan, and unless in check mode execute the plan."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.virtmail.mailserver.plugins.module_utils import _schema_credentials as credentials
from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import (
    MailserverError,
    connect,
    error_text,
)
from ansible_collections.virtmail.mailserver.plugins.module_utils._schema import (
    AS_OWNER,
    LOGIN_ROLES,
    LOGIN_USER,
    OWNER,
    SERVER,
    diff,
    parse_migrations,
    plan,
)
from ansible_collections.virtmail.mailserver.plugins.module_utils._schema_catalog import read_database, read_server

try:
    import psycopg
    from psycopg import sql
except ImportError:
    pass  # connect() says so

MAINTENANCE_DATABASE = "postgres"

# SQLSTATE of the notices in which migrations tell what they do with rows that were there before
_TOLD = "MAIL1"

_RECORDS = (
    "CREATE SCHEMA IF NOT EXISTS mail_internal",
    "CREATE TABLE IF NOT EXISTS mail_internal.schema_migrations ("
    "version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())",
)


def run(params, check_mode):
    """The module's whole work; returns what it answers."""
    try:
        return _run(params, check_mode)
    except MailserverError:
        raise
    except psycopg.Error as exc:
        raise MailserverError(f"PostgreSQL refused: {error_text(exc)}.") from exc


def _run(params, check_mode):
    migrations = parse_migrations(params["migrations"])
    with connect(params, MAINTENANCE_DATABASE) as server:
        server.autocommit = True
        # One run at a time, from the first look on: a plan must not grow old. The end of the connection unlocks.
        server.execute("SELECT pg_advisory_lock(hashtext('virtmail.mailserver.virtual_schema'))")
        state = _read(server, params)
        changes = plan(state, params["login_db"], migrations)
        adoption = []
        if changes and not check_mode:
            adoption = _apply(server, params, changes, state)
        elif state.database and any(change.migration for change in changes):
            adoption = _rehearse(params, changes)
    return {
        "changed": bool(changes),
        "adoption": adoption,
        "applied_migrations": [change.migration.name for change in changes if change.migration],
        "schema_version": len(migrations),
        "diff": diff(changes),
    }


def _read(server, params):
    state = read_server(server, params["login_db"])
    if state.database:
        with connect(params) as connection:
            database, grants = read_database(connection, state.database.owner, state.database.encoding)
        state = replace(state, database=database, grants=state.grants | grants)
    return replace(state, locked_out=_locked_out(state, params))


def _locked_out(state, params):
    """Roles whose password must be set, because they are new or it is not what their file says."""
    directory = params["credentials_directory"]
    if not directory:
        return frozenset()
    return frozenset(
        role
        for role in LOGIN_ROLES
        if role not in state.roles
        or not credentials.is_current(directory, role, params)
        or not credentials.can_log_in(directory, role, params)
    )


def _apply(server, params, changes, state):
    if not state.database:
        # A database cannot be made in a transaction; where there is one, all is done in it or nothing
        _execute_stage(server, changes, SERVER)
        changes = [change for change in changes if change.stage != SERVER]
    with connect(params) as connection, connection.transaction():
        adoption = _change_database(connection, params, changes)
    _set_passwords(server, params, state.locked_out)
    for role in sorted(state.locked_out):
        credentials.require_login(params["credentials_directory"], role, params)
    return adoption


def _rehearse(params, changes):
    """Do it all in a transaction that is taken back: nothing else could say what adoption comes to."""
    with connect(params) as connection, connection.transaction(force_rollback=True):
        # Whoever uses the tables shall not have to wait for a rehearsal that waits for somebody else
        connection.execute("SET LOCAL lock_timeout = '5s'")
        return _change_database(connection, params, changes)


def _change_database(connection, params, changes):
    """Returns what the migrations tell about rows that they found."""
    told = []
    connection.add_notice_handler(lambda notice: told.append(notice.message_primary) if notice.sqlstate == _TOLD else None)
    connection.execute("SELECT set_config('mail.set_aside', %s, true)", ("on" if params["set_aside"] else "off",))
    _execute_stage(connection, changes, SERVER)
    _execute_stage(connection, changes, LOGIN_USER)
    connection.execute(f"SET LOCAL ROLE {OWNER}")
    _execute_stage(connection, changes, AS_OWNER)
    return told


def _set_passwords(server, params, roles):
    for role in sorted(roles):
        password = credentials.ensure_file(params["credentials_directory"], role, params)
        verifier = sql.Literal(credentials.verifier(server, role, password))
        server.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), verifier))


def _execute_stage(connection, changes, stage):
    for change in changes:
        if change.stage != stage:
            continue
        if change.migration:
            for statement in _RECORDS:
                connection.execute(statement)
        for statement in change.statements:
            _execute(connection, statement, change)
        if change.migration:
            connection.execute(
                "INSERT INTO mail_internal.schema_migrations (version, name) VALUES (%s, %s)",
                (change.migration.version, change.migration.name),
            )


def _execute(connection, statement, change):
    try:
        connection.execute(statement)
    except psycopg.Error as exc:
        raise MailserverError(f"Cannot make this so: {change.after or 'no ' + change.before}: {error_text(exc)}.") from exc
