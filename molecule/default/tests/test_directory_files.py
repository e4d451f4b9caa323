# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows that lie in files on the controller are declared like those in variables."""

import pytest
import wire

USER = "csv@example.test"


@pytest.fixture
def users_file(tmp_path, play):
    file = tmp_path / "users.csv"
    file.write_text(f"email,password,state\n{USER},Lighthouse-csv-90,present\n")
    yield file
    file.write_text(f"email,password,state\n{USER},,absent\n")
    assert play("users", mail_directory_files=[str(file)]).code == 0


def test_users_from_a_file(machine, play, users_file):
    assert not wire.rcpt(machine, USER).startswith("250")
    runs = [play("users", "--diff", mail_directory_files=[str(users_file)]) for dummy in range(2)]
    assert [(run.code, run.changed) for run in runs] == [(0, 1), (0, 0)], runs[-1].output[-3000:]
    assert "Lighthouse-csv" not in runs[0].output
    assert wire.let_in(wire.login(machine, wire.IMAPS, USER, "Lighthouse-csv-90"))


def test_a_bad_line_is_named_and_nothing_written(machine, play, users_file):
    users_file.write_text(f"email,password,state\n{USER},Lighthouse-csv-90,present\nnobody,Lighthouse-csv-91,present\n")
    run = play("users", mail_directory_files=[str(users_file)])
    assert run.code != 0
    assert f"{users_file} line 3 (nobody): there is no @" in run.output
    assert not wire.rcpt(machine, USER).startswith("250")
