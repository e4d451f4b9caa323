# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""The directory in PostgreSQL: lock, fetch, apply. Every statement works on a whole set of rows."""

from __future__ import annotations

from contextlib import contextmanager

from ansible_collections.virtmail.mailserver.plugins.module_utils._address import domain_part
from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import (
    MailserverError,
    connect,
    error_text,
)
from ansible_collections.virtmail.mailserver.plugins.module_utils._entities import ALIAS, DOMAIN, KINDS, USER, Column

try:
    import psycopg
    from psycopg import sql
except ImportError:
    psycopg = None  # reported by connect

# Versions of the schema that these statements fit
OLDEST_SCHEMA = 1
NEWEST_SCHEMA = 3

# Any number will do, as long as every run of ours takes the same
_LOCK = 0x6D61696C

_KEY_COLUMNS = {kind.plural: Column(kind.key, kind.key, "text", None, None) for kind in KINDS}
_PASSWORD = Column("password", "", "text", None, None)


@contextmanager
def open_directory(params):
    """A connection with one transaction around all that follows; an error undoes everything."""
    with connect(params) as connection:
        try:
            _check_schema(connection)
            yield connection
        except psycopg.Error as exc:
            raise MailserverError(
                f"Database {connection.info.dbname} refused: {error_text(exc)}. Nothing was written."
            ) from exc


def _check_schema(connection):
    database = connection.info.dbname
    tables = connection.execute(
        "SELECT count(*) FROM pg_tables WHERE (schemaname, tablename) IN"
        " (('public', 'virtual_domains'), ('public', 'virtual_users'), ('public', 'virtual_aliases'),"
        " ('mail_internal', 'schema_migrations'))"
    ).fetchone()[0]
    if tables < 4:
        raise MailserverError(f"Database {database} has no mail tables of ours: run the role postgres_mail to make them.")
    version = connection.execute("SELECT coalesce(max(version), 0) FROM mail_internal.schema_migrations").fetchone()[0]
    if version < OLDEST_SCHEMA:
        raise MailserverError(f"Database {database} has an old schema: run the role postgres_mail to bring it up to date.")
    if version > NEWEST_SCHEMA:
        raise MailserverError(
            f"Database {database} has version {version} of the schema, and this collection knows only {NEWEST_SCHEMA}:"
            " upgrade the collection."
        )


def lock(connection):
    """Wait until no other run changes the directory; held until the transaction ends."""
    connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))


def fetch(connection):
    """The stored directory, as _plan describes it."""
    return {kind.plural: _fetch_kind(connection, kind) for kind in KINDS}


def _fetch_kind(connection, kind):
    if kind is ALIAS:
        query = "SELECT source, array_agg(destination) FROM public.virtual_aliases GROUP BY source"
        return {source: {"destination": tuple(sorted(found))} for source, found in connection.execute(query)}
    columns = _stored_columns(kind)
    query = sql.SQL("SELECT {} FROM {}").format(_names(columns), sql.Identifier("public", kind.table))
    names = [column.name for column in columns[1:]]
    return {key: dict(zip(names, values)) for key, *values in connection.execute(query)}


def apply(connection, changes):
    """Write the changes: what others stand on is made first and deleted last."""
    for kind in KINDS:
        mine = [change for change in changes if change.kind is kind]
        if kind is ALIAS:
            _insert(connection, kind, _added_pairs(mine))
        else:
            _insert(connection, kind, [_values(change) for change in mine if change.verb == "created"])
            _update(connection, kind, [change for change in mine if change.verb == "updated"])
    _delete_pairs(connection, _removed_pairs([change for change in changes if change.kind is ALIAS]))
    for kind in (USER, DOMAIN):
        keys = [change.key for change in changes if change.kind is kind and change.verb == "deleted"]
        _delete(connection, kind, keys)


def _stored_columns(kind):
    return (_KEY_COLUMNS[kind.plural], *((_PASSWORD,) if kind is USER else ()), *kind.columns)


def _names(columns):
    return sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)


def _values(change):
    """Key and values in the order of _stored_columns; new passwords are hashed here, and nowhere else."""
    after = dict(change.after)
    if "password" in after:
        after["password"] = after["password"].stored_form() if "password" in change.columns else None
    return (change.key, *(after[column.name] for column in _stored_columns(change.kind)[1:]))


def _pairs(key, values):
    return {(key, destination) for destination in (values or {}).get("destination", ())}


def _added_pairs(changes):
    return [pair for change in changes for pair in _pairs(change.key, change.after) - _pairs(change.key, change.before)]


def _removed_pairs(changes):
    return [pair for change in changes for pair in _pairs(change.key, change.before) - _pairs(change.key, change.after)]


def _unnest(columns):
    """FROM item that makes rows of one array for each column."""
    arrays = sql.SQL(", ").join(sql.SQL(f"%s::{column.sql_type}[]") for column in columns)
    return sql.SQL("unnest({}) AS given ({})").format(arrays, _names(columns))


def _insert(connection, kind, rows):
    columns = _stored_columns(kind)
    if not rows:
        return
    if kind is DOMAIN:
        query = sql.SQL("INSERT INTO {table} ({names}) SELECT * FROM {given}")
    else:
        columns = (*columns, Column("domain", "", "text", None, None))
        rows = [(*row, domain_part(row[0])) for row in rows]
        query = sql.SQL(
            "INSERT INTO {table} ({names}, domain_id) SELECT {given_names}, domain.id FROM {given}"
            " JOIN public.virtual_domains AS domain ON domain.name = given.domain"
        )
    own = _stored_columns(kind)
    query = query.format(
        table=sql.Identifier("public", kind.table),
        names=_names(own),
        given_names=sql.SQL(", ").join(sql.Identifier("given", column.name) for column in own),
        given=_unnest(columns),
    )
    _execute(connection, query, rows)


def _update(connection, kind, changes):
    """Only values that we change are written: somebody else may be changing the others."""
    if not changes:
        return
    key, *columns = _stored_columns(kind)
    assignment = "{name} = CASE WHEN {text} = ANY (string_to_array(given.changing, ' ')) THEN given.{name} ELSE stored.{name} END"
    query = sql.SQL("UPDATE {table} AS stored SET {assignments} FROM {given} WHERE stored.{key} = given.{key}").format(
        table=sql.Identifier("public", kind.table),
        assignments=sql.SQL(", ").join(
            sql.SQL(assignment).format(name=sql.Identifier(column.name), text=sql.Literal(column.name))
            for column in columns
        ),
        given=_unnest((key, *columns, Column("changing", "", "text", None, None))),
        key=sql.Identifier(key.name),
    )
    _execute(connection, query, [(*_values(change), " ".join(change.columns)) for change in changes])


def _delete(connection, kind, keys):
    if keys:
        query = sql.SQL("DELETE FROM {} WHERE {} = ANY (%s)")
        query = query.format(sql.Identifier("public", kind.table), sql.Identifier(kind.key))
        connection.execute(query, (keys,))


def _delete_pairs(connection, pairs):
    if pairs:
        query = sql.SQL(
            "DELETE FROM public.virtual_aliases AS stored USING {given}"
            " WHERE stored.source = given.source AND stored.destination = given.destination"
        ).format(given=_unnest(_stored_columns(ALIAS)))
        connection.execute(query, [list(array) for array in zip(*pairs)])


def _execute(connection, query, rows):
    """One array for each column, and as many rows written as given."""
    written = connection.execute(query, [list(array) for array in zip(*rows)]).rowcount
    if written != len(rows):
        raise MailserverError(
            "Somebody else changed the directory meanwhile. Nothing was written: run this again."
        )
