# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same load by playbooks, as a user would write them: two ways with ours, and two with community.postgresql."""

import json
import os
import subprocess
import sys
import time

import database
import rows

INSERT = (
    "INSERT INTO virtual_users (domain_id, password, email, display_name, quota_bytes)"
    " SELECT id, %(password)s, %(email)s, %(name)s, %(quota)s FROM virtual_domains WHERE name = split_part(%(email)s, '@', 2)"
    " ON CONFLICT (email) DO NOTHING"
)
INSERT_ALL = (
    "INSERT INTO virtual_users (domain_id, password, email, display_name, quota_bytes)"
    " SELECT id, password, email, given.name, quota"
    " FROM jsonb_to_recordset(%(rows)s::jsonb) AS given (password text, email text, name text, quota bigint)"
    " JOIN virtual_domains AS domain ON domain.name = split_part(email, '@', 2)"
    " ON CONFLICT (email) DO NOTHING"
)


def query(number):
    """Rows as named arguments of a query."""
    return [
        {"password": rows.PASSWORD_HASH, "email": email, "name": name, "quota": quota} for email, name, quota in rows.users(number)
    ]


def ours(number, directory):
    return {"virtmail.mailserver.virtual_directory": {**database.LOGIN, "src": rows.write(directory, number)}}


def single_tasks(number, directory):
    options = [{"email": email, "password_hash": rows.PASSWORD_HASH, "quota": str(quota)} for email, dummy, quota in rows.users(number)]
    task = {"virtmail.mailserver.virtual_user": {**database.LOGIN, **{name: f"{{{{ item.{name} }}}}" for name in options[0]}}}
    return {**task, "loop": options, "loop_control": {"label": "{{ item.email }}"}}


def loop(number, directory):
    task = {"community.postgresql.postgresql_query": {**database.LOGIN, "query": INSERT, "named_args": "{{ item }}"}}
    return {**task, "loop": query(number), "loop_control": {"label": "{{ item.email }}"}}


def one_statement(number, directory):
    arguments = {"rows": json.dumps(query(number))}
    return {"community.postgresql.postgresql_query": {**database.LOGIN, "query": INSERT_ALL, "named_args": arguments}}


def measure(task, number, directory):
    """Seconds of a first load by this task, the start of Ansible included."""
    connection = database.create()
    if task is not ours:
        names = rows.domains(number)
        connection.execute("INSERT INTO virtual_domains (name) SELECT unnest(%s::text[])", (names,))
    playbook = directory / "playbook.json"
    playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task(number, directory)]}]))
    start = time.perf_counter()
    run = subprocess.run(
        ["ansible-playbook", "--connection", "local", "--inventory", "localhost,", playbook],
        env={**os.environ, "ANSIBLE_PYTHON_INTERPRETER": sys.executable}, check=False, capture_output=True, text=True,
    )
    seconds = time.perf_counter() - start
    loaded = connection.execute("SELECT count(*) FROM virtual_users").fetchone()[0]
    connection.close()
    if run.returncode or loaded != number:
        raise RuntimeError(f"{task.__name__} loaded {loaded} of {number} users: {run.stdout[-2000:]}")
    return seconds
