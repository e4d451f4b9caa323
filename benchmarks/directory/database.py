# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A fresh mail database for each measurement, in the server that libpq's environment variables name."""

import os
from pathlib import Path

import psycopg

NAME = "mailserver_benchmark"
# As modules take them; the password comes to them in the environment.
LOGIN = {
    "login_db": NAME,
    "login_host": os.environ["PGHOST"],
    "login_port": int(os.environ["PGPORT"]),
    "login_user": os.environ["PGUSER"],
}
MIGRATIONS = Path(__file__).parents[2] / "roles/postgres_mail/files/migrations"


def create():
    """An empty directory with the tables, triggers and indexes that a mail server has; returns a connection to it."""
    with psycopg.connect(dbname="postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {NAME}")
        if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'mail_tenant'").fetchone():
            connection.execute("CREATE ROLE mail_tenant")  # the migrations name it
    connection = psycopg.connect(dbname=NAME, autocommit=True)
    connection.execute(
        "CREATE SCHEMA mail_internal;"
        "CREATE TABLE mail_internal.schema_migrations"
        " (version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    for path in sorted(MIGRATIONS.glob("*.sql")):
        connection.execute(path.read_text())
        connection.execute(
            "INSERT INTO mail_internal.schema_migrations (version, name) VALUES (%s, %s)", (int(path.name[:4]), path.name)
        )
    settle(connection)
    return connection


def settle(connection):
    """Nothing that one measurement leaves to be done shall fall into the next."""
    connection.execute("VACUUM ANALYZE")
    connection.execute("CHECKPOINT")
