# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""The directory in PostgreSQL: lock, fetch, apply. Every statement works on a whole set of rows."""

from __future__ import annotations

from contextlib import contextmanager
from itertools import chain, islice

from ansible_collections.virtmail.mailserver.plugins.module_utils._address import domain_part
from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import (
    MailserverError,
    connect,
    error_text,
)
from ansible_collections.virtmail.mailserver.plugins.module_utils._entities import (
    ALIAS,
    APP_PASSWORD,
    DOMAIN,
    KINDS,
    ORGANIZATION,
    USER,
    Column,
    split_app_key,
)

try:
    import psycopg
    from psycopg import sql
except ImportError:
    psycopg = None  # reported by connect

# Versions of the schema that these statements fit
OLDEST_SCHEMA = 9
NEWEST_SCHEMA = 9

# Any number will do, as long as every run of ours takes the same
_LOCK = 0x6D61696C

_SOURCE = Column("source", "source", "text", None, None)
_CHANGING = Column("changing", "", "text", None, None)
_PURGED = Column("purged", "", "boolean", None, None)
_PASSWORD = Column("password", "", "text", None, None)
_EMAIL = Column("email", "email", "text", None, None)
_DOMAIN_ID = Column("domain_id", "", "integer", None, None)

# What has to be gone before a row of a kind can go: the kind, its column, and the column that this is
_CONTENTS = {
    ORGANIZATION.plural: ((DOMAIN, "organization", "name"),),
    DOMAIN.plural: ((USER, "domain_id", "id"), (ALIAS, "domain_id", "id")),
}

# The part of a hash before its salt, which tells the cost. A regular expression would take ten times as long.
_COUNT_PASSWORDS = """
SELECT
  CASE
    WHEN scheme <> ALL (%s) THEN ''
    WHEN method IN ('argon2i', 'argon2id') THEN concat(scheme, '$', method, '$', second, '$', third, '$')
    WHEN method IN ('2a', '2b', '2x', '2y', 'sha1', 'y', 'gy') THEN concat(scheme, '$', method, '$', second, '$')
    WHEN method IN ('5', '6') AND second LIKE 'rounds=%%' THEN concat(scheme, '$', method, '$', second, '$')
    WHEN method IN ('1', '5', '6') OR method LIKE 'md5%%' THEN concat(scheme, '$', method, '$')
    WHEN method = '7' THEN concat(scheme, '$', method, '$', left(second, 11))
    WHEN scheme LIKE '{SCRAM-%%' THEN concat(split_part(password, ',', 1), ',')
    ELSE scheme
  END,
  count(*)
FROM public.virtual_users, LATERAL (
  SELECT
    left(password, strpos(password, '}')) AS scheme,
    split_part(password, '$', 2) AS method,
    split_part(password, '$', 3) AS second,
    split_part(password, '$', 4) AS third
) AS part
GROUP BY 1
"""


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
        _commit(connection)


def _commit(connection):
    try:
        connection.commit()
    except psycopg.Error as exc:
        # The last word of a server that goes away may have been either
        outcome = "All was written or nothing: run this again" if connection.broken else "Nothing was written"
        raise MailserverError(f"Database {connection.info.dbname} failed at the end: {error_text(exc)}. {outcome}.") from exc


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


def fetch_domains(connection):
    """The domains alone: there may be a million users."""
    return _fetch_kind(connection, DOMAIN)


def _fetch_kind(connection, kind):
    if kind is ALIAS:
        return _fetch_aliases(connection)
    found = {}
    for keys, *columns in _stored_columns(connection, kind):
        if kind is APP_PASSWORD:
            keys, columns = map("/".join, zip(keys, columns[0])), columns[1:]
        found.update(zip(keys, map(kind.record._make, zip(*columns))))
    return found


def _fetch_aliases(connection):
    """An alias that somebody else has added a destination to is not ours alone, and so not managed."""
    found = {}
    for columns in _stored_columns(connection, ALIAS):
        for source, *values in zip(*columns):
            found.setdefault(source, []).append(values)
    return {
        source: ALIAS.record(tuple(sorted(destination for destination, dummy in rows)), all(managed for dummy, managed in rows))
        for source, rows in found.items()
    }


def _stored_columns(connection, kind):
    """All columns of a table, an array for each of about a thousand rows: fast in drivers without compiled parts too."""
    arrays = sql.SQL(", ").join(sql.SQL("json_agg({})").format(sql.Identifier(column.name)) for column in _columns(kind))
    with connection.cursor("directory") as cursor:
        cursor.itersize = 16
        yield from cursor.execute(sql.SQL("SELECT {} FROM {} GROUP BY id / 1000").format(arrays, _table(kind)))


def count_passwords(connection, schemes):
    """{the beginning of hashes, of these schemes or empty: how many users have such}

    The server counts, as there may be a million. Empty for a role that may not read passwords.
    """
    readable = "SELECT has_column_privilege('public.virtual_users', 'password', 'SELECT')"
    if not connection.execute(readable).fetchone()[0]:
        return {}
    return dict(connection.execute(_COUNT_PASSWORDS, ([f"{{{scheme}}}" for scheme in schemes],)))


def fetch_history(connection, since, limit):
    """The newest entries, as they are returned to the user."""
    query = (
        "SELECT at, role, kind, key, verb, before, after FROM mail_internal.history"
        " WHERE at >= %s::timestamptz ORDER BY at DESC, id DESC LIMIT %s"
    )
    names = ("at", "role", "kind", "key", "verb", "before", "after")
    rows = connection.execute(query, (since or "-infinity", limit))
    return [dict(zip(names, (at.isoformat(), *values))) for at, *values in rows]


def trim_history(connection, days):
    connection.execute("SELECT mail_internal.trim_history(make_interval(days => %s))", (days,))


def apply(connection, changes):
    """Write the changes: what others stand on is made first and deleted last."""
    by_kind = {kind.plural: [change for change in changes if change.kind is kind] for kind in KINDS}
    for kind in KINDS:
        mine = by_kind[kind.plural]
        _insert(connection, kind, (row for change in mine for row in _added(change)))
        _update(connection, kind, [row for change in mine if change.verb == "updated" for row in _altered(change)])
    for kind in reversed(KINDS):
        _delete(connection, kind, [(*key, change.purged) for change in by_kind[kind.plural] for key in _removed(change)])


def _columns(kind):
    """All columns of ours: first the key, then the others."""
    if kind is ALIAS:
        return (_SOURCE, *kind.columns)
    keys = (_EMAIL,) if kind is APP_PASSWORD else ()
    passwords = (_PASSWORD,) if "password" in kind.record._fields else ()
    return (*keys, Column(kind.key, kind.key, "text", None, None), *passwords, *kind.columns)


def _names(columns):
    return sql.SQL(", ").join(sql.Identifier(column.name) for column in columns)


def _table(kind):
    return sql.Identifier("public", kind.table)


def _rows(kind, key, record):
    """The rows of the table that one row of ours stands for, in the order of _columns."""
    if record is None:
        return []
    if kind is ALIAS:
        return [(key, destination, *record[1:]) for destination in record.destination]
    if kind is APP_PASSWORD:
        return [(*split_app_key(key), *record)]
    return [(key, *record)]


def _added(change):
    rows = _rows(change.kind, change.key, change.after)
    if change.before is None:
        return rows
    keys = _keys(change.kind, change.key, change.before)
    return [row for row in rows if row[: _key_width(change.kind)] not in keys]


def _altered(change):
    """Rows that stay, with the names of the columns that change."""
    before = set(_rows(change.kind, change.key, change.before))
    keys = _keys(change.kind, change.key, change.before)
    names = " ".join(change.columns)
    return [
        (*row, names)
        for row in _rows(change.kind, change.key, change.after)
        if row not in before and row[: _key_width(change.kind)] in keys
    ]


def _removed(change):
    if change.before is None:
        return ()
    return _keys(change.kind, change.key, change.before) - _keys(change.kind, change.key, change.after)


def _keys(kind, key, record):
    return {row[: _key_width(kind)] for row in _rows(kind, key, record)}


def _key_width(kind):
    return 2 if kind in (ALIAS, APP_PASSWORD) else 1


def _insert(connection, kind, rows):
    """Straight into the table: nothing is faster, and PostgreSQL allows it to whom row-level security does not concern."""
    first = next(rows, None)
    if first is None:
        return
    rows, columns = chain([first], rows), _columns(kind)
    if kind in (USER, ALIAS):
        columns = (*columns, _DOMAIN_ID)
        rows = _with_domain_ids(rows, dict(connection.execute("SELECT name, id FROM public.virtual_domains")))
    names = _names(columns)
    if connection.execute("SELECT row_security_active(%s)", (f"public.{kind.table}",)).fetchone()[0]:
        _give(connection, columns, rows)
        connection.execute(sql.SQL("INSERT INTO {} ({}) SELECT {} FROM pg_temp.given").format(_table(kind), names, names))
    else:
        _copy(connection, _table(kind), names, rows)


def _with_domain_ids(rows, ids):
    for row in rows:
        domain = domain_part(row[0])
        if domain not in ids:
            raise _meanwhile()
        yield (*row, ids[domain])


def _update(connection, kind, rows):
    """Only values that we change are written: somebody else may be changing the others."""
    if not rows:
        return
    columns = _columns(kind)
    assignment = "{name} = CASE WHEN {text} = ANY (string_to_array(given.changing, ' ')) THEN given.{name} ELSE stored.{name} END"
    query = sql.SQL("UPDATE {} AS stored SET {} FROM pg_temp.given WHERE {}").format(
        _table(kind),
        sql.SQL(", ").join(
            sql.SQL(assignment).format(name=sql.Identifier(column.name), text=sql.Literal(column.name))
            for column in columns[_key_width(kind) :]
        ),
        _same_key(kind),
    )
    _give(connection, (*columns, _CHANGING), rows)
    if connection.execute(query).rowcount != len(rows):
        raise _meanwhile()


def _delete(connection, kind, rows):
    """Only what is still as it was when we looked: what is purged is managed, and nothing takes others' rows with it."""
    if not rows:
        return
    _give(connection, (*_columns(kind)[: _key_width(kind)], _PURGED), rows)
    conditions = [_same_key(kind), sql.SQL("(stored.managed OR NOT given.purged)")]
    if kind.plural in _CONTENTS:
        # Whoever is adding a row to it has finished then, and nobody else can begin
        lock = sql.SQL("SELECT FROM {} AS stored, pg_temp.given WHERE {} FOR UPDATE OF stored")
        connection.execute(lock.format(_table(kind), _same_key(kind)))
        empty = sql.SQL("NOT EXISTS (SELECT FROM {} WHERE {} = stored.{})")
        conditions += [
            empty.format(_table(other), sql.Identifier(theirs), sql.Identifier(ours)) for other, theirs, ours in _CONTENTS[kind.plural]
        ]
    query = sql.SQL("DELETE FROM {} AS stored USING pg_temp.given WHERE {}")
    query = query.format(_table(kind), sql.SQL(" AND ").join(conditions))
    if connection.execute(query).rowcount != len(rows):
        raise _meanwhile()


def _same_key(kind):
    same = sql.SQL("stored.{name} = given.{name}")
    names = [sql.Identifier(column.name) for column in _columns(kind)[: _key_width(kind)]]
    return sql.SQL(" AND ").join(same.format(name=name) for name in names)


def _give(connection, columns, rows):
    """Put the rows into the temporary table, whose size the planner has to know: its guess can take hours."""
    connection.execute("DROP TABLE IF EXISTS pg_temp.given")
    definitions = [sql.SQL("{} {}").format(sql.Identifier(column.name), sql.SQL(column.sql_type)) for column in columns]
    connection.execute(
        sql.SQL("CREATE TEMPORARY TABLE given ({}) ON COMMIT DROP").format(sql.SQL(", ").join(definitions))
    )
    _copy(connection, sql.Identifier("pg_temp", "given"), _names(columns), iter(rows))
    connection.execute("ANALYZE pg_temp.given")


def _copy(connection, table, names, rows):
    lines = map(_line, rows)
    with connection.cursor().copy(sql.SQL("COPY {} ({}) FROM STDIN").format(table, names)) as copy:
        while block := "".join(islice(lines, 1000)):
            copy.write(block)


def _line(row):
    return "\t".join(map(_field, row)) + "\n"


def _field(value):
    """A value in the text form of COPY."""
    if value is None:
        return "\\N"
    if isinstance(value, str):
        return value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
    return str(value)


def _meanwhile():
    return MailserverError("Somebody else changed the directory meanwhile. Nothing was written: run this again.")
