# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""virtual_schema against a real cluster: roles, database, migrations, grants."""

from __future__ import annotations

import json
import pathlib
import stat
import subprocess

import psycopg
import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.virtmail.mailserver.plugins.module_utils import _address
from ansible_collections.virtmail.mailserver.plugins.modules import virtual_schema

MIGRATIONS = pathlib.Path(__file__).parents[4] / "roles" / "postgres_mail" / "files" / "migrations"
NAME = "schema_test"
ROLES = ("mail_admin", "mail_dovecot", "mail_postfix", "mail_tenant", "mail_watch", "mail_owner")


def migrations():
    return [{"name": path.name, "sql": path.read_text()} for path in sorted(MIGRATIONS.glob("*.sql"))]


@pytest.fixture
def superuser(bare_cluster):
    """A way in; afterwards the database and our roles are gone again."""
    with psycopg.connect(host=bare_cluster["login_unix_socket"], user="postgres", dbname="postgres", autocommit=True) as conn:
        yield conn
        conn.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        for role in (*ROLES, "handyman"):
            conn.execute(f"DROP ROLE IF EXISTS {role}")


@pytest.fixture
def schema(bare_cluster, superuser, capsys):
    """Runs the module and returns its answer."""

    def run(check=False, fails=False, **options):
        args = {
            **bare_cluster,
            "login_db": NAME,
            "migrations": migrations(),
            "_ansible_diff": True,
            "_ansible_check_mode": check,
            **options,
        }
        with patch_module_args(args), pytest.raises(SystemExit):
            virtual_schema.main()
        answer = json.loads(capsys.readouterr().out)
        assert answer.get("failed", False) == fails, answer.get("msg")
        return answer

    return run


@pytest.fixture
def sql(bare_cluster):
    """Execute statements in the database as any user; returns the rows."""

    def execute(statement, user="postgres", arguments=None):
        with psycopg.connect(host=bare_cluster["login_unix_socket"], user=user, dbname=NAME) as conn:
            cursor = conn.execute(statement, arguments)
            return cursor.fetchall() if cursor.description else []

    return execute


def test_prepares_an_empty_server_and_then_changes_nothing(schema, superuser):
    predicted = schema(check=True)
    assert not superuser.execute("SELECT FROM pg_database WHERE datname = %s", (NAME,)).fetchone()
    assert not superuser.execute("SELECT FROM pg_roles WHERE rolname = ANY (%s)", (list(ROLES),)).fetchone()

    done = schema()
    assert done["changed"]
    assert done["diff"] == predicted["diff"]
    assert done["applied_migrations"] == predicted["applied_migrations"]
    assert done["applied_migrations"][0] == "0001_tables"
    assert f"database {NAME}: owner mail_owner\n" in done["diff"]["after"]

    for check in (True, False):
        again = schema(check=check)
        assert not again["changed"]
        assert again["diff"] == {"before": "", "after": ""}
        assert again["applied_migrations"] == []
        assert again["schema_version"] == len(migrations())


def test_each_role_can_do_its_work_and_nothing_else(schema, sql):
    schema()
    sql("INSERT INTO virtual_domains (name) VALUES ('example.com')", "mail_admin")
    sql("INSERT INTO virtual_users (domain_id, email, password) VALUES (1, 'a@example.com', '{X}secret')", "mail_admin")
    assert sql("SELECT * FROM mail_lookup.mailbox('a@example.com')", "mail_postfix") == [("a@example.com",)]
    assert sql("SELECT * FROM mail_lookup.passdb('a@example.com')", "mail_dovecot") == [("a@example.com", "{X}secret", None)]
    sql("DELETE FROM virtual_users", "mail_admin")
    removed = "mail_lookup.removed_mailboxes('', false)"
    sql(f"SELECT mail_lookup.put_away(address, removed_at) FROM {removed}", "mail_dovecot")
    assert sql(f"SELECT * FROM {removed}", "mail_dovecot") == []
    assert sql("SELECT mail_lookup.channel()", "mail_watch")
    assert sql("SELECT key, role FROM mail_internal.history ORDER BY id", "mail_admin")[1] == ("a@example.com", "mail_admin")
    sql("SELECT mail_internal.trim_history('1 day')", "mail_admin")
    sql("CREATE TEMPORARY TABLE mine ()", "mail_admin")

    forbidden = {
        "mail_postfix": ["SELECT * FROM mail_lookup.passdb('a@example.com')", f"SELECT * FROM {removed}"],
        "mail_dovecot": [
            "SELECT * FROM mail_lookup.mailbox('a@example.com')",
            "DELETE FROM mail_internal.removed_mailboxes",
        ],
        "mail_watch": ["SELECT * FROM mail_lookup.mailbox('a@example.com')"],
        "mail_admin": [
            "SELECT * FROM mail_lookup.usernames()",
            "DELETE FROM mail_internal.schema_migrations",
            "INSERT INTO mail_internal.history (kind, key, verb) VALUES ('user', 'a@example.com', 'deleted')",
            "DELETE FROM mail_internal.history",
            f"SELECT * FROM {removed}",
            "SELECT mail_lookup.put_away('a@example.com', now())",
            "SELECT email FROM mail_internal.removed_mailboxes",
        ],
    }
    for role, statements in forbidden.items():
        others = ["CREATE TABLE public.mine ()", "SELECT mail_internal.is_taken('x')"]
        if role != "mail_admin":
            others += ["SELECT email FROM virtual_users", "DELETE FROM virtual_aliases", "SELECT name FROM virtual_domains"]
            others += ["CREATE TEMPORARY TABLE mine ()", "SELECT key FROM mail_internal.history"]
        for statement in statements + others:
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                sql(statement, role)


DRIFT = [
    ("GRANT SELECT ON virtual_users TO mail_postfix", "grant SELECT on table public.virtual_users to mail_postfix"),
    ("GRANT SELECT (email) ON virtual_users TO PUBLIC", "grant SELECT (email) on table public.virtual_users to PUBLIC"),
    (
        "GRANT EXECUTE ON FUNCTION mail_lookup.passdb TO mail_postfix",
        "grant EXECUTE on function mail_lookup.passdb(text,text) to mail_postfix",
    ),
    ("GRANT CREATE ON SCHEMA public TO PUBLIC", "grant CREATE on schema public to PUBLIC"),
    (f"GRANT CONNECT ON DATABASE {NAME} TO PUBLIC", f"grant CONNECT on database {NAME} to PUBLIC"),
    ("GRANT mail_owner TO mail_postfix", "role mail_postfix is a member of mail_owner"),
    ("ALTER ROLE mail_postfix SUPERUSER CREATEDB", "role mail_postfix: LOGIN SUPERUSER CREATEDB"),
    ("ALTER ROLE mail_owner LOGIN", "role mail_owner: LOGIN"),
    ("ALTER FUNCTION mail_lookup.alias OWNER TO postgres", "function mail_lookup.alias(text): owner postgres"),
    (f"ALTER DATABASE {NAME} OWNER TO postgres", f"database {NAME}: owner postgres"),
]


def test_drift_is_shown_and_repaired(schema, sql):
    schema()
    for statement, line in DRIFT:
        sql(statement)
        assert line in schema(check=True)["diff"]["before"].splitlines(), statement
        assert schema()["changed"], statement
        assert not schema()["changed"], statement


def test_missing_grants_come_back(schema, sql):
    schema()
    sql("REVOKE EXECUTE ON FUNCTION mail_lookup.alias FROM mail_postfix")
    sql("REVOKE DELETE ON virtual_aliases FROM mail_admin")
    assert schema()["diff"] == {
        "before": "",
        "after": (
            "grant DELETE on table public.virtual_aliases to mail_admin\n"
            "grant EXECUTE on function mail_lookup.alias(text) to mail_postfix\n"
        ),
    }
    assert not schema()["changed"]


def test_grants_to_roles_that_are_not_ours_stay(schema, sql):
    schema()
    sql("CREATE ROLE handyman; GRANT SELECT ON virtual_domains TO handyman")
    assert not schema()["changed"]
    sql("REVOKE ALL ON virtual_domains FROM handyman")


TUTORIAL = """
CREATE TABLE virtual_domains (id serial PRIMARY KEY, name varchar(50) NOT NULL);
CREATE TABLE virtual_users (
  id serial PRIMARY KEY,
  domain_id integer NOT NULL REFERENCES virtual_domains (id),
  password varchar(106) NOT NULL,
  email varchar(100) NOT NULL UNIQUE,
  telephone text
);
CREATE TABLE virtual_aliases (
  id serial PRIMARY KEY,
  domain_id integer NOT NULL,
  source varchar(100) NOT NULL,
  destination varchar(100) NOT NULL
);
INSERT INTO virtual_domains (name) VALUES ('Example.com'), ('example.org');
INSERT INTO virtual_users (domain_id, password, email, telephone) VALUES
  (1, '$6$salt$hash', 'Alice@Example.com', '555'), (2, '{PLAIN}x', 'bob@example.org', NULL);
INSERT INTO virtual_aliases (domain_id, source, destination) VALUES
  (1, 'info@example.com', 'alice@example.com'),
  (1, 'team@example.com', 'alice@example.com, bob@example.org,carol@example.net'),
  (1, 'wrong-domain@example.org', 'bob@example.org');
"""


def test_adopts_a_tutorial_database_with_all_rows(schema, superuser, sql):
    superuser.execute("CREATE ROLE handyman LOGIN")
    superuser.execute(f"CREATE DATABASE {NAME} TEMPLATE template0 OWNER handyman")
    sql("GRANT CREATE ON SCHEMA public TO handyman")
    sql(TUTORIAL, "handyman")
    predicted = schema(check=True)
    assert "table public.virtual_users: owner handyman" in predicted["diff"]["before"]

    assert schema()["diff"] == predicted["diff"]
    assert not schema()["changed"]
    assert sql("SELECT id, name, active FROM virtual_domains ORDER BY id", "mail_admin") == [
        (1, "example.com", True),
        (2, "example.org", True),
    ]
    assert sql("SELECT email, password, telephone FROM virtual_users ORDER BY id") == [
        ("alice@example.com", "{SHA512-CRYPT}$6$salt$hash", "555"),
        ("bob@example.org", "{PLAIN}x", None),
    ]
    assert sql("SELECT domain_id, source, destination FROM virtual_aliases ORDER BY id") == [
        (1, "info@example.com", "alice@example.com"),
        (1, "team@example.com", "alice@example.com"),
        (2, "wrong-domain@example.org", "bob@example.org"),
        (1, "team@example.com", "bob@example.org"),
        (1, "team@example.com", "carol@example.net"),
    ]
    # New rows get new numbers, long values fit, and a domain takes all with it
    sql(
        "INSERT INTO virtual_aliases (domain_id, source, destination)"
        " VALUES (2, repeat('x', 60) || '@example.org', repeat('y', 200) || '@example.net')",
        "mail_admin",
    )
    sql("DELETE FROM virtual_domains WHERE name = 'example.com'", "mail_admin")
    assert sql("SELECT count(*) FROM virtual_users") == [(1,)]
    assert sql("SELECT count(*) FROM virtual_aliases") == [(2,)]


def test_adopts_tables_without_keys_or_sequences(schema, superuser, sql):
    superuser.execute(f"CREATE DATABASE {NAME} TEMPLATE template0")
    sql(
        """
        CREATE TABLE virtual_domains (id integer NOT NULL, name varchar(50));
        CREATE TABLE virtual_users (id integer NOT NULL, domain_id integer, password varchar(106), email varchar(100));
        INSERT INTO virtual_domains VALUES (7, 'example.com');
        INSERT INTO virtual_users VALUES (3, 7, '{PLAIN}x', 'alice@example.com');
        """
    )
    schema()
    sql("INSERT INTO virtual_domains (name) VALUES ('example.org')", "mail_admin")
    assert sql("SELECT id, name FROM virtual_domains ORDER BY id") == [(7, "example.com"), (8, "example.org")]


def test_names_all_that_prevents_adoption_and_changes_nothing(schema, superuser, sql):
    superuser.execute(f"CREATE DATABASE {NAME} TEMPLATE template0")
    sql(TUTORIAL)
    sql("INSERT INTO virtual_users (domain_id, password, email) VALUES (1, 'x', 'alice@example.com')")
    sql("INSERT INTO virtual_aliases (domain_id, source, destination) VALUES (1, 'x@elsewhere.test', 'y@example.com')")
    answer = schema(fails=True)
    assert "virtual_users, id 1: alice@example.com is there as id 3" in answer["msg"]
    assert "virtual_aliases, id 4: the domain of x@elsewhere.test is not in virtual_domains" in answer["msg"]
    assert sql("SELECT email FROM virtual_users WHERE id = 1") == [("Alice@Example.com",)]
    assert sql("SELECT to_regnamespace('mail_internal') IS NULL") == [(True,)]


MD5 = "5f4dcc3b5aa765d61d8327deb882cf99"
DAMAGE = f"""
ALTER TABLE virtual_users DROP CONSTRAINT virtual_users_email_key, DROP CONSTRAINT virtual_users_domain_id_fkey,
  ALTER email DROP NOT NULL, ALTER password DROP NOT NULL,
  ADD FOREIGN KEY (domain_id) REFERENCES virtual_domains (id) ON DELETE CASCADE;
INSERT INTO virtual_domains (name) VALUES ('example.com'), ('EXAMPLE.ORG'), ('');
INSERT INTO virtual_users (domain_id, password, email) VALUES
  (3, '$6$other$hash', 'alice@example.com'),
  (4, '{MD5}', 'carol@example.org'),
  (1, 'secret word', 'dave@example.com'),
  (1, 'abJnggxhB/yWI', 'erin@example.com'),
  (1, '$y$j9T$salt$hash', 'frank@example.com'),
  (1, NULL, 'grace@example.com'),
  (1, '$6$salt$hash', NULL),
  (1, '$6$salt$hash', 'heidi@elsewhere.test'),
  (1, '$6$salt$hash', 'no domain');
INSERT INTO virtual_aliases (domain_id, source, destination) VALUES
  (1, 'Info@example.com', 'Alice@example.com'),
  (1, 'lost@elsewhere.test', 'alice@example.com'),
  (1, 'self@example.com', 'self@example.com');
"""
ALL_ROWS = """
SELECT 'virtual_domains', count(*) FROM virtual_domains UNION ALL SELECT 'virtual_users', count(*) FROM virtual_users
UNION ALL SELECT 'virtual_aliases', count(*) FROM virtual_aliases
"""
# The list of destinations in TUTORIAL becomes three rows
ROWS_OF_LISTS = {"virtual_aliases": 2}


@pytest.fixture
def damaged(superuser, sql):
    superuser.execute(f"CREATE DATABASE {NAME} TEMPLATE template0")
    sql(TUTORIAL)
    sql(DAMAGE)


def test_sets_aside_what_prevents_adoption(schema, damaged, sql):
    before = dict(sql(ALL_ROWS))
    answer = schema(set_aside=True)
    # Whichever row was found by the daemons stays
    assert sql("SELECT id, name FROM virtual_domains ORDER BY id") == [(2, "example.org"), (3, "example.com")]
    assert sql("SELECT domain_id, email, password FROM virtual_users ORDER BY email") == [
        (3, "alice@example.com", "{SHA512-CRYPT}$6$other$hash"),
        (2, "bob@example.org", "{PLAIN}x"),
        (2, "carol@example.org", "{PLAIN-MD5}" + MD5),
        (3, "dave@example.com", "secret word"),
        (3, "erin@example.com", "{CRYPT}abJnggxhB/yWI"),
        (3, "frank@example.com", "{CRYPT}$y$j9T$salt$hash"),
    ]
    assert sql("SELECT source FROM virtual_aliases WHERE source LIKE 'self%'") == [("self@example.com",)]
    after, aside = dict(sql(ALL_ROWS)), sql("SELECT table_name, count(*) FROM mail_internal.set_aside GROUP BY 1")
    assert {name: after[name] - ROWS_OF_LISTS.get(name, 0) + number for name, number in aside} == before
    assert sql("SELECT content ->> 'telephone' FROM mail_internal.set_aside WHERE row_id = 1 AND table_name = 'virtual_users'") == [
        ("555",)
    ]
    assert answer["adoption"] == [
        "lists of destinations become a row for each: team@example.com",
        "set aside from virtual_domains, id 1: example.com is there as id 3",
        "set aside from virtual_domains, id 4: example.org is there as id 2",
        "set aside from virtual_domains, id 5: it has no name",
        "set aside from virtual_users, id 1: alice@example.com is there as id 3",
        "set aside from virtual_users, id 8: it has no email or no password",
        "set aside from virtual_users, id 9: it has no email or no password",
        "set aside from virtual_users, id 10: the domain of heidi@elsewhere.test is not in virtual_domains",
        "set aside from virtual_users, id 11: the domain of no domain is not in virtual_domains",
        "set aside from virtual_aliases, id 4: info@example.com to alice@example.com is there as id 1",
        "set aside from virtual_aliases, id 5: the domain of lost@elsewhere.test is not in virtual_domains",
        "passwords get a scheme in front: alice@example.com, carol@example.org, erin@example.com, frank@example.com",
        "no login without a new password, as the stored one is no hash: dave@example.com",
        "taken over: 2 domains, 6 users, 6 destinations of aliases",
    ]
    for secret in (MD5, "$6$", "secret word", "abJnggxhB/yWI"):
        assert secret not in json.dumps([answer["adoption"], answer["diff"]])
    again = schema(set_aside=True)
    assert not again["changed"] and not again["adoption"]
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        sql("SELECT * FROM mail_internal.set_aside", "mail_admin")


def dump(cluster):
    """All that is in the database, and all roles."""
    command = ["pg_dumpall", "--host", cluster["login_unix_socket"], "--username", "postgres"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    # pg_dump's protection against what a dump may smuggle into psql is a new word each time
    return [line for line in text.splitlines() if not line.startswith(("\\restrict", "\\unrestrict"))]


def test_a_rehearsal_tells_what_adoption_does_and_does_nothing(schema, damaged, bare_cluster):
    before = dump(bare_cluster)
    told = schema(check=True, set_aside=True)
    assert dump(bare_cluster) == before
    done = schema(set_aside=True)
    assert told["adoption"] == done["adoption"] and told["diff"] == done["diff"]


def test_a_run_that_is_refused_leaves_all_as_it_was(schema, damaged, bare_cluster):
    before = dump(bare_cluster)
    schema(fails=True)
    assert dump(bare_cluster) == before


@pytest.fixture
def tutorial(superuser, sql):
    """Makes the database of a tutorial, with changes."""

    def make(changes=""):
        superuser.execute(f"CREATE DATABASE {NAME} TEMPLATE template0")
        sql(TUTORIAL + changes)

    return make


def test_takes_lists_apart_that_have_members_in_common(schema, tutorial, sql):
    tutorial(
        """
        ALTER TABLE virtual_aliases ADD UNIQUE (source, destination);
        INSERT INTO virtual_aliases (domain_id, source, destination) VALUES
          (1, 'crew@example.com', 'bob@example.org'),
          (1, 'crew@example.com', 'bob@example.org, alice@example.com, Bob@example.org');
        """
    )
    adoption = schema(set_aside=True)["adoption"]
    assert sql("SELECT destination FROM virtual_aliases WHERE source = 'crew@example.com' ORDER BY 1") == [
        ("alice@example.com",),
        ("bob@example.org",),
    ]
    assert [line for line in adoption if "set aside" in line] == [
        f"set aside from virtual_aliases, id {number}: crew@example.com to bob@example.org is there as id 4" for number in (5, 9)
    ]


def test_gives_rows_without_a_number_of_their_own_a_new_one(schema, tutorial, sql):
    tutorial(
        """
        ALTER TABLE virtual_users DROP CONSTRAINT virtual_users_pkey, ALTER id DROP NOT NULL;
        INSERT INTO virtual_users (id, domain_id, password, email) VALUES
          (1, 1, '{PLAIN}x', 'carol@example.com'), (NULL, 1, '{PLAIN}x', 'dave@example.com');
        """
    )
    assert "rows of virtual_users get a number of their own: carol@example.com, dave@example.com" in schema()["adoption"]
    assert sql("SELECT id, email FROM virtual_users ORDER BY id") == [
        (1, "alice@example.com"),
        (2, "bob@example.org"),
        (3, "carol@example.com"),
        (4, "dave@example.com"),
    ]


def test_takes_lists_apart_whatever_gives_the_numbers(schema, tutorial, sql):
    tutorial(
        """
        ALTER TABLE virtual_aliases ALTER id DROP DEFAULT;
        DROP SEQUENCE virtual_aliases_id_seq;
        ALTER TABLE virtual_aliases ALTER id ADD GENERATED ALWAYS AS IDENTITY (START 4);
        """
    )
    schema()
    assert sql("SELECT count(*) FROM virtual_aliases") == [(5,)]
    sql("INSERT INTO virtual_aliases (domain_id, source, destination) VALUES (1, 'x@example.com', 'y@example.com')", "mail_admin")
    assert sql("SELECT max(id) FROM virtual_aliases") == [(6,)]


def test_takes_no_rows_of_other_tables_along(schema, tutorial, sql, bare_cluster):
    tutorial(
        """
        CREATE TABLE notes (user_id integer REFERENCES virtual_users (id) ON DELETE CASCADE);
        INSERT INTO virtual_users (domain_id, password, email) VALUES (1, 'x', 'alice@example.com');
        INSERT INTO notes VALUES (1), (2);
        """
    )
    before = dump(bare_cluster)
    answer = schema(set_aside=True, fails=True)
    assert "notes refers to virtual_users" in answer["msg"] and "notes_user_id_fkey" in answer["msg"]
    assert dump(bare_cluster) == before
    sql("DELETE FROM virtual_users WHERE id = 3")
    schema(set_aside=True)
    assert sql("SELECT user_id FROM notes ORDER BY 1") == [(1,), (2,)]


def test_takes_what_is_empty_for_what_is_not_there(schema, tutorial, sql):
    tutorial(
        """
        INSERT INTO virtual_domains (name) VALUES (' ');
        INSERT INTO virtual_users (domain_id, password, email) VALUES (1, '', 'carol@example.com');
        INSERT INTO virtual_aliases (domain_id, source, destination) VALUES (1, 'empty@example.com', ' , ');
        """
    )
    message = schema(fails=True)["msg"]
    for fault in ("virtual_domains, id 3: it has no name", "virtual_users, id 3: it has no email or no password"):
        assert fault in message
    assert "virtual_aliases, id 4: it has no source or no destination" in message
    assert schema(set_aside=True)["adoption"][1:4] == [
        "set aside from virtual_domains, id 3: it has no name",
        "set aside from virtual_users, id 3: it has no email or no password",
        "set aside from virtual_aliases, id 4: it has no source or no destination",
    ]


HASHES = {
    "bcrypt": ("$2y$10$" + "a" * 53, "{BLF-CRYPT}"),
    "des": ("abJnggxhB/yWI", "{CRYPT}"),
    "md5": (MD5, "{PLAIN-MD5}"),
    "md5crypt": ("$1$salt$" + "a" * 22, "{MD5-CRYPT}"),
    "prefixed": ("{SSHA}c2FsdHNhbHRzYWx0c2FsdHNhbHRzYWx0", ""),
    "sha256": ("$5$salt$" + "a" * 43, "{SHA256-CRYPT}"),
    "sha512": ("$6$salt$" + "a" * 86, "{SHA512-CRYPT}"),
    "yescrypt": ("$y$j9T$salt$" + "a" * 43, "{CRYPT}"),
}


def test_what_was_adopted_can_be_declared(schema, tutorial, sql, bare_cluster, run_anywhere, tmp_path):
    """The modules read what they give out, and find it as it is."""
    values = ", ".join(f"(1, '{stored}', '{name}@example.com')" for name, (stored, dummy) in HASHES.items())
    tutorial(f"DELETE FROM virtual_users; INSERT INTO virtual_users (domain_id, password, email) VALUES {values}")
    schema()
    for name, (stored, scheme) in HASHES.items():
        assert sql(f"SELECT password FROM virtual_users WHERE email = '{name}@example.com'") == [(scheme + stored,)]
    there = {**bare_cluster, "login_db": NAME}
    path = str(tmp_path / "all.json")
    assert "failed" not in run_anywhere("virtual_directory_info", **there, include_password_hashes=True, dest=path)
    rows = json.loads((tmp_path / "all.json").read_text())
    lists = {kind: rows[kind] for kind in ("domains", "users", "aliases")}
    answer = run_anywhere("virtual_directory", **there, check=True, **lists)
    assert not answer.get("failed"), answer["msg"]
    assert not answer["changed"]


def test_names_all_who_need_a_new_password(schema, tutorial):
    users = [f"user{number:02}@example.com" for number in range(30)]
    values = ", ".join(f"(1, 'in the clear', '{user}')" for user in users)
    tutorial(f"INSERT INTO virtual_users (domain_id, password, email) VALUES {values}")
    assert f"no login without a new password, as the stored one is no hash: {', '.join(users)}" in schema()["adoption"]


LOCAL_PARTS = ["a", "a.b", "a..b", ".a", "a.", "a b", "a+b", "o'neil", "a_b-c", "jörg", "x" * 64, "x" * 65, "a!b", "a,b", '"a"']
DOMAINS = ["example.net", "under_score.example", "-x.example", "x-.example", "a..example", "192.0.2.1", "x" * 64, "bücher.example"]
ADDRESSES = [f"{local_part}@example.com" for local_part in LOCAL_PARTS] + [f"carol@{domain}" for domain in DOMAINS[:5]]


def refused(parse, texts):
    def is_refused(text):
        try:
            return parse(text) != text
        except ValueError:
            return True

    return sorted(filter(is_refused, texts))


def test_keeps_and_names_what_the_modules_would_refuse(schema, tutorial, sql):
    tutorial("ALTER TABLE virtual_domains ALTER name TYPE text; ALTER TABLE virtual_users ALTER email TYPE text")
    with_marks = "INSERT INTO {} SELECT 1, {} FROM unnest(%s::text[]) AS given"
    sql("INSERT INTO virtual_domains (name) SELECT * FROM unnest(%s::text[])", arguments=[DOMAINS])
    sql(with_marks.format("virtual_users (domain_id, password, email)", "'{PLAIN}x', given"), arguments=[ADDRESSES])
    # A comma or a space in a destination would be the end of it
    aliases = [address for address in ADDRESSES if not set(", ") & set(address)] + ["root", "@example.net", "@a..example"]
    sql(with_marks.format("virtual_aliases (domain_id, source, destination)", "'all@example.com', given"), arguments=[aliases])
    before = dict(sql(ALL_ROWS))
    adoption = schema(set_aside=True)["adoption"]
    kept = "kept, though the modules refuse such"
    assert f"{kept} a domain: {', '.join(refused(_address.domain, DOMAINS))}" in adoption
    assert f"{kept} a user: {', '.join(refused(_address.account, ADDRESSES))}" in adoption
    wrong = refused(_address.address_or_domain, aliases)
    assert f"{kept} an alias: {', '.join(f'all@example.com to {address}' for address in wrong)}" in adoption
    assert dict(sql(ALL_ROWS)) == {name: number + ROWS_OF_LISTS.get(name, 0) for name, number in before.items()}


def test_keeps_aliases_that_lead_nowhere(schema, tutorial, sql):
    """They do no harm: mail for them is refused, as it was before."""
    tutorial(
        """
        INSERT INTO virtual_aliases (domain_id, source, destination) VALUES
          (1, 'ring@example.com', 'gnir@example.com'), (1, 'gnir@example.com', 'ring@example.com'),
          (1, 'self@example.com', 'self@example.com'), (1, 'alice@example.com', 'alice@example.com');
        """
    )
    assert not [line for line in schema(set_aside=True)["adoption"] if "set aside" in line]
    answers = {name: sql(f"SELECT * FROM mail_lookup.alias('{name}@example.com')") for name in ("ring", "self", "alice")}
    assert answers == {"ring": [], "self": [], "alice": [("alice@example.com",)]}


def test_a_rehearsal_names_what_prevents_adoption(schema, damaged):
    assert "alice@example.com is there as id" in schema(check=True, fails=True)["msg"]


def test_a_rehearsal_does_not_stand_in_line_for_long(schema, damaged, bare_cluster):
    with psycopg.connect(host=bare_cluster["login_unix_socket"], user="postgres", dbname=NAME) as other:
        other.execute("SELECT count(*) FROM virtual_users")  # in a transaction that stays open
        assert "lock timeout" in schema(check=True, set_aside=True, fails=True)["msg"]


def test_applies_only_what_is_new(schema, sql):
    schema()
    number = len(migrations()) + 1
    more = [*migrations(), {"name": f"{number:04}_more.sql", "sql": "CREATE TABLE mail_internal.more ()"}]
    assert schema(migrations=more)["applied_migrations"] == [f"{number:04}_more"]
    assert not schema(migrations=more)["changed"]
    assert sql("SELECT tableowner FROM pg_tables WHERE tablename = 'more'") == [("mail_owner",)]


def test_refuses_a_schema_newer_than_the_migrations(schema):
    schema()
    assert "upgrade the collection" in schema(migrations=migrations()[:1], fails=True)["msg"]


def test_a_broken_migration_leaves_all_as_it_was(schema, sql):
    broken = [*migrations(), {"name": f"{len(migrations()) + 1:04}_broken.sql", "sql": "SELECT 1/0"}]
    assert "division by zero" in schema(migrations=broken, fails=True)["msg"]
    assert sql("SELECT to_regclass('public.virtual_users') IS NULL") == [(True,)]
    assert schema()["applied_migrations"][0] == "0001_tables"


@pytest.mark.parametrize("names", [["0001_a.sql", "0003_b.sql"], ["0001_a.sql", "0001_b.sql"], ["first.sql"]])
def test_refuses_wrongly_numbered_migrations(schema, names):
    answer = schema(migrations=[{"name": name, "sql": ""} for name in names], fails=True)
    assert answer["msg"].startswith("migrations: ")


def test_refuses_a_database_that_is_not_utf8(schema, superuser):
    superuser.execute(f"CREATE DATABASE {NAME} TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    assert "SQL_ASCII" in schema(fails=True)["msg"]


def test_needs_no_superuser(schema, superuser):
    superuser.execute("CREATE ROLE handyman LOGIN CREATEROLE CREATEDB")
    assert schema(login_user="handyman")["changed"]
    assert not schema(login_user="handyman")["changed"]


def test_makes_password_files_that_hold_what_the_server_verifies(schema, superuser, tmp_path):
    options = {"credentials_directory": str(tmp_path)}
    assert "password of mail_postfix set" in schema(check=True, **options)["diff"]["after"].splitlines()
    assert not list(tmp_path.iterdir())

    answer = schema(**options)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "admin.pgpass",
        "dovecot.pgpass",
        "postfix.pgpass",
        "watch.pgpass",
    ]
    path = tmp_path / "postfix.pgpass"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    place, password = path.read_text().rstrip("\n").rsplit(":", 1)
    assert place == f":5432:{NAME}:mail_postfix"
    assert password.isalnum() and len(password) >= 32
    assert password not in json.dumps(answer)
    stored = superuser.execute("SELECT rolpassword FROM pg_authid WHERE rolname = 'mail_postfix'").fetchone()[0]
    assert stored.startswith("SCRAM-SHA-256$")
    assert not schema(**options)["changed"]


def test_a_moved_server_keeps_the_passwords(schema, tmp_path):
    options = {"credentials_directory": str(tmp_path)}
    schema(**options)
    path = tmp_path / "watch.pgpass"
    right = path.read_text()
    path.write_text(right.replace(":5432:", ":5433:"))
    assert schema(**options)["diff"]["after"] == "password of mail_watch set\n"
    assert path.read_text() == right
