# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""The server as it is, read from PostgreSQL's catalogs for the plan in _schema."""

from __future__ import annotations

from ansible_collections.virtmail.mailserver.plugins.module_utils._schema import (
    OWN_ROLES,
    OWN_SCHEMAS,
    OWNER,
    TABLES,
    Database,
    Grant,
    Role,
    State,
    Thing,
)

_ROLES = """
SELECT
  role.rolname,
  role.rolcanlogin,
  array_remove(ARRAY[
    CASE WHEN role.rolsuper THEN 'SUPERUSER' END,
    CASE WHEN role.rolcreatedb THEN 'CREATEDB' END,
    CASE WHEN role.rolcreaterole THEN 'CREATEROLE' END,
    CASE WHEN role.rolreplication THEN 'REPLICATION' END,
    CASE WHEN role.rolbypassrls THEN 'BYPASSRLS' END
  ], NULL),
  ARRAY(
    SELECT parent.rolname::text
    FROM pg_auth_members AS membership JOIN pg_roles AS parent ON parent.oid = membership.roleid
    WHERE membership.member = role.oid
    ORDER BY 1
  )
FROM pg_roles AS role
WHERE role.rolname = ANY (%s)
"""

_DATABASE = """
SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding) FROM pg_database WHERE datname = %s
"""

# Who may do what. Grants to roles that are not ours are somebody else's decision; those to everybody are not.
_GRANTS = """
SELECT acl.privilege_type, item.kind, item.name, coalesce(role.rolname, 'PUBLIC')
FROM ({items}) AS item (kind, name, acl, owner)
CROSS JOIN aclexplode(item.acl) AS acl
LEFT JOIN pg_roles AS role ON role.oid = acl.grantee
WHERE (acl.grantee = 0 OR role.rolname = ANY (%(roles)s)) AND acl.grantee <> item.owner
"""

_DATABASE_ITEM = """
SELECT 'DATABASE', datname, coalesce(datacl, acldefault('d', datdba)), datdba
FROM pg_database WHERE datname = %(database)s
"""

# Ours are the two schemas with all in them, the tables, and the sequences of their columns.
_OWN_RELATIONS = """
SELECT oid FROM pg_class WHERE relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname = ANY (%(schemas)s))
UNION
SELECT to_regclass(name) FROM unnest(%(tables)s::text[]) AS name
UNION
SELECT objid FROM pg_depend
WHERE classid = 'pg_class'::regclass AND deptype IN ('a', 'i')
  AND refobjid IN (SELECT to_regclass(name) FROM unnest(%(tables)s::text[]) AS name)
"""

_ITEMS = f"""
SELECT 'SCHEMA', quote_ident(nspname), coalesce(nspacl, acldefault('n', nspowner)), nspowner
FROM pg_namespace WHERE nspname = ANY (%(schemas)s) OR nspname = 'public'
UNION ALL
SELECT
  CASE relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'TABLE' END,
  oid::regclass::text,
  coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's'::"char" ELSE 'r'::"char" END, relowner)),
  relowner
FROM pg_class WHERE relkind IN ('r', 'p', 'v', 'm', 'S') AND oid IN ({_OWN_RELATIONS})
UNION ALL
SELECT 'FUNCTION', oid::regprocedure::text, coalesce(proacl, acldefault('f', proowner)), proowner
FROM pg_proc WHERE pronamespace IN (SELECT oid FROM pg_namespace WHERE nspname = ANY (%(schemas)s))
"""

_COLUMN_GRANTS = f"""
SELECT acl.privilege_type || ' (' || quote_ident(attname) || ')', 'TABLE', attrelid::regclass::text,
  coalesce(role.rolname, 'PUBLIC')
FROM pg_attribute
CROSS JOIN aclexplode(attacl) AS acl
JOIN pg_class ON pg_class.oid = attrelid
LEFT JOIN pg_roles AS role ON role.oid = acl.grantee
WHERE (acl.grantee = 0 OR role.rolname = ANY (%(roles)s)) AND acl.grantee <> relowner AND attrelid IN ({_OWN_RELATIONS})
"""

_THINGS = f"""
SELECT 'SCHEMA', quote_ident(nspname), pg_get_userbyid(nspowner)
FROM pg_namespace WHERE nspname = ANY (%(schemas)s)
UNION ALL
SELECT 'TABLE', oid::regclass::text, pg_get_userbyid(relowner)
FROM pg_class
WHERE relkind IN ('r', 'p') AND oid IN ({_OWN_RELATIONS})
UNION ALL
SELECT 'FUNCTION', oid::regprocedure::text, pg_get_userbyid(proowner)
FROM pg_proc WHERE pronamespace IN (SELECT oid FROM pg_namespace WHERE nspname = ANY (%(schemas)s))
ORDER BY 1, 2
"""

# Only those of serial columns: an identity column's needs no grant
_SEQUENCES = """
SELECT objid::regclass::text
FROM pg_depend
WHERE classid = 'pg_class'::regclass AND deptype = 'a'
  AND refobjid IN (SELECT to_regclass(name) FROM unnest(%(tables)s::text[]) AS name)
  AND objid IN (SELECT oid FROM pg_class WHERE relkind = 'S')
ORDER BY 1
"""

_NAMES = {"schemas": list(OWN_SCHEMAS), "tables": list(TABLES), "roles": list(OWN_ROLES)}


def read_server(connection, name):
    """State of the roles and of the database as far as it is seen from another one."""
    rows = connection.execute(_ROLES, ([OWNER, *OWN_ROLES],)).fetchall()
    roles = {row[0]: Role(row[1], tuple(row[2]), tuple(row[3])) for row in rows}
    found = connection.execute(_DATABASE, (name,)).fetchone()
    grants = _grants(connection, _GRANTS.format(items=_DATABASE_ITEM), database=name)
    is_superuser = connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = CURRENT_USER").fetchone()[0]
    return State(
        roles=roles,
        database=Database(*found) if found else None,
        grants=grants,
        is_superuser=is_superuser,
        may_act_as_owner=is_superuser or (OWNER in roles and _may_act_as_owner(connection)),
    )


def read_database(connection, owner, encoding):
    """What is in the database, and the grants on it."""
    # Without a search path every name comes out with its schema
    connection.execute("SET search_path = ''")
    database = Database(
        owner,
        encoding,
        things=tuple(Thing(*row) for row in connection.execute(_THINGS, _NAMES)),
        sequences=tuple(row[0] for row in connection.execute(_SEQUENCES, _NAMES)),
        applied=_applied(connection),
    )
    return database, _grants(connection, _GRANTS.format(items=_ITEMS)) | _grants(connection, _COLUMN_GRANTS)


def _grants(connection, query, **names):
    return frozenset(Grant(*row) for row in connection.execute(query, {**_NAMES, **names}))


def _may_act_as_owner(connection):
    # Since PostgreSQL 16 a membership can come without the right to SET ROLE
    right = "SET" if connection.info.server_version >= 160000 else "MEMBER"
    return connection.execute("SELECT pg_has_role(%s, %s)", (OWNER, right)).fetchone()[0]


def _applied(connection):
    if not connection.execute("SELECT to_regclass('mail_internal.schema_migrations') IS NOT NULL").fetchone()[0]:
        return ()
    rows = connection.execute("SELECT version FROM mail_internal.schema_migrations ORDER BY version")
    return tuple(row[0] for row in rows)
