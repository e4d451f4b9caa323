# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What an organization's database role can do: look after its own rows, and nothing else, whatever it tries."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

HASH = "{SHA512-CRYPT}$6$rounds=5001$salt$" + "x" * 86
FOREIGN_HASH = "{SHA512-CRYPT}$6$rounds=5001$foreign$" + "y" * 86
COSTLY_HASH = "{SHA512-CRYPT}$6$rounds=10000000$salt$" + "x" * 86

DIRECTORY = f"""
CREATE ROLE panel LOGIN IN ROLE mail_tenant;
CREATE ROLE "Other Panel" LOGIN IN ROLE mail_tenant;
CREATE ROLE nobodys LOGIN IN ROLE mail_tenant;
INSERT INTO virtual_organizations (name, description, max_users, max_aliases, database_role) VALUES
  ('acme', 'pays late', 5, 20, 'panel'), ('foreign-organization', '', NULL, NULL, 'Other Panel');
INSERT INTO virtual_domains (id, name, organization, managed) VALUES
  (1, 'own.test', 'acme', true), (2, 'own2.test', 'acme', false),
  (3, 'foreign.test', 'foreign-organization', true), (4, 'foreign-to-all.test', NULL, false);
ALTER TABLE virtual_domains ALTER id RESTART WITH 10;
INSERT INTO virtual_users (domain_id, email, password, managed)
  SELECT id, box || '@' || name, CASE WHEN id < 3 THEN '{HASH}' ELSE '{FOREIGN_HASH}' END, managed
  FROM virtual_domains, (VALUES ('alice'), ('bob')) AS boxes (box);
INSERT INTO virtual_aliases (domain_id, source, destination, managed)
  SELECT id, 'info@' || name, 'alice@' || name, managed FROM virtual_domains;
ANALYZE;
"""
TABLES = ("virtual_organizations", "virtual_domains", "virtual_users", "virtual_aliases")
REFUSALS = (psycopg.errors.InsufficientPrivilege, psycopg.errors.CheckViolation)
USER = "INSERT INTO virtual_users (domain_id, email, password) VALUES "
ALIAS = "INSERT INTO virtual_aliases (domain_id, source, destination) VALUES "


def connect(database, role):
    options = {"host": database["login_unix_socket"], "user": role, "dbname": database["login_db"]}
    return psycopg.connect(**options, autocommit=True)


@pytest.fixture
def superuser(installed):
    with connect(installed, "postgres") as connection:
        connection.execute(DIRECTORY)
        yield connection


@pytest.fixture
def tenant(installed, superuser):
    with connect(installed, "panel") as connection:
        yield connection


@pytest.fixture
def unchanged(superuser):
    """What no tenant can have changed, in all tables of the database."""

    def read():
        foreign = {
            table: superuser.execute(f"SELECT * FROM {table} AS found WHERE found::text LIKE '%foreign%' ORDER BY id").fetchall()
            for table in TABLES
        }
        removed = superuser.execute("SELECT * FROM mail_internal.removed_mailboxes WHERE email LIKE '%foreign%' ORDER BY email")
        foreign["removed mailboxes"] = removed.fetchall()
        own = [superuser.execute("SELECT * FROM virtual_organizations WHERE name = 'acme'").fetchone()[:-1]]
        own += superuser.execute("SELECT id, name, organization, active, managed FROM virtual_domains ORDER BY id").fetchall()
        for table, key in (("virtual_users", "email"), ("virtual_aliases", "source")):
            own += superuser.execute(f"SELECT {key}, domain_id, managed FROM {table} WHERE managed ORDER BY id").fetchall()
        internal = [
            superuser.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier("mail_internal", name))).fetchall()
            for (name,) in superuser.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = 'mail_internal'::regnamespace"
                " AND relkind IN ('r', 'p') AND relname NOT IN ('history', 'removed_mailboxes') ORDER BY 1"
            )
        ]
        assert len(foreign["virtual_users"]) == 4 and len(internal) >= 2
        return foreign, own, internal

    return read


def relations(superuser):
    """Everything that has rows, of all schemas, PostgreSQL's own among them."""
    query = "SELECT nspname, relname FROM pg_class JOIN pg_namespace AS schema ON schema.oid = relnamespace WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S')"
    return [sql.Identifier(*row) for row in superuser.execute(query)]


def attempt(tenant, statement):
    """The rows that it returns; none if it is refused."""
    try:
        cursor = tenant.execute(statement)
        return cursor.fetchall() if cursor.description else []
    except psycopg.Error:
        return []


def test_reads_nothing_of_others_in_any_table_or_view(tenant, superuser):
    found = relations(superuser)
    assert len(found) > 100
    (channel,) = superuser.execute("SELECT mail_lookup.channel()").fetchone()
    for relation in found:
        for selected in readable(tenant, superuser, relation):
            text = str(attempt(tenant, sql.SQL("SELECT {} FROM {}").format(selected, relation)))
            for secret in ("foreign.test", "foreign-to-all", "foreign-organization", "$6$", "pays late", channel):
                assert secret not in text, (relation, selected)


def readable(tenant, superuser, relation):
    """All columns at once, or if that is refused each alone."""
    try:
        tenant.execute(sql.SQL("SELECT * FROM {} LIMIT 0").format(relation))
        return [sql.SQL("*")]
    except psycopg.Error:
        query = "SELECT attname FROM pg_attribute WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped"
        return [sql.Identifier(name) for (name,) in superuser.execute(query, (relation.as_string(superuser),))]


def test_changes_nothing_of_others_in_any_table(tenant, superuser, unchanged):
    before = unchanged()
    query = (
        "SELECT attrelid::regclass::text, attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid"
        " WHERE relkind IN ('r', 'p', 'v', 'm', 'S') AND attnum > 0 AND NOT attisdropped"
        " AND relnamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'pg_toast'::regnamespace)"
    )
    columns = superuser.execute(query).fetchall()
    assert len(columns) > 40
    values = ("1", "3", "'x@foreign.test'", "'@foreign.test'", "'x'", "'foreign-organization'", "'acme'", "true", "false", "NULL", "DEFAULT")
    for table, column in columns:
        for value in values:
            attempt(tenant, f'UPDATE {table} SET "{column}" = {value}')
            attempt(tenant, f'INSERT INTO {table} ("{column}") VALUES ({value})')
    for table in sorted({table for table, dummy in columns}):
        attempt(tenant, f"LOCK {table}")
        attempt(tenant, f"TRUNCATE {table} CASCADE")
        attempt(tenant, f"DROP TABLE {table} CASCADE")
        attempt(tenant, f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
        attempt(tenant, f"SELECT setval('{table}', 1)")
    assert unchanged() == before
    for table in sorted({table for table, dummy in columns}):
        attempt(tenant, f"DELETE FROM {table}")
    foreign, dummy, internal = unchanged()
    assert (foreign, internal) == (before[0], before[2])


def test_calls_no_function(tenant, superuser):
    query = (
        "SELECT nspname, proname, pronargs, has_function_privilege('panel', pg_proc.oid, 'EXECUTE')"
        " FROM pg_proc JOIN pg_namespace AS schema ON schema.oid = pronamespace"
        " WHERE nspname NOT IN ('pg_catalog', 'information_schema')"
    )
    functions = superuser.execute(query).fetchall()
    assert len(functions) > 20
    # Policies call these two, and nobody else can without a right on the schema
    assert sorted(name for dummy, name, dummy, allowed in functions if allowed) == ["is_affordable_hash", "is_hosted"]
    for schema, name, count, dummy in functions:
        call = sql.SQL("SELECT {}({})").format(sql.Identifier(schema, name), sql.SQL(", ").join([sql.NULL] * count))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            tenant.execute(call)


def test_creates_nothing(tenant):
    for statement in (
        "CREATE TABLE public.mine ()",
        "CREATE TEMPORARY TABLE mine ()",
        "CREATE SCHEMA mine",
        "CREATE FUNCTION public.mine() RETURNS integer LANGUAGE sql AS 'SELECT 1'",
        "SET ROLE mail_admin",
        "CREATE ROLE mine",
        "COPY virtual_users (email) TO '/tmp/mine'",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            tenant.execute(statement)


def test_hears_nothing_of_others(tenant, superuser):
    for channel in ("mail_directory", "mail_directory_"):
        tenant.execute(f"LISTEN {channel}")
    superuser.execute("UPDATE virtual_users SET active = NOT active")
    superuser.execute("NOTIFY mail_directory, 'end'")
    assert next(tenant.notifies(timeout=60)).payload == "end"


@pytest.mark.parametrize("role", ["nobodys", "mail_tenant"])
def test_who_belongs_to_no_organization_sees_nothing(installed, superuser, role):
    superuser.execute("ALTER ROLE mail_tenant LOGIN")
    superuser.execute("UPDATE virtual_organizations SET database_role = NULL WHERE name = 'acme'")
    with connect(installed, role) as connection:
        for table, column in zip(TABLES, ("name", "name", "email", "source")):
            assert connection.execute(f"SELECT {column} FROM {table}").fetchall() == []


def test_each_organization_has_its_own(installed, tenant):
    with connect(installed, "Other Panel") as other:
        assert other.execute("SELECT email FROM virtual_users ORDER BY 1").fetchall() == [
            ("alice@foreign.test",),
            ("bob@foreign.test",),
        ]
    assert tenant.execute("SELECT name, max_users FROM virtual_organizations").fetchall() == [("acme", 5)]
    assert tenant.execute("SELECT name FROM virtual_domains ORDER BY 1").fetchall() == [("own.test",), ("own2.test",)]
    assert tenant.execute("SELECT count(*) FROM virtual_users").fetchone() == (4,)
    assert tenant.execute("SELECT source FROM virtual_aliases ORDER BY 1").fetchall() == [("info@own.test",), ("info@own2.test",)]


@pytest.mark.parametrize(
    "statement",
    [
        USER + f"(1, 'new@own.test', '{HASH}')",
        f"UPDATE virtual_users SET password = '{HASH}', active = false, quota_bytes = 5 WHERE email = 'alice@own.test'",
        "DELETE FROM virtual_users WHERE email = 'bob@own2.test'",
        "UPDATE virtual_domains SET description = 'ours' WHERE name = 'own.test'",
        ALIAS + "(1, 'new@own.test', 'someone@elsewhere.test'), (1, 'new@own.test', 'alice@own2.test')",
        ALIAS + "(1, '@own.test', 'alice@own.test'), (2, '@own2.test', '@own.test')",
        "UPDATE virtual_aliases SET destination = 'bob@own.test' WHERE source = 'info@own.test'",
        "DELETE FROM virtual_aliases WHERE source = 'info@own2.test'",
    ],
)
def test_own_rows_are_changed(tenant, superuser, statement):
    assert tenant.execute(statement).rowcount > 0
    (role,) = superuser.execute("SELECT role FROM mail_internal.history ORDER BY id DESC LIMIT 1").fetchone()
    assert role == "panel"


@pytest.mark.parametrize(
    "statement",
    [
        # others' domains, under whatever number
        USER + f"(3, 'new@foreign.test', '{HASH}')",
        USER + f"(1, 'new@foreign.test', '{HASH}')",
        USER + f"(1, 'new@own2.test', '{HASH}')",
        USER + f"(3, 'new@own.test', '{HASH}')",
        ALIAS + "(3, 'new@foreign.test', 'alice@own.test')",
        ALIAS + "(1, 'alice@foreign.test', 'alice@own.test')",
        ALIAS + "(4, '@foreign-to-all.test', 'alice@own.test')",
        # names that would leave the mailbox's place, or be several
        USER + f"(1, '../foreign.test/alice@own.test', '{HASH}')",
        USER + f"(1, '..@own.test', '{HASH}')",
        USER + f"(1, '@own.test', '{HASH}')",
        USER + f"(1, 'x@foreign.test@own.test', '{HASH}')",
        ALIAS + "(1, 'a b@own.test', 'alice@own.test')",
        ALIAS + "(1, 'new@own.test', 'alice@own.test, alice@foreign.test')",
        ALIAS + "(1, 'new@own.test', 'alice@own.test alice@elsewhere.test')",
        ALIAS + "(1, 'new@own.test', 'root')",
        # others as destinations
        ALIAS + "(1, 'new@own.test', 'alice@foreign.test')",
        ALIAS + "(1, '@own.test', '@foreign.test')",
        ALIAS + "(1, '@own.test', '@elsewhere.test')",
        ALIAS + "(1, 'new@own.test', '@own2.test')",
        "UPDATE virtual_aliases SET destination = 'alice@foreign-to-all.test'",
        # passwords that are none, or an attack
        USER + "(1, 'new@own.test', '{PLAIN}secret')",
        USER + f"(1, 'new@own.test', '{COSTLY_HASH}')",
        f"UPDATE virtual_users SET password = '{COSTLY_HASH}'",
        # limits
        USER + f"(1, 'new@own.test', '{HASH}'), (1, 'new2@own.test', '{HASH}')",
        # a domain is a claim on mail
        "INSERT INTO virtual_domains (name, organization) VALUES ('new.test', 'acme')",
        "DELETE FROM virtual_domains",
        "UPDATE virtual_domains SET active = true",
        "UPDATE virtual_users SET email = 'new@own.test' WHERE email = 'bob@own.test'",
        "SELECT password FROM virtual_users",
        f"UPDATE virtual_users SET password = '{HASH}' WHERE email = 'bob@own.test' RETURNING password",
        "UPDATE virtual_users SET display_name = password",
    ],
)
def test_what_concerns_others_is_refused(tenant, unchanged, statement):
    before = unchanged()
    with pytest.raises(REFUSALS):
        tenant.execute(statement)
    assert unchanged() == before


def test_refusals_say_why(tenant):
    with pytest.raises(REFUSALS, match='policy "destination is an address outside or in an own domain"'):
        tenant.execute(ALIAS + "(1, 'new@own.test', 'alice@foreign.test')")


def test_no_right_to_send_crosses_organizations(superuser):
    superuser.execute(
        ALIAS + "(1, '@own.test', 'alice@foreign.test'), (1, 'both@own.test', 'alice@own2.test'),"
        " (1, 'both@own.test', 'alice@foreign.test'), (3, 'back@foreign.test', 'alice@own.test')"
    )
    for address, logins in (
        ("any@own.test", []),
        ("both@own.test", ["alice@own2.test"]),
        ("back@foreign.test", []),
        ("info@foreign-to-all.test", ["alice@foreign-to-all.test"]),
    ):
        found = superuser.execute("SELECT mail_lookup.sender_login(%s)", (address,)).fetchall()
        assert [login for (login,) in found] == logins, address
    assert superuser.execute("SELECT mail_lookup.alias('both@own.test')").rowcount == 2


def test_everybody_else_has_what_was_granted(installed, superuser):
    superuser.execute("CREATE ROLE reader LOGIN; GRANT CONNECT ON DATABASE installed TO reader; GRANT SELECT ON virtual_users TO reader")
    with connect(installed, "reader") as reader:
        assert reader.execute("SELECT count(*) FROM virtual_users").fetchone() == (8,)
    with connect(installed, "mail_admin") as admin:
        assert admin.execute("SELECT count(*) FROM virtual_users").fetchone() == (8,)
    superuser.execute("DROP OWNED BY reader")


@pytest.mark.parametrize("attribute", ["BYPASSRLS", "NOBYPASSRLS"])
def test_the_modules_write_with_and_without_a_superusers_help(run_installed, superuser, attribute):
    superuser.execute(f"ALTER ROLE mail_admin {attribute}")
    directory = {
        "organizations": [{"name": "acme", "max_users": 9}, {"name": "new", "max_quota": "10G"}],
        "domains": [{"name": "new.test", "organization": "new"}],
        "users": [
            {"email": "x@new.test", "password_hash": HASH, "quota": "5G", "app_passwords": [{"name": "phone", "password": "app-" + "x" * 20}]},
            {"email": "bob@own.test", "state": "absent"},
        ],
        "aliases": [{"source": "y@new.test", "destination": ["x@new.test", "z@elsewhere.test"]}],
    }
    done = run_installed("virtual_directory", **directory)
    assert done.get("changed"), done["msg"]
    assert [counts["created"] for counts in done["counts"].values()] == [1, 1, 1, 1, 1]
    assert not run_installed("virtual_directory", **directory)["changed"]
