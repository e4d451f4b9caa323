# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import contextlib
import itertools
import json
import pathlib
import socket
import subprocess
import tempfile

import psycopg
import pymysql
import pytest
from passlib import hash as passlib_hash

from ansible_collections.virtmail.mailserver.plugins.module_utils import _connection, _foreign_store
from ansible_collections.virtmail.mailserver.plugins.module_utils._password import Password

ENGINES = ("postgresql", "mariadb")
SHA512 = passlib_hash.sha512_crypt.using(rounds=5000).hash("correct horse")
DES = "CAiN38py6J0Fc"
YES = "$y$j9T$45FLnS.R8RiFPvA2yLf7e1$9lgONHjZUomscll/wc2g854w4cOpOe7qCP7EhaG0fU0"

# Columns and types as PostfixAdmin 3.3.15 makes them in each engine
BOOL = {"postgresql": "boolean NOT NULL DEFAULT true", "mariadb": "tinyint(1) NOT NULL DEFAULT 1"}
BACKUP = {"postgresql": "boolean NOT NULL DEFAULT false", "mariadb": "tinyint(1) NOT NULL DEFAULT 0"}
TABLES = {
    "domain": "domain varchar(255) PRIMARY KEY, description varchar(255) NOT NULL DEFAULT '', aliases integer NOT NULL DEFAULT 0,"
    " mailboxes integer NOT NULL DEFAULT 0, maxquota bigint NOT NULL DEFAULT 0, backupmx {backup}, active {bool}",
    "alias": "address varchar(255) PRIMARY KEY, goto text NOT NULL, domain varchar(255) NOT NULL, active {bool}",
    "alias_domain": "alias_domain varchar(255) PRIMARY KEY, target_domain varchar(255) NOT NULL, active {bool}",
    "mailbox": "username varchar(255) PRIMARY KEY, password varchar(255) NOT NULL, name varchar(255) NOT NULL DEFAULT '',"
    " quota bigint NOT NULL DEFAULT 0, domain varchar(255) NOT NULL DEFAULT '', active {bool}",
    "virtual_domains": "id integer PRIMARY KEY, name varchar(50) NOT NULL",
    "virtual_users": "id integer PRIMARY KEY, domain_id integer NOT NULL, password varchar(106) NOT NULL, email varchar(120) NOT NULL",
    "virtual_aliases": "id integer PRIMARY KEY, domain_id integer NOT NULL, source varchar(100) NOT NULL,"
    " destination varchar(100) NOT NULL",
}
POSTFIXADMIN = ("domain", "alias", "alias_domain", "mailbox")
TUTORIAL = ("virtual_domains", "virtual_users", "virtual_aliases")
_numbers = itertools.count(1)


class Old:
    """A database of an old server."""

    def __init__(self, engine, options, connection, run):
        self._run = run
        self.engine = engine
        self.options = options
        self._cursor = connection.cursor()

    def execute(self, text, values=None):
        self._cursor.execute(text, values)

    def make(self, tables):
        for table in tables:
            columns = TABLES[table].format(bool=BOOL[self.engine], backup=BACKUP[self.engine])
            self.execute(f"CREATE TABLE {table} ({columns})")

    def add(self, table, **values):
        places = ", ".join(["%s"] * len(values))
        self.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({places})", list(values.values()))

    def read(self, layout, **options):
        return self._run("foreign_directory_info", layout=layout, engine=self.engine, **{**self.options, **options})


@contextlib.contextmanager
def _old_postgresql(cluster, name, run):
    options = {"host": cluster["login_unix_socket"], "user": "postgres", "autocommit": True}
    with psycopg.connect(**options, dbname="postgres") as superuser:
        superuser.execute(f"CREATE DATABASE {name}")
        try:
            with psycopg.connect(**options, dbname=name) as connection:
                yield Old("postgresql", {**cluster, "login_db": name}, connection, run)
        finally:
            superuser.execute(f"DROP DATABASE {name}")


@contextlib.contextmanager
def _old_mariadb(mariadb, name, run):
    options = {"unix_socket": mariadb["login_unix_socket"], "user": "root", "autocommit": True, "charset": "utf8mb4"}
    with contextlib.closing(pymysql.connect(**options)) as connection:
        old = Old("mariadb", {**mariadb, "login_db": name}, connection, run)
        old.execute(f"CREATE DATABASE {name} CHARACTER SET utf8mb4")
        old.execute(f"USE {name}")
        try:
            yield old
        finally:
            old.execute(f"DROP DATABASE {name}")


@pytest.fixture(params=ENGINES)
def old(request, run_anywhere):
    name = f"old_{next(_numbers)}"
    if request.param == "mariadb":
        context = _old_mariadb(request.getfixturevalue("mariadb"), name, run_anywhere)
    else:
        context = _old_postgresql(request.getfixturevalue("cluster"), name, run_anywhere)
    with context as database:
        yield database


@pytest.fixture
def postfixadmin(old):
    old.make(POSTFIXADMIN)
    old.add("domain", domain="ALL")
    old.add("domain", domain="example.com", description="Büro \t\x7f 한국", aliases=10, mailboxes=10)
    return old


@pytest.fixture
def tutorial(old):
    old.make(TUTORIAL)
    old.add("virtual_domains", id=1, name="Example.com")
    return old


def test_postfixadmin(postfixadmin, run, rows, tmp_path):
    old = postfixadmin
    old.add("domain", domain="closed.test", active=False)
    old.add("domain", domain="backup.test", backupmx=True)
    old.add("domain", domain="old.test")
    old.add("alias_domain", alias_domain="old.test", target_domain="example.com")
    old.add("alias_domain", alias_domain="missing.test", target_domain="example.com")
    old.add("mailbox", username="Alice@example.com", password=SHA512, name="Alice  한글", quota=5 * 1024**3)
    old.add("alias", address="alice@example.com", goto="alice@example.com", domain="example.com")
    old.add("mailbox", username="bob@example.com", password=f"{{CRYPT}}{YES}", active=False)
    old.add("alias", address="bob@example.com", goto="bob@example.com", domain="example.com", active=False)
    old.add("mailbox", username="carol@example.com", password=DES)
    goto = "carol@example.com,\n x@elsewhere.test, carol#example.com@autoreply.example.com,X@elsewhere.test"
    old.add("alias", address="carol@example.com", goto=goto, domain="example.com")
    old.add("mailbox", username="dave@example.com", password=SHA512)
    old.add("alias", address="dave@example.com", goto="d@elsewhere.test", domain="example.com")
    old.add("mailbox", username="o'neil@example.com", password=SHA512)
    old.add("alias", address="@example.com", goto="alice@example.com", domain="example.com")
    old.add("alias", address="@old.test", goto="dave@example.com", domain="old.test")
    old.add("alias", address="info@example.com", goto="alice@example.com,|/bin/false", domain="example.com")
    old.add("alias", address="gone@example.com", goto="alice@example.com", domain="example.com", active=False)
    old.add("alias", address="mx@backup.test", goto="alice@example.com", domain="backup.test")
    old.add("alias", address="loop@example.com", goto="pool@example.com", domain="example.com")
    old.add("alias", address="pool@example.com", goto="loop@example.com", domain="example.com")

    dest = str(tmp_path / "old.json")
    answer = old.read("postfixadmin", dest=dest, include_password_hashes=True)
    assert answer["changed"], answer
    assert SHA512 not in answer["printed"]
    assert answer["counts"] == {"domains": 3, "users": 4, "aliases": 6}
    assert answer["left_out"] == [
        "domain backup.test: this is a backup MX, which only passes mail on to another server.",
        "1 domains: their limits (aliases, mailboxes, maxquota) are not taken over: an organization can have such limits.",
        "alias carol@example.com: its destination carol#example.com@autoreply.example.com is a vacation message:"
        " the user can write one in Sieve.",
        "alias dave@example.com: it sends all mail of a mailbox elsewhere: here the mailbox gets a copy, as one that gets no mail"
        " is refused.",
        "alias gone@example.com: it is not active, and there are no such aliases here.",
        "alias info@example.com: its destination |/bin/false: there is no @: write it as name@domain.",
        "mailbox o'neil@example.com: an account's name may have only letters, digits, '.', '_' and '-' before the @.",
        "alias_domain missing.test: the domain missing.test does not exist: add it to the domains first.",
        "alias mx@backup.test: the domain backup.test does not exist: add it to the domains first.",
        "alias loop@example.com: the alias leads into a loop (loop@example.com -> pool@example.com -> loop@example.com):"
        " change one of these.",
    ]
    assert answer["warnings"] == [
        "1 users have passwords in schemes that Dovecot 2.4 calls weak, and refuses unless the role dovecot has"
        " dovecot_allow_weak_password_schemes: true: carol@example.com."
    ]
    lists = json.loads(pathlib.Path(dest).read_text(encoding="utf-8"))
    alice = {"email": "alice@example.com", "quota": "5G", "display_name": "Alice 한글", "active": True, "managed": True}
    assert lists["users"][0] == {**alice, "password_hash": f"{{SHA512-CRYPT}}{SHA512}"}
    assert [user["password_hash"] for user in lists["users"][1:3]] == [f"{{CRYPT}}{YES}", f"{{CRYPT}}{DES}"]
    assert [user["active"] for user in lists["users"]] == [True, False, True, True]
    assert lists["users"][1]["quota"] == "0"
    assert [(domain["name"], domain["active"]) for domain in lists["domains"]] == [
        ("closed.test", False),
        ("example.com", True),
        ("old.test", True),
    ]
    assert lists["domains"][1]["description"] == "Büro 한국"
    assert {alias["source"]: alias["destination"] for alias in lists["aliases"]} == {
        "@example.com": ["alice@example.com"],
        "@old.test": ["@example.com", "dave@example.com"],
        "carol@example.com": ["carol@example.com", "x@elsewhere.test"],
        "dave@example.com": ["d@elsewhere.test", "dave@example.com"],
        "info@example.com": ["alice@example.com"],
        "pool@example.com": ["loop@example.com"],
    }
    assert not old.read("postfixadmin", dest=dest, include_password_hashes=True)["changed"]

    written = run("virtual_directory", src=[dest], remote_src=True)
    assert written["changed"], written
    before = rows()
    assert not run("virtual_directory", src=[dest], remote_src=True)["changed"]
    assert rows() == before


def test_postfixadmin_without_alias_domains(old):
    old.make(("domain", "alias", "mailbox"))
    old.add("domain", domain="example.com")
    assert old.read("postfixadmin")["counts"] == {"domains": 1, "users": 0, "aliases": 0}


def test_tutorial(tutorial, run):
    for number, (email, password) in enumerate(
        [
            ("ALICE@example.com", f"{{SHA512-CRYPT}}{SHA512[:70]}"),
            ("alice@example.com", SHA512),
            ("bob@example.com", "{plain-md5}3cb4e732631f47e6eb961f34554b7cde"),
            ("orphan@nowhere.test", SHA512),
        ]
    ):
        tutorial.add("virtual_users", id=number, domain_id=1, email=email, password=password)
    for number, (source, destination) in enumerate(
        [
            ("Info@example.com", "alice@example.com"),
            ("info@example.com", "Alice@example.com, bob@example.com"),
            ("bob@example.com", "bob@example.com"),
            ("x@nowhere.test", "alice@example.com"),
        ]
    ):
        tutorial.add("virtual_aliases", id=number, domain_id=9, source=source, destination=destination)
    answer = tutorial.read("tutorial")
    assert answer["left_out"] == [
        "virtual_users ALICE@example.com: its password hash of the scheme SHA512-CRYPT is not whole, or is not read by Dovecot:"
        " set a new password.",
        "virtual_users orphan@nowhere.test: the domain nowhere.test does not exist: add it to the domains first.",
        "virtual_aliases x@nowhere.test: the domain nowhere.test does not exist: add it to the domains first.",
        "virtual_aliases bob@example.com: the alias leads only to itself: give another destination, or remove it.",
    ]
    assert [user["email"] for user in answer["users"]] == ["alice@example.com", "bob@example.com"]
    assert [alias["destination"] for alias in answer["aliases"]] == [["alice@example.com", "bob@example.com"]]


def test_user_twice(tutorial):
    tutorial.add("virtual_users", id=1, domain_id=1, email="ALICE@example.com", password=DES)
    tutorial.add("virtual_users", id=2, domain_id=1, email="alice@example.com", password=SHA512)
    answer = tutorial.read("tutorial", include_password_hashes=True, no_log=True)
    assert answer["left_out"] == [
        "virtual_users ALICE@example.com: virtual_users alice@example.com is the same user: keep one of them."
    ]
    assert [user["password_hash"] for user in answer["users"]] == [f"{{SHA512-CRYPT}}{SHA512}"]


def test_slow_hashes_are_named(postfixadmin):
    # Nothing is verified here, so that any digest will do
    slow = [f"$6$rounds=656000$saltsalt${'x' * 86}", f"$2y$11${'x' * 53}"]
    for number in range(25):
        postfixadmin.add("mailbox", username=f"user{number:02}@example.com", password=slow[number % 2])
    postfixadmin.add("mailbox", username="alice@example.com", password=SHA512)
    (warning,) = postfixadmin.read("postfixadmin")["warnings"]
    assert warning.startswith(
        "25 users have password hashes that are slow to verify, so that each of their logins takes up to about 210 ms of CPU, one"
        " after the other: user00@example.com, user01@example.com, "
    )
    assert "user19@example.com and 5 more. Give virtual_user or virtual_directory new passwords" in warning
    assert "alice" not in warning and "user20" not in warning


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (SHA512, f"{{SHA512-CRYPT}}{SHA512}"),
        ("$1$gd3S2hsi$6QSPljZgOwcZs2/iQ09720", "{MD5-CRYPT}$1$gd3S2hsi$6QSPljZgOwcZs2/iQ09720"),
        ("{crypt}$1$gd3S2hsi$6QSPljZgOwcZs2/iQ09720", "{CRYPT}$1$gd3S2hsi$6QSPljZgOwcZs2/iQ09720"),
        (YES, f"{{CRYPT}}{YES}"),
        (DES, f"{{CRYPT}}{DES}"),
        ("3cb4e732631f47e6eb961f34554b7cde", "{PLAIN-MD5}3cb4e732631f47e6eb961f34554b7cde"),
        ("{MD5RAW}3cb4e732631f47e6eb961f34554b7cde", "{PLAIN-MD5}3cb4e732631f47e6eb961f34554b7cde"),
        ("{MD5}PLTnMmMfR+brlh80VUt83g==", "{LDAP-MD5}PLTnMmMfR+brlh80VUt83g=="),
        ("{SHA1.HEX}2f9e53523b62abc141a2b4d6019d23cba835dbd0", "{SHA}L55TUjtiq8FBorTWAZ0jy6g129A="),
        ("{MD5-CRYPT.B64}JDEkZ2QzUzJoc2kkNlFTUGxqWmdPd2NaczIvaVEwOTcyMA==", "{MD5-CRYPT}$1$gd3S2hsi$6QSPljZgOwcZs2/iQ09720"),
    ],
)
def test_forms_of_hashes(tutorial, stored, expected):
    tutorial.add("virtual_users", id=1, domain_id=1, email="alice@example.com", password=stored)
    answer = tutorial.read("tutorial", include_password_hashes=True, no_log=True)
    assert [user["password_hash"] for user in answer["users"]] == [expected], answer


@pytest.mark.parametrize("stored", ["", "{OTP}x", "{SHA512-CRYPT}$6$x", "$6$rounds=656000$saltsalt$cut", "{SHA.HEX}xyz"])
def test_unreadable_hash_is_left_out(tutorial, stored):
    tutorial.add("virtual_users", id=1, domain_id=1, email="alice@example.com", password=stored)
    answer = tutorial.read("tutorial", cleartext_passwords=True)
    assert answer["users"] == []
    assert answer["left_out"][0].startswith("virtual_users alice@example.com: it")


@pytest.mark.parametrize("stored", ["{hunter2}", "{hunter2}xyz"])
def test_a_password_between_braces_is_not_repeated(tutorial, stored):
    tutorial.add("virtual_users", id=1, domain_id=1, email="alice@example.com", password=stored)
    (reason,) = tutorial.read("tutorial", cleartext_passwords=True)["left_out"]
    assert "hunter2" not in reason.lower()


@pytest.mark.parametrize("stored", ["secret", "{PLAIN}secret", "{CLEARTEXT}secret"])
def test_password_in_the_clear(tutorial, run, stored):
    tutorial.add("virtual_users", id=1, domain_id=1, email="Alice@example.com", password=stored)
    tutorial.add("virtual_users", id=2, domain_id=1, email="bob@example.com", password=stored)
    refused = tutorial.read("tutorial")
    assert refused["failed"]
    for name in ("Alice", "bob"):
        assert f"virtual_users {name}@example.com: its password has no known form" in refused["msg"]
    assert "set cleartext_passwords to true" in refused["msg"]
    assert "secret" not in refused["printed"]
    options = {"cleartext_passwords": True, "include_password_hashes": True, "no_log": True}
    first, second = (tutorial.read("tutorial", **options) for dummy in range(2))
    hashes = [user["password_hash"] for user in first["users"]]
    assert hashes == [user["password_hash"] for user in second["users"]]
    assert all(Password("secret").matches(hashed) for hashed in hashes)
    assert hashes[0] != hashes[1]
    assert run("virtual_directory", domains=first["domains"], users=first["users"])["changed"]


def test_hashes_are_not_printed(tutorial):
    assert "no_log" in tutorial.read("tutorial", include_password_hashes=True)["msg"]


def test_check_mode_writes_no_file(tutorial, tmp_path):
    dest = tmp_path / "old.json"
    assert tutorial.read("tutorial", dest=str(dest), check=True)["changed"]
    assert not dest.exists()


def test_wrong_layout(tutorial):
    answer = tutorial.read("postfixadmin")
    assert "has no tables domain, alias, mailbox that" in answer["msg"]
    assert "check layout, login_db" in answer["msg"]


def test_reading_changes_nothing(tutorial):
    """Whoever reads may write, but the transaction does not let it."""
    params = {name: option.get("default") for name, option in _foreign_store.CONNECTION_SPEC.items()}
    params = {**params, "layout": "tutorial", "engine": tutorial.engine, **tutorial.options}
    with pytest.raises(_connection.MailserverError, match="(?i)read.only"), _foreign_store._ENGINES[tutorial.engine](params) as query:
        query("DELETE FROM virtual_domains")


@pytest.fixture(scope="module")
def certificate():
    """A directory with a self-signed certificate for localhost that a server may read."""
    with tempfile.TemporaryDirectory(prefix="tls-", dir="/tmp") as directory:
        names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        files = ["-keyout", f"{directory}/key.pem", "-out", f"{directory}/cert.pem"]
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", *files, *names], check=True, capture_output=True)
        for path in (directory, f"{directory}/key.pem"):
            pathlib.Path(path).chmod(0o755)
        yield pathlib.Path(directory)


@pytest.fixture(scope="module", params=[True, False], ids=["tls", "no_tls"])
def remote(request, new_mariadb, certificate):
    """Whether a server on a port has TLS, and options to reach it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    tls = [f"--ssl-cert={certificate}/cert.pem", f"--ssl-key={certificate}/key.pem"] if request.param else ["--skip-ssl"]
    with new_mariadb("--bind-address=127.0.0.1", f"--port={port}", *tls) as options, _old_mariadb(options, "remote", None) as old:
        old.make(TUTORIAL)
        old.execute("CREATE USER reader@'%' IDENTIFIED BY 'confidential'")
        old.execute("GRANT SELECT ON remote.* TO reader@'%'")
        options = {"login_host": "localhost", "login_port": port, "login_user": "reader", "login_password": "confidential"}
        yield request.param, {"layout": "tutorial", "engine": "mariadb", "login_db": "remote", **options}


@pytest.mark.parametrize("ssl_mode", ["disable", "prefer", "require", "verify-ca", "verify-full"])
def test_mariadb_over_the_network(remote, certificate, run_anywhere, ssl_mode):
    has_tls, options = remote
    answer = run_anywhere("foreign_directory_info", **options, ssl_mode=ssl_mode, ca_cert=str(certificate / "cert.pem"))
    assert "confidential" not in answer["printed"]
    if has_tls or ssl_mode in ("disable", "prefer"):
        assert answer["counts"] == {"domains": 0, "users": 0, "aliases": 0}
    else:
        assert "server has no TLS" in answer["msg"] or "server doesn't support it" in answer["msg"]


def test_mariadb_of_another_name_or_authority(remote, certificate, run_anywhere):
    has_tls, options = remote
    if has_tls:
        trusted = {"ca_cert": str(certificate / "cert.pem")}
        for ssl_mode, further, works in [
            ("verify-full", {**trusted, "login_host": "127.0.0.1"}, False),
            ("verify-ca", {**trusted, "login_host": "127.0.0.1"}, True),
            ("verify-ca", {}, False),
        ]:
            answer = run_anywhere("foreign_directory_info", **{**options, **further}, ssl_mode=ssl_mode)
            assert ("counts" in answer) == works, answer
            assert works or "certificate" in answer["msg"]


@pytest.mark.parametrize("engine", ENGINES)
def test_no_server(engine, tmp_path, run_anywhere):
    options = {"layout": "tutorial", "engine": engine, "login_unix_socket": str(tmp_path / "none"), "login_user": "reader"}
    answer = run_anywhere("foreign_directory_info", **options, login_db="old", login_password="confidential")
    assert f"Cannot connect to the {engine} database old as reader" in answer["msg"]
    assert "confidential" not in answer["printed"]


@pytest.mark.parametrize(("engine", "name"), [("mariadb", "PyMySQL"), ("postgresql", "psycopg")])
def test_missing_driver(engine, name, monkeypatch, run_anywhere):
    monkeypatch.setattr(_foreign_store, {"mariadb": "pymysql", "postgresql": "psycopg"}[engine], None)
    answer = run_anywhere("foreign_directory_info", layout="tutorial", engine=engine, login_user="reader", login_db="old")
    assert name in answer["msg"]
    assert "python3-" in answer["msg"]
