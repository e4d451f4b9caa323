# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""The way into PostgreSQL: options, import guard, one connection, errors in plain words."""

from __future__ import annotations

from ansible.module_utils.basic import missing_required_lib

PSYCOPG_IMPORT_ERROR = None
try:
    import psycopg
except ImportError as exc:
    psycopg = None
    PSYCOPG_IMPORT_ERROR = str(exc)

MINIMUM_SERVER = 13
CONNECT_TIMEOUT = 10

CONNECTION_SPEC = {
    "login_host": {"type": "str", "default": ""},
    "login_unix_socket": {"type": "path", "default": ""},
    "login_port": {"type": "int", "default": 5432},
    "login_user": {"type": "str", "default": "mail_admin"},
    "login_password": {"type": "str", "no_log": True},
    "login_db": {"type": "str", "default": "mailserver"},
    "ssl_mode": {
        "type": "str",
        "default": "prefer",
        "choices": ["allow", "disable", "prefer", "require", "verify-ca", "verify-full"],
    },
    "ca_cert": {"type": "path"},
    "ssl_cert": {"type": "path"},
    "ssl_key": {"type": "path"},
    "connect_params": {"type": "dict", "default": {}},
}

# option -> libpq keyword
_KEYWORDS = {
    "login_port": "port",
    "login_user": "user",
    "login_password": "password",
    "login_db": "dbname",
    "ssl_mode": "sslmode",
    "ca_cert": "sslrootcert",
    "ssl_cert": "sslcert",
    "ssl_key": "sslkey",
}


class MailserverError(Exception):
    """A fault to show to the user as it is: says what is wrong and how to mend it, holds no secret."""


def error_text(exc):
    """One line for a psycopg error; never the SQL, its values, or the row in the error's detail."""
    text = exc.diag.message_primary or str(exc)
    return " ".join(text.split()).rstrip(".")


def connect(params, dbname=None):
    """Connect as the options in params say; dbname replaces the option login_db."""
    if psycopg is None:
        library = "psycopg, version 3 (Debian package python3-psycopg)"
        raise MailserverError(missing_required_lib(library, reason=f"to reach PostgreSQL: {PSYCOPG_IMPORT_ERROR}"))
    keywords = _libpq_keywords(params, dbname)
    try:
        connection = psycopg.connect(**keywords)
    except psycopg.Error as exc:
        raise MailserverError(_unreachable(keywords, exc)) from exc
    version = connection.info.server_version // 10000
    if version < MINIMUM_SERVER:
        connection.close()
        raise MailserverError(
            f"PostgreSQL {version} at {_place(keywords)} is too old: upgrade it to version {MINIMUM_SERVER} or later."
        )
    return connection


def _libpq_keywords(params, dbname):
    extra = params["connect_params"]
    secrets = sorted(key for key in extra if key.endswith("password"))
    if secrets:
        # Ansible would log the option's value as it is
        raise MailserverError(
            f"connect_params must not hold {', '.join(secrets)}: use login_password, or passfile with the name of a file."
        )
    keywords = {keyword: params[option] for option, keyword in _KEYWORDS.items() if params[option]}
    host = params["login_host"] or params["login_unix_socket"]
    if host:
        keywords["host"] = host
    if dbname:
        keywords["dbname"] = dbname
    return {"connect_timeout": CONNECT_TIMEOUT, "application_name": "virtmail.mailserver", **keywords, **extra}


def _place(keywords):
    host = keywords.get("host", "")
    if not host or host.startswith("/"):
        return f"the local socket {host}".rstrip()
    return f"{host} port {keywords['port']}"


def _unreachable(keywords, exc):
    return (
        f"Cannot connect to database {keywords['dbname']} as {keywords['user']} at {_place(keywords)}: {error_text(exc)}."
        " Check that PostgreSQL runs there, that the role postgres_mail has prepared it, and the options login_*."
    )
