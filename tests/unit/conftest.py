# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Real servers of PostgreSQL, MariaDB and DNS for the tests: throw-away ones, reached only by sockets and ports of their own."""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import itertools
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

import dns.exception
import dns.message
import dns.query
import psycopg
import pymysql
import pytest

ROLES = pathlib.Path(__file__).parents[2] / "roles"
MIGRATIONS = ROLES / "postgres_mail" / "files" / "migrations"


def _binary(name):
    found = shutil.which(name)
    if found:
        return found
    debian = sorted(pathlib.Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: int(path.parts[4]))
    if not debian:
        raise FileNotFoundError(f"{name} is needed: install Debian's package postgresql")
    return str(debian[-1])


def _unprivileged():
    """Database servers refuse to run as root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name).pw_name
        except KeyError:
            continue
    raise LookupError("run the tests as a user other than root")


def _run(user, *command):
    subprocess.run(command, check=True, user=user, cwd="/", stdout=subprocess.DEVNULL)


def _connect(parameters, dbname=None):
    return psycopg.connect(
        host=parameters["login_unix_socket"],
        user=parameters["login_user"],
        dbname=dbname or parameters["login_db"],
        autocommit=True,
    )


@contextlib.contextmanager
def _running_cluster():
    """Connection options, as the modules take them, of the superuser of an empty cluster."""
    user = _unprivileged()
    # Short and not below pytest's own directory: a socket's path has 107 characters at most, and the user must get in.
    directory = tempfile.mkdtemp(prefix="pg-", dir="/tmp")
    if user:
        shutil.chown(directory, user)
    data = f"{directory}/data"
    try:
        _run(user, _binary("initdb"), "-N", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "-D", data)
        _start(user, directory)
        try:
            yield {"login_unix_socket": directory, "login_user": "postgres", "login_db": "postgres"}
        finally:
            _run(user, _binary("pg_ctl"), "-w", "-m", "immediate", "-D", data, "stop")
    finally:
        shutil.rmtree(directory)


def _start(user, directory):
    settings = f"-k {directory} -c listen_addresses= -c fsync=off -c max_connections=30"
    _run(user, _binary("pg_ctl"), "-w", "-D", f"{directory}/data", "-l", f"{directory}/log", "-o", settings, "start")


@pytest.fixture(scope="session")
def cluster():
    """The one for databases that the migrations alone have made."""
    with _running_cluster() as options:
        yield options


@pytest.fixture(scope="session")
def new_cluster():
    """Makes one more, for those who need it for themselves."""
    return _running_cluster


@contextlib.contextmanager
def _running_mariadb(*further):
    """Connection options, as the modules take them, of the superuser of a MariaDB server without databases."""
    user = _unprivileged()
    directory = tempfile.mkdtemp(prefix="my-", dir="/tmp")
    if user:
        shutil.chown(directory, user)
    own = ["--no-defaults", f"--datadir={directory}/data"]
    program = shutil.which("mariadbd", path=f"{os.environ['PATH']}:/usr/sbin")
    try:
        _run(user, _binary("mariadb-install-db"), *own, "--auth-root-authentication-method=normal", "--skip-test-db")
        options = [f"--socket={directory}/socket", f"--log-error={directory}/log", *(further or ["--skip-networking"])]
        server = subprocess.Popen([program, *own, *options], user=user, cwd="/", stdout=subprocess.DEVNULL)
        try:
            _wait_for_mariadb(server, f"{directory}/socket")
            yield {"login_unix_socket": f"{directory}/socket", "login_user": "root"}
        finally:
            server.kill()
            server.wait()
    finally:
        shutil.rmtree(directory)


@pytest.fixture(scope="session")
def mariadb():
    """One that is reached by its socket only."""
    with _running_mariadb() as options:
        yield options


@pytest.fixture(scope="session")
def new_mariadb():
    """Makes one more, with options of its own."""
    return _running_mariadb


def _wait_for_mariadb(server, socket):
    while True:
        try:
            pymysql.connect(unix_socket=socket, user="root").close()
            return
        except pymysql.OperationalError:
            assert server.poll() is None, "mariadbd has ended"
            time.sleep(0.1)


@pytest.fixture(scope="session")
def kill_server():
    """Kills the server of a cluster as nothing in it can foresee, and starts it again."""

    def kill(options):
        directory = pathlib.Path(options["login_unix_socket"])
        number = int((directory / "data" / "postmaster.pid").read_text(encoding="ascii").split()[0])
        os.kill(number, signal.SIGKILL)
        end = time.monotonic() + 60
        while True:
            try:
                return _start(_unprivileged(), directory)
            except subprocess.CalledProcessError:  # its children have yet to notice
                assert time.monotonic() < end

    return kill


@pytest.fixture(scope="session")
def bare_cluster():
    """The one that has no roles of ours, so that virtual_schema can make them."""
    with _running_cluster() as options:
        yield options


@pytest.fixture(scope="session")
def _migrated(cluster):
    """Name of a database that the migrations have made; the tests get copies of it."""
    with _connect(cluster) as connection:
        connection.execute("CREATE DATABASE migrated")
        connection.execute("CREATE ROLE mail_tenant")  # the migrations name it
    with _connect(cluster, "migrated") as connection, connection.transaction():
        connection.execute("CREATE SCHEMA mail_internal")
        connection.execute(
            "CREATE TABLE mail_internal.schema_migrations"
            " (version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        )
        for path in sorted(MIGRATIONS.glob("*.sql")):
            connection.execute(path.read_text(encoding="utf-8"))
            connection.execute(
                "INSERT INTO mail_internal.schema_migrations (version, name) VALUES (%s, %s)",
                (int(path.name.split("_")[0]), path.name),
            )
    return "migrated"


_numbers = itertools.count(1)


@pytest.fixture
def database(cluster, _migrated):
    """Connection options of a fresh database with the schema as the migrations make it."""
    name = f"test_{next(_numbers)}"
    with _connect(cluster) as connection:
        connection.execute(f"CREATE DATABASE {name} TEMPLATE {_migrated}")
    yield {**cluster, "login_db": name}
    with _connect(cluster) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture
def connection(database):
    """An open connection to the fresh database, each statement committed at once."""
    with _connect(database) as connection:
        yield connection


NAMED = """
options {{
    directory "{directory}";
    listen-on port {port} {{ 127.0.0.1; }};
    listen-on-v6 {{ none; }};
    pid-file none;
    session-keyfile none;
    dnssec-validation no;
    empty-zones-enable no;
    recursion {recursion};
    allow-update {{ key mail; }};
}};
controls {{ }};
key mail {{ algorithm hmac-sha256; secret "{secret}"; }};
key stranger {{ algorithm hmac-sha256; secret "{secret}"; }};
{zones}
"""
ZONE_HEAD = "$TTL 600\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n"


class NameServer:
    """A running name server."""

    secret = "bm8gc2VjcmV0IGF0IGFsbCwgb25seSBmb3IgdGVzdHM="

    def __init__(self, port):
        self.port = port

    def ask(self, name, kind):
        """The values that the server has, as a zone file has them."""
        response = dns.query.tcp(dns.message.make_query(name, kind), "127.0.0.1", port=self.port, timeout=10)
        return sorted(rdata.to_text() for rrset in response.answer for rdata in rrset)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def _running_name_server(zones, recursion=True, further="", fixed=()):
    """A server with zones, {name: lines of a zone file}; one that recurs has the root as well, so that it asks nobody else.

    All of them take updates, but for those that are fixed.
    """
    directory = pathlib.Path(tempfile.mkdtemp(prefix="ns-", dir="/tmp"))
    program = shutil.which("named", path=f"{os.environ['PATH']}:/usr/sbin")
    if not program:
        raise FileNotFoundError("named is needed: install Debian's package bind9")
    try:
        statements = []
        for name, lines in {**({".": ""} if recursion else {}), **zones}.items():
            path = directory / f"zone-{name}"
            path.write_text(ZONE_HEAD + lines, encoding="utf-8")
            updates = "allow-update { none; };" if name in fixed else ""
            statements.append(f'zone "{name}" {{ type primary; file "{path.name}"; {updates} }};')
        server = NameServer(free_port())
        settings = {"port": server.port, "secret": server.secret, "recursion": "yes" if recursion else "no", "directory": directory}
        config = NAMED.format(**settings, zones="\n".join([*statements, further]))
        (directory / "named.conf").write_text(config, encoding="utf-8")
        with open(directory / "log", "wb") as log:
            process = subprocess.Popen([program, "-g", "-n", "1", "-c", directory / "named.conf"], stderr=log)
        try:
            _wait_for_name_server(process, server, directory / "log")
            yield server
        finally:
            process.kill()
            process.wait()
    finally:
        shutil.rmtree(directory)


def _wait_for_name_server(process, server, log):
    while True:
        try:
            return server.ask(".", "SOA")
        except (OSError, dns.exception.DNSException):
            assert process.poll() is None, log.read_text(encoding="utf-8")
            time.sleep(0.05)


@pytest.fixture(scope="session")
def new_name_server():
    """Makes one with zones of its own."""
    return _running_name_server


@pytest.fixture
def load_program(monkeypatch):
    """Reads a program of a role, by its path below roles/, as a module. It leaves no bytecode beside it."""

    def load(path):
        loader = importlib.machinery.SourceFileLoader("program", str(ROLES / path))
        module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
        monkeypatch.setattr(sys, "dont_write_bytecode", True)
        loader.exec_module(module)
        return module

    return load
