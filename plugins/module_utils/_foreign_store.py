# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""The way into another mail server's database, PostgreSQL or MariaDB: one snapshot, nothing but reading."""

from __future__ import annotations

import ssl
from contextlib import closing, contextmanager

from ansible.module_utils.basic import missing_required_lib

from ansible_collections.virtmail.mailserver.plugins.module_utils import _foreign
from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import (
    CONNECT_TIMEOUT,
    PSYCOPG_IMPORT_ERROR,
    MailserverError,
    error_text,
)

try:
    import psycopg
except ImportError:
    psycopg = None

PYMYSQL_IMPORT_ERROR = None
try:
    import pymysql
except ImportError as exc:
    pymysql = None
    PYMYSQL_IMPORT_ERROR = str(exc)

CONNECTION_SPEC = {
    "engine": {"type": "str", "choices": ["mariadb", "postgresql"], "required": True},
    "login_host": {"type": "str", "default": ""},
    "login_unix_socket": {"type": "path", "default": ""},
    "login_port": {"type": "int"},
    "login_user": {"type": "str", "required": True},
    "login_password": {"type": "str", "no_log": True},
    "login_db": {"type": "str", "required": True},
    "ssl_mode": {
        "type": "str",
        "default": "prefer",
        "choices": ["allow", "disable", "prefer", "require", "verify-ca", "verify-full"],
    },
    "ca_cert": {"type": "path"},
    "ssl_cert": {"type": "path"},
    "ssl_key": {"type": "path"},
}

# The error CR_SSL_CONNECTION_ERROR of newer drivers, where the server has no TLS
_NO_TLS = 2026
_OPTIONAL_TLS = ("allow", "disable", "prefer")
_MARIADB_SOCKET = "/run/mysqld/mysqld.sock"
_TABLES = {
    "mariadb": "SELECT table_name FROM information_schema.tables WHERE table_schema = database()",
    "postgresql": "SELECT table_name FROM information_schema.tables WHERE table_schema = ANY (current_schemas(false))",
}


def read(params, collector):
    """Hand all rows to the collector."""
    with _ENGINES[params["engine"]](params) as query:
        tables = {name for (name,) in query(_TABLES[params["engine"]])}
        missing = [name for name in _foreign.TABLES[params["layout"]] if name not in tables]
        if missing:
            raise MailserverError(
                f"Database {params['login_db']} has no tables {', '.join(missing)} that {params['login_user']} may read:"
                " check layout, login_db, and what the user may do."
            )
        if params["layout"] == "postfixadmin":
            _foreign.read_postfixadmin(query, collector, "alias_domain" in tables)
        else:
            _foreign.read_tutorial(query, collector)


@contextmanager
def _open_postgresql(params):
    if psycopg is None:
        library = "psycopg, version 3 (Debian package python3-psycopg)"
        raise MailserverError(missing_required_lib(library, reason=f"to reach PostgreSQL: {PSYCOPG_IMPORT_ERROR}"))
    keywords = {
        "host": params["login_host"] or params["login_unix_socket"],
        "port": params["login_port"],
        "user": params["login_user"],
        "password": params["login_password"],
        "dbname": params["login_db"],
        "sslmode": params["ssl_mode"],
        "sslrootcert": params["ca_cert"],
        "sslcert": params["ssl_cert"],
        "sslkey": params["ssl_key"],
        "connect_timeout": CONNECT_TIMEOUT,
        "client_encoding": "UTF8",
    }
    try:
        connection = psycopg.connect(**{name: value for name, value in keywords.items() if value})
    except psycopg.Error as exc:
        raise _unreachable(params, error_text(exc)) from exc
    with closing(connection):
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        connection.read_only = True
        try:
            yield lambda text: connection.execute(text).fetchall()
        except psycopg.Error as exc:
            raise _refused(params, error_text(exc)) from exc


@contextmanager
def _open_mariadb(params):
    if pymysql is None:
        library = "PyMySQL (Debian package python3-pymysql)"
        raise MailserverError(missing_required_lib(library, reason=f"to reach MariaDB: {PYMYSQL_IMPORT_ERROR}"))
    try:
        connection = _connect_mariadb(params)
    except (pymysql.Error, OSError) as exc:
        raise _unreachable(params, _mariadb_text(exc)) from exc
    with closing(connection), connection.cursor() as cursor:

        def query(text):
            cursor.execute(text)
            return cursor.fetchall()

        try:
            if params["login_host"] and params["ssl_mode"] not in _OPTIONAL_TLS:
                _check_encrypted(params, query)
            cursor.execute("SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            cursor.execute("START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
            yield query
        except pymysql.Error as exc:
            raise _refused(params, _mariadb_text(exc)) from exc


def _connect_mariadb(params):
    keywords = _pymysql_keywords(params)
    try:
        return pymysql.connect(**keywords)
    except pymysql.OperationalError as exc:
        if exc.args[0] != _NO_TLS or params["ssl_mode"] not in _OPTIONAL_TLS:
            raise
    del keywords["ssl"]
    return pymysql.connect(**keywords)


def _pymysql_keywords(params):
    keywords = {
        "user": params["login_user"],
        "password": params["login_password"] or "",
        "database": params["login_db"],
        "connect_timeout": CONNECT_TIMEOUT,
        "charset": "utf8mb4",
    }
    if not params["login_host"]:
        return {**keywords, "unix_socket": params["login_unix_socket"] or _MARIADB_SOCKET}
    keywords.update(host=params["login_host"], port=params["login_port"] or 3306)
    if params["ssl_mode"] == "disable":
        return keywords
    return {**keywords, "ssl": _ssl_context(params)}


def _ssl_context(params):
    """As libpq understands ssl_mode."""
    try:
        context = ssl.create_default_context(cafile=params["ca_cert"])
        context.check_hostname = params["ssl_mode"] == "verify-full"
        if not params["ssl_mode"].startswith("verify"):
            context.verify_mode = ssl.CERT_NONE
        if params["ssl_cert"]:
            context.load_cert_chain(params["ssl_cert"], params["ssl_key"])
    except OSError as exc:
        raise MailserverError(f"The files in ca_cert, ssl_cert and ssl_key cannot be used: {exc.strerror or exc}.") from exc
    return context


def _check_encrypted(params, query):
    """Older drivers go on without TLS where the server has none."""
    if not query("SHOW SESSION STATUS LIKE 'Ssl_cipher'")[0][1]:
        raise _unreachable(params, f"the server has no TLS, and ssl_mode is {params['ssl_mode']}")


def _mariadb_text(exc):
    return " ".join(str(exc.args[-1] if exc.args else exc).split()).rstrip(".")


def _unreachable(params, reason):
    place = params["login_host"] or f"the local socket {params['login_unix_socket']}".rstrip()
    return MailserverError(
        f"Cannot connect to the {params['engine']} database {params['login_db']} as {params['login_user']} at {place}: {reason}."
        " Check that the server runs there, and the options login_*."
    )


def _refused(params, reason):
    return MailserverError(f"Database {params['login_db']} refused: {reason}. Check layout, and what {params['login_user']} may read.")


_ENGINES = {"mariadb": _open_mariadb, "postgresql": _open_postgresql}
