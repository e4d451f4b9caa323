# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same users by Debian's virtual mail manager: a command for each, as its manual shows it."""

import os
import subprocess
import time
from pathlib import Path

import database
import psycopg
import rows

# vmm reads no other file than the one in /etc, which is not for a benchmark to write. Debian 12's 0.7.0 is older than its
# Python, which has moved the name that it asks for.
PROGRAM = """
import collections.abc, sys
collections.Callable = collections.abc.Callable
from VirtualMailManager import handler
handler.CFG_PATH = sys.argv.pop(1)
from VirtualMailManager.cli.main import run
sys.exit(run(sys.argv))
"""
TABLES = Path("/usr/share/doc/vmm/examples/pgsql/create_tables.pgsql")


def measure(number, directory):
    """Seconds to load so many users. It hashes their passwords (SHA512-CRYPT, 5000 rounds), and makes their mailboxes."""
    store = directory / "vmm"
    store.mkdir(exist_ok=True)
    configure(directory, store)
    with psycopg.connect(dbname="postgres", autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {database.NAME} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {database.NAME}")
    # It complains of what PostgreSQL has already.
    subprocess.run(["psql", "--quiet", "--dbname", database.NAME, "--file", TABLES], check=True, capture_output=True)
    with psycopg.connect(dbname=database.NAME, autocommit=True) as connection:
        for name in rows.domains(number):
            vmm(directory, "domainadd", name)
        start = time.perf_counter()
        for email, dummy, dummy in rows.users(number):
            vmm(directory, "useradd", "-p", "correct horse", email)
        seconds = time.perf_counter() - start
        loaded = connection.execute("SELECT count(*) FROM users").fetchone()[0]
    if loaded != number:
        raise RuntimeError(f"vmm loaded {loaded} of {number} users")
    return seconds


def configure(directory, store):
    file = directory / "vmm.cfg"
    file.write_text(
        f"[database]\nhost = {os.environ['PGHOST']}\nport = {os.environ['PGPORT']}\nuser = {os.environ['PGUSER']}\n"
        f"pass = {os.environ.get('PGPASSWORD', '')}\nname = {database.NAME}\n"
        f"[domain]\nauto_postmaster = false\n[misc]\nbase_directory = {store}\ndovecot_version = 2.3.19\n[bin]\npostconf = /bin/true\n"
    )
    file.chmod(0o640)


def vmm(directory, *arguments):
    run = subprocess.run(["/usr/bin/python3", "-c", PROGRAM, directory, *arguments], check=False, capture_output=True, text=True)
    if run.returncode:
        raise RuntimeError(f"vmm {arguments[0]}: {run.stderr}")
