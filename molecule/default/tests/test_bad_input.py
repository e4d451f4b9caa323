# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Wrong input gets one sentence for each fault, with the row and the fix, and nothing is written."""

import pytest
from playbook import run_playbook

PASSWORD = "Lighthouse-nobody-99"
USERS = [
    {"email": "no-at-sign", "password": PASSWORD},
    {"email": "two@@example.test", "password": PASSWORD},
    {"email": "scheme@example.test", "password": PASSWORD, "password_scheme": "ROT13"},
    {"email": "lost@nowhere.test", "password": PASSWORD},
    {"email": "twice@example.test", "password": PASSWORD},
    {"email": "Twice@Example.Test", "password": PASSWORD},
    {"email": "quota@example.test", "password": PASSWORD, "quota": "5X"},
    {"email": "empty@example.test", "password": ""},
    {"email": "none@example.test"},
    {"email": "box+lists@example.test", "password": PASSWORD},
]
ALIASES = [
    {"source": "a@example.test", "destination": ["a@example.test"]},
    {"source": "x@nowhere.test", "destination": ["alice@example.test"]},
]
SENTENCES = {
    "no @": "users[0] (no-at-sign): there is no @: write it as name@domain.",
    "bad local part": "users[1] (two@@example.test): the part before the @ must be",
    "unknown scheme": "users[2] (scheme@example.test): password_scheme 'ROT13' is unknown: use one of ARGON2ID,",
    "no such domain": "users[3] (lost@nowhere.test): the domain nowhere.test does not exist: add it to the domains first.",
    "duplicate": "users[5] (Twice@Example.Test): users[4] (twice@example.test) is the same user: keep one of them.",
    "bad quota": "users[6] (quota@example.test): quota '5X' is no size: write 500M or 5G,",
    "empty password": "users[7] (empty@example.test): the password is empty: give one,",
    "new user without password": "users[8] (none@example.test): ",
    "extension": "users[9] (box+lists@example.test): '+' begins a sub-address, not an account:",
    "alias loop": "aliases[0] (a@example.test): the alias leads only to itself: give another destination, or remove it.",
    "alias of no domain": "aliases[1] (x@nowhere.test): the domain nowhere.test does not exist: add it to the domains first.",
}
DIRECTORY = """runuser -u postgres -- psql -At mailserver -c '
    SELECT name FROM virtual_domains UNION ALL SELECT email || password FROM virtual_users
    UNION ALL SELECT source || destination FROM virtual_aliases ORDER BY 1' | sha256sum"""


@pytest.fixture(scope="module")
def refused(machine, tmp_path_factory):
    """One run with all that is wrong, beside one user with whom nothing is."""
    good = {"email": "good@example.test", "password": PASSWORD}
    before = machine.host.check_output(DIRECTORY)
    run = run_playbook(
        machine, tmp_path_factory.mktemp("refused"), "users", mail_domains=[], mail_users=[*USERS, good], mail_aliases=ALIASES
    )
    return run, before, machine.host.check_output(DIRECTORY)


@pytest.mark.parametrize("fault", SENTENCES)
def test_each_fault_has_its_sentence(refused, fault):
    run, dummy, dummy = refused
    assert run.code != 0
    assert SENTENCES[fault] in run.output


def test_nothing_is_written_not_even_what_is_right(refused):
    dummy, before, after = refused
    assert before == after


def test_no_password_is_repeated(refused):
    run, dummy, dummy = refused
    assert PASSWORD not in run.output


def test_too_few_connections_for_the_mail_server_are_refused(play):
    run = play("site", "--tags", "postgres_mail", postgres_mail_settings={"max_connections": 20})
    assert run.code != 0
    assert "max_connections in postgres_mail_settings is 20" in run.output


def test_a_database_that_does_not_answer_is_named(play):
    run = play("users", mail_database_port=5999)
    assert run.code != 0
    assert "Cannot connect to database mailserver as mail_admin" in run.output
    assert "Check that PostgreSQL runs" in run.output
