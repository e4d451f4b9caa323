# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""What the database should be like, and the plan that makes it so. Pure: reads and writes nothing.

Roles, owners, grants and migrations are compared as values; each difference becomes one Change, which is what check
mode counts, what the diff prints and what a real run executes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import MailserverError

OWNER = "mail_owner"
ADMIN = "mail_admin"
LOGIN_ROLES = (ADMIN, "mail_dovecot", "mail_postfix", "mail_watch")
# The group of the roles that organizations name as theirs; its members are made by the operator
TENANT = "mail_tenant"
OWN_ROLES = (*LOGIN_ROLES, TENANT)
PUBLIC = "PUBLIC"

TABLES = (
    "public.virtual_aliases",
    "public.virtual_app_passwords",
    "public.virtual_domains",
    "public.virtual_organizations",
    "public.virtual_users",
)
OWN_SCHEMAS = ("mail_internal", "mail_lookup")

# Each question of a daemon, what it reports, and the only role that may
LOOKUPS = {
    "mail_lookup.alias(text)": "mail_postfix",
    "mail_lookup.mailbox(text)": "mail_postfix",
    "mail_lookup.mailbox_domain(text)": "mail_postfix",
    "mail_lookup.mailbox_domains()": "mail_postfix",
    "mail_lookup.sender_login(text)": "mail_postfix",
    "mail_lookup.passdb(text,text)": "mail_dovecot",
    "mail_lookup.userdb(text)": "mail_dovecot",
    "mail_lookup.usernames()": "mail_dovecot",
    "mail_lookup.removed_mailboxes(text,boolean)": "mail_dovecot",
    "mail_lookup.keep_in_place(text,timestamp with time zone)": "mail_dovecot",
    "mail_lookup.put_away(text,timestamp with time zone)": "mail_dovecot",
    "mail_lookup.channel()": "mail_watch",
}

# What a tenant may do with columns, in the rows that the policies let him see. Not with domains: whoever adds one gets the
# mail that others here send there.
TENANT_COLUMNS = {
    "public.virtual_organizations": {
        "SELECT": "name max_domains max_users max_aliases max_quota_bytes",
    },
    "public.virtual_domains": {"SELECT": "id name description active organization", "UPDATE": "description"},
    "public.virtual_users": {
        "SELECT": "id domain_id email display_name quota_bytes active managed",
        "INSERT": "domain_id email password display_name quota_bytes active",
        "UPDATE": "password display_name quota_bytes active",
    },
    "public.virtual_aliases": {
        "SELECT": "id domain_id source destination managed",
        "INSERT": "domain_id source destination",
        "UPDATE": "destination",
    },
}
TENANT_DELETES = ("public.virtual_aliases", "public.virtual_users")
# Its policies ask these
TENANT_FUNCTIONS = ("mail_internal.is_affordable_hash(text)", "mail_internal.is_hosted(text)")

# Where a change is executed: on the server before the database exists, or in the one transaction in the database,
# first by who logged in, then by the owner.
SERVER, LOGIN_USER, AS_OWNER = range(3)


@dataclass(frozen=True)
class Grant:
    """One privilege of one role. The name is as SQL wants it, but for that of the database, which comes unquoted."""

    privilege: str
    kind: str
    name: str
    role: str

    def __str__(self):
        return f"{self.privilege} on {self.kind.lower()} {self.name} to {self.role}"


@dataclass(frozen=True)
class Thing:
    """Something in the database that has an owner."""

    kind: str
    name: str
    owner: str


@dataclass(frozen=True)
class Role:
    """A role as it is. Powers are the attributes that none of ours may have."""

    login: bool
    powers: tuple = ()
    member_of: tuple = ()


@dataclass(frozen=True)
class Database:
    """The database as it is, or would be had it just been made."""

    owner: str
    encoding: str
    things: tuple = ()
    sequences: tuple = ()
    applied: tuple = ()


@dataclass(frozen=True)
class State:
    """All that the plan depends on, as read from the server."""

    roles: dict
    database: Database | None
    grants: frozenset = frozenset()
    may_act_as_owner: bool = True
    is_superuser: bool = True
    locked_out: frozenset = frozenset()


@dataclass(frozen=True)
class Migration:
    version: int
    name: str
    sql: str


@dataclass(frozen=True)
class Change:
    """One difference: its line in the diff before and after, and the statements that remove it."""

    stage: int
    statements: tuple
    before: str = ""
    after: str = ""
    migration: Migration | None = None


def parse_migrations(given):
    """Check the migrations that the caller gave, in the order of their numbers."""
    migrations = []
    for item in given:
        name = item["name"].removesuffix(".sql")
        match = re.fullmatch(r"([0-9]{4})_[a-z0-9_]+", name)
        if not match:
            raise MailserverError(f"migrations: {item['name']} must be named like 0001_tables.sql.")
        migrations.append(Migration(int(match.group(1)), name, item["sql"]))
    migrations.sort(key=lambda migration: migration.version)
    if [migration.version for migration in migrations] != list(range(1, len(migrations) + 1)):
        raise MailserverError("migrations: the numbers must be 0001, 0002 and so on, each once; give all of them.")
    return migrations


def plan(state, name, migrations):
    """The changes that turn the state into the wanted one, in the order of their execution."""
    _refuse(state.database, name, migrations)
    database = state.database or Database(OWNER, "UTF8")
    return [
        *_plan_roles(state),
        *_plan_database(state, name),
        *_plan_owners(database),
        *_plan_revokes(state, name, database),
        *_plan_migrations(database, migrations),
        *_plan_grants(state, name, database),
    ]


def diff(changes):
    """The plan as text, as --diff shows it."""
    return {
        "before": "".join(f"{change.before}\n" for change in changes if change.before),
        "after": "".join(f"{change.after}\n" for change in changes if change.after),
    }


def quote(name):
    """A single SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def _refuse(database, name, migrations):
    if database is None:
        return
    if database.encoding != "UTF8":
        raise MailserverError(
            f"Database {name} has the encoding {database.encoding}: dump it and restore it into one with UTF8."
        )
    newest = max(database.applied, default=0)
    if newest > len(migrations):
        raise MailserverError(
            f"Database {name} has version {newest} of the schema, and this collection knows only {len(migrations)}:"
            " upgrade the collection."
        )


def _plan_roles(state):
    for role in (OWNER, *OWN_ROLES):
        login = "LOGIN" if role in LOGIN_ROLES else "NOLOGIN"
        # PostgreSQL takes no COPY from whom row-level security concerns. Only a superuser can except the modules' role;
        # without that they load more slowly.
        kept = ("BYPASSRLS",) if role == ADMIN else ()
        wanted = kept if state.is_superuser else ()
        have = state.roles.get(role)
        if have is None:
            attributes = " ".join([login, *wanted])
            yield Change(SERVER, (f"CREATE ROLE {role} {attributes}",), after=_role_line(role, attributes))
            continue
        wrong = [] if have.login == (login == "LOGIN") else [login]
        wrong += [f"NO{power}" for power in have.powers if power not in kept]
        wrong += [power for power in wanted if power not in have.powers]
        if wrong:
            held = " ".join(["LOGIN" if have.login else "NOLOGIN", *have.powers])
            statement = f"ALTER ROLE {role} {' '.join(wrong)}"
            yield Change(SERVER, (statement,), _role_line(role, held), _role_line(role, " ".join([login, *wanted])))
        for group in have.member_of:
            yield Change(SERVER, (f"REVOKE {quote(group)} FROM {role}",), before=f"role {role} is a member of {group}")
    if not state.may_act_as_owner:
        statement = f"GRANT {OWNER} TO CURRENT_USER"
        yield Change(SERVER, (statement,), after=f"the login user is a member of {OWNER}")
    for role in sorted(state.locked_out):
        # Which statement sets it is known only with the password: see _schema_credentials
        yield Change(SERVER, (), after=f"password of {role} set")


def _role_line(role, attributes):
    return f"role {role}: {attributes}"


def _plan_database(state, name):
    after = f"database {name}: owner {OWNER}"
    if state.database is None:
        # The collation C does not change when the operating system is upgraded, and with it every text index
        create = (
            f"CREATE DATABASE {quote(name)} OWNER {OWNER} ENCODING 'UTF8' LOCALE 'C' TEMPLATE template0",
            f"REVOKE ALL ON DATABASE {quote(name)} FROM PUBLIC",
        )
        yield Change(SERVER, create, after=after)
    elif state.database.owner != OWNER:
        statement = f"ALTER DATABASE {quote(name)} OWNER TO {OWNER}"
        yield Change(SERVER, (statement,), f"database {name}: owner {state.database.owner}", after)


def _plan_owners(database):
    for thing in database.things:
        if thing.owner != OWNER:
            line = f"{thing.kind.lower()} {thing.name}: owner "
            statement = f"ALTER {thing.kind} {thing.name} OWNER TO {OWNER}"
            yield Change(LOGIN_USER, (statement,), line + thing.owner, line + OWNER)


def _plan_migrations(database, migrations):
    for migration in migrations:
        if migration.version not in database.applied:
            yield Change(AS_OWNER, (migration.sql,), after=f"migration {migration.name}", migration=migration)


def _plan_revokes(state, name, database):
    surplus = state.grants - _wanted_grants(name, database) - _harmless_grants(state)
    for grant in sorted(surplus, key=str):
        # Schema public and the database can belong to somebody else until now
        stage = LOGIN_USER if grant.kind in ("DATABASE", "SCHEMA") else AS_OWNER
        yield Change(stage, (_grant_statement("REVOKE", grant, "FROM") + " CASCADE",), before=f"grant {grant}")


def _plan_grants(state, name, database):
    for grant in sorted(_wanted_grants(name, database) - state.grants, key=str):
        yield Change(AS_OWNER, (_grant_statement("GRANT", grant, "TO"),), after=f"grant {grant}")


def _grant_statement(verb, grant, preposition):
    name = quote(grant.name) if grant.kind == "DATABASE" else grant.name
    return f"{verb} {grant.privilege} ON {grant.kind} {name} {preposition} {grant.role}"


def _wanted_grants(name, database):
    """All that our roles may do, and there is nothing else that they may."""
    verbs = ("DELETE", "INSERT", "SELECT", "UPDATE")
    return {
        *(Grant("CONNECT", "DATABASE", name, role) for role in OWN_ROLES),
        *(Grant("USAGE", "SCHEMA", "mail_lookup", role) for role in set(LOOKUPS.values())),
        *(Grant("EXECUTE", "FUNCTION", function, role) for function, role in LOOKUPS.items()),
        # What is made for each domain on the mail host, such as its keys
        Grant("EXECUTE", "FUNCTION", "mail_lookup.mailbox_domains()", "mail_watch"),
        Grant("USAGE", "SCHEMA", "public", ADMIN),
        # The modules put what changes into a temporary table first.
        Grant("TEMPORARY", "DATABASE", name, ADMIN),
        # The modules ask which version of the schema they are about to write into.
        Grant("USAGE", "SCHEMA", "mail_internal", ADMIN),
        Grant("SELECT", "TABLE", "mail_internal.schema_migrations", ADMIN),
        # They read the history and cut off its end, and cannot write into it.
        Grant("SELECT", "TABLE", "mail_internal.history", ADMIN),
        Grant("EXECUTE", "FUNCTION", "mail_internal.trim_history(interval)", ADMIN),
        *(Grant(verb, "TABLE", table, ADMIN) for table in TABLES for verb in verbs),
        *(Grant("USAGE", "SEQUENCE", sequence, role) for sequence in database.sequences for role in (ADMIN, TENANT)),
        Grant("USAGE", "SCHEMA", "public", TENANT),
        *(Grant("DELETE", "TABLE", table, TENANT) for table in TENANT_DELETES),
        *(Grant("EXECUTE", "FUNCTION", function, TENANT) for function in TENANT_FUNCTIONS),
        *(
            Grant(f"{verb} ({column})", "TABLE", table, TENANT)
            for table, verbs_of in TENANT_COLUMNS.items()
            for verb, columns in verbs_of.items()
            for column in columns.split()
        ),
    }


def _harmless_grants(state):
    """What everybody may do in PostgreSQL, and is left so: look into schema public, which shows no row."""
    harmless = {Grant("USAGE", "SCHEMA", "public", PUBLIC)}
    if not state.is_superuser:
        # Before PostgreSQL 15 everybody may create there, and only a superuser can take that back
        harmless.add(Grant("CREATE", "SCHEMA", "public", PUBLIC))
    return harmless
