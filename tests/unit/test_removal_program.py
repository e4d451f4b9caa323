# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program that puts the mail of removed users away, with real directories and a real database."""

from __future__ import annotations

import argparse
import os
import pathlib
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile

import pytest

PROGRAM = pathlib.Path(__file__).parents[2] / "roles" / "dovecot" / "files" / "mail-removed-mailboxes"
ME = pwd.getpwuid(os.geteuid()).pw_name
ARCHIVED = re.compile(r"x\.\d{8}T\d{6}Z(-\d+)?")


class Killed(BaseException):
    """Stands for the end of the process at this point."""


@pytest.fixture
def program(load_program):
    module = load_program("dovecot/files/mail-removed-mailboxes")
    module.AUTH_SOCKET = pathlib.Path("/nonexistent")
    return module


@pytest.fixture
def options(database, tmp_path):
    for name in ("vhosts", "archive"):
        (tmp_path / name).mkdir()
    return argparse.Namespace(
        database=f"host={database['login_unix_socket']} user=postgres dbname={database['login_db']}",
        database_account=ME,
        mail_account=ME,
        store=tmp_path / "vhosts",
        archive=tmp_path / "archive",
        policy="archive",
    )


@pytest.fixture
def add(connection, options):
    """A user with a home, unless told otherwise."""

    def user(address, home=True):
        name, domain = address.split("@")
        connection.execute("INSERT INTO virtual_domains (name) VALUES (%s) ON CONFLICT DO NOTHING", (domain,))
        connection.execute(
            "INSERT INTO virtual_users (domain_id, email, password) SELECT id, %s, '{X}' FROM virtual_domains WHERE name = %s",
            (address, domain),
        )
        if home:
            maildir = options.store / domain / name / "Maildir"
            maildir.mkdir(parents=True)
            (maildir / "mail").write_text(address)

    return user


@pytest.fixture
def remove(connection):
    return lambda address: connection.execute("DELETE FROM virtual_users WHERE email = %s", (address,))


@pytest.fixture
def left(connection):
    """Addresses that nobody could use."""

    def read():
        rows = connection.execute("SELECT email FROM mail_internal.removed_mailboxes WHERE put_away_at IS NULL ORDER BY email")
        return [address for (address,) in rows]

    return read


def files(directory):
    return sorted(str(path.relative_to(directory)) for path in directory.rglob("*") if path.is_file())


def archived(options, domain="a.test"):
    return sorted(path.name for path in (options.archive / domain).iterdir())


@pytest.fixture
def elsewhere(options):
    """An archive on another file system."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        options.archive = pathlib.Path(directory)
        if options.archive.stat().st_dev == options.store.stat().st_dev:
            pytest.skip("there is only one file system")
        yield


def test_archive(program, options, add, remove, left):
    add("x@a.test")
    add("y@a.test")
    remove("x@a.test")
    assert program.run(options) == 0
    (name,) = archived(options)
    assert ARCHIVED.fullmatch(name)
    assert (options.archive / "a.test" / name / "Maildir/mail").read_text() == "x@a.test"
    assert files(options.store) == ["a.test/y/Maildir/mail"] and [path.name for path in options.store.iterdir()] == ["a.test"]
    assert left() == []


def test_a_domain_leaves_no_directory(program, options, add, connection, left):
    add("x@a.test")
    add("y@a.test")
    connection.execute("DELETE FROM virtual_domains")
    assert program.run(options) == 0
    assert list(options.store.iterdir()) == [] and left() == []
    assert len(archived(options)) == 2


def test_delete(program, options, add, remove, left):
    options.policy = "delete"
    add("x@a.test")
    remove("x@a.test")
    assert program.run(options) == 0
    assert list(options.store.iterdir()) == list(options.archive.iterdir()) == left() == []


def test_keep_until_somebody_else_gets_the_address(program, options, add, remove, left):
    options.policy = "keep"
    add("x@a.test")
    remove("x@a.test")
    assert program.run(options) == 0
    assert files(options.store) == ["a.test/x/Maildir/mail"] and left() == ["x@a.test"]
    add("x@a.test", home=False)
    assert program.run(options) == 0
    assert files(options.store) == [] and left() == []
    assert len(archived(options)) == 1


def test_without_a_home(program, options, add, remove, left):
    add("x@a.test", home=False)
    remove("x@a.test")
    assert program.run(options) == 0
    assert left() == [] and list(options.archive.iterdir()) == []


def test_again_and_again(program, options, add, remove, left, connection):
    """The date of the removals is the same here: each gets a place of its own."""
    for dummy in range(3):
        add("x@a.test")
        remove("x@a.test")
        connection.execute("UPDATE mail_internal.removed_mailboxes SET removed_at = '2030-01-31 08:15:00+00'")
        assert program.run(options) == program.run(options) == 0
    assert archived(options) == [f"x.20300131T081500Z{end}" for end in ("", "-2", "-3")]
    assert left() == []


def test_what_a_late_delivery_has_left_is_gone_before_the_new_user_comes(program, options, add, remove, connection):
    add("x@a.test")
    remove("x@a.test")
    program.run(options)
    add("x@a.test")
    assert program.run(options) == 0
    assert files(options.store) == [] and len(archived(options)) == 2
    assert connection.execute("SELECT * FROM mail_lookup.userdb('x@a.test')").fetchall() == [("x@a.test", None)]


@pytest.mark.parametrize("policy", ["archive", "delete"])
def test_killed_at_any_point(program, options, add, remove, left, policy, monkeypatch):
    options.policy = policy
    judge_kills(program, options, add, remove, left, monkeypatch)


@pytest.mark.usefixtures("elsewhere")
def test_killed_at_any_point_of_a_copy(program, options, add, remove, left, monkeypatch):
    judge_kills(program, options, add, remove, left, monkeypatch)


def judge_kills(program, options, add, remove, left, monkeypatch):
    """Before each call that changes a file or the database, and then run again: nothing is lost, nothing twice."""
    add("y@b.test")
    for survived in range(100):
        for directory in (options.store / "a.test", options.archive / "a.test"):
            shutil.rmtree(directory, ignore_errors=True)
        add("x@a.test")
        remove("x@a.test")
        with monkeypatch.context() as patched:
            killed = kill_after(survived, program, patched)
            try:
                program.run(options)
            except Killed:
                pass
        assert (options.store / "a.test/x").exists() <= (left() == ["x@a.test"])
        assert program.run(options) == 0
        assert left() == [] and files(options.store) == ["b.test/y/Maildir/mail"]
        assert [path.name for path in options.store.iterdir()] == ["b.test"]
        if options.policy == "archive":
            (name,) = archived(options)
            assert files(options.archive / "a.test" / name) == ["Maildir/mail"]
        if not killed():
            break
    assert survived > 3


def kill_after(steps, program, patched):
    """Raise instead of the call that comes after so many; tells whether it came to that."""
    state = {"calls": 0, "killed": False}

    def counted(function):
        def call(*arguments, **keywords):
            if state["killed"] or state["calls"] == steps:
                state["killed"] = True
                raise Killed
            state["calls"] += 1
            return function(*arguments, **keywords)

        return call

    for name in ("rename", "mkdir", "rmdir"):
        patched.setattr(pathlib.Path, name, counted(getattr(pathlib.Path, name)))
    for name in ("rmtree", "copytree", "copy2"):
        patched.setattr(shutil, name, counted(getattr(shutil, name)))
    patched.setattr(program.psycopg.Connection, "execute", counted(program.psycopg.Connection.execute))
    return lambda: state["killed"]


def test_links_are_refused(program, options, add, remove, left, tmp_path, capsys):
    outside = tmp_path / "outside"
    (outside / "x").mkdir(parents=True)
    (outside / "x/file").write_text("precious")
    for address in ("x@a.test", "x@b.test", "x@c.test", "y@c.test"):
        add(address, home=address == "y@c.test")
    (options.store / "a.test").symlink_to(outside)
    (options.store / "b.test").mkdir()
    (options.store / "b.test/x").symlink_to(outside / "x")
    (options.store / "c.test/x").write_text("a file")
    for address in ("x@a.test", "x@b.test", "x@c.test", "y@c.test"):
        remove(address)
    assert program.run(options) == 1
    assert left() == ["x@a.test", "x@b.test", "x@c.test"]
    assert files(outside) == ["x/file"]
    assert capsys.readouterr().err.count("is not a directory") == 3
    assert archived(options, "c.test")[0].startswith("y.")


def test_a_link_where_the_homes_leave_by(program, options, add, remove, left, tmp_path):
    add("x@a.test")
    remove("x@a.test")
    (tmp_path / "outside").mkdir()
    (options.store / program.LEAVING).symlink_to(tmp_path / "outside")
    with pytest.raises(program.Refused):
        program.run(options)
    assert left() == ["x@a.test"] and list((tmp_path / "outside").iterdir()) == []


@pytest.mark.parametrize("address", ["..@a.test", "x@..", "../x@a.test", "x@../a.test", ".@a.test", "x@.removed", "@a.test", "x"])
def test_addresses_that_lead_elsewhere_are_refused(program, options, address):
    (options.store / "a.test").mkdir()
    with pytest.raises(program.Refused):
        program.home_of(options.store, address)


@pytest.mark.usefixtures("elsewhere")
def test_links_in_a_home_are_not_followed(program, options, add, remove, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious/file").write_text("x")
    add("x@a.test")
    (options.store / "a.test/x/link").symlink_to(tmp_path / "precious")
    remove("x@a.test")
    assert program.run(options) == 0
    assert (options.archive / "a.test" / archived(options)[0] / "link").is_symlink()
    assert files(tmp_path / "precious") == ["file"]


def test_a_store_that_is_not_mounted(program, options, add, remove, left):
    add("x@a.test")
    remove("x@a.test")
    options.store.rename(options.store.with_name("unmounted"))
    with pytest.raises(program.Refused):
        program.run(options)
    assert left() == ["x@a.test"]


def test_an_archive_that_cannot_be_written(program, options, add, remove, left):
    """The mail has left its place; a later run puts it into the archive."""
    add("x@a.test")
    remove("x@a.test")
    options.archive.rmdir()
    assert program.run(options) == 1
    assert files(options.store) != [] and not (options.store / "a.test").exists() and left() == []
    options.archive.mkdir()
    assert program.run(options) == 0
    assert files(options.store) == [] and len(archived(options)) == 1


@pytest.fixture
def dovecot(program, tmp_path, monkeypatch):
    """A doveadm that notes its arguments, and says that y@a.test and z@a.test are connected."""
    notes = tmp_path / "notes"
    path = tmp_path / "bin" / "doveadm"
    path.parent.mkdir()
    path.write_text(f"#!/bin/sh\necho \"$*\" >> {notes}\nprintf 'username\\tservice\\ny@a.test\\timap\\nz@a.test\\timap\\n'\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
    program.AUTH_SOCKET = tmp_path / "auth-master"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(program.AUTH_SOCKET))
        yield path, notes


def test_sessions_end_before_the_mail_moves(program, options, add, remove, dovecot):
    for address in ("x@a.test", "y@a.test", "z@a.test"):
        add(address)
    remove("x@a.test")
    remove("y@a.test")
    assert program.run(options) == 0
    assert dovecot[1].read_text().splitlines() == ["auth cache flush -- x@a.test y@a.test", "-f tab who -1", "kick -- y@a.test"]


def test_sessions_end_where_the_mail_is_kept(program, options, add, remove, dovecot):
    options.policy = "keep"
    add("y@a.test")
    remove("y@a.test")
    assert program.run(options) == program.run(options) == 0
    assert dovecot[1].read_text().splitlines() == ["auth cache flush -- y@a.test", "-f tab who -1", "kick -- y@a.test"]


def test_nothing_moves_while_sessions_cannot_be_ended(program, options, add, remove, left, dovecot):
    add("x@a.test")
    remove("x@a.test")
    dovecot[0].write_text("#!/bin/sh\nexit 75\n")
    with pytest.raises(subprocess.CalledProcessError):
        program.run(options)
    assert left() == ["x@a.test"] and files(options.store) == ["a.test/x/Maildir/mail"]


def execute(options, **changed):
    given = {**vars(options), **changed}
    command = [sys.executable, PROGRAM]
    for name in ("database", "database_account", "mail_account", "store", "archive"):
        command += [f"--{name.replace('_', '-')}", given[name]]
    return subprocess.run([*command, given["policy"]], capture_output=True, text=True, check=False)


def test_as_it_is_run(options, add, remove, left):
    add("x@a.test")
    remove("x@a.test")
    missing = execute(options, database="host=/nonexistent")
    assert missing.returncode == 75 and "Traceback" not in missing.stderr
    assert execute(options, store="/nonexistent").returncode == 1
    assert left() == ["x@a.test"]
    done = execute(options)
    assert done.returncode == 0 and "archived" in done.stderr and left() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_it_touches_the_mail_as_its_owner_only(program, options, add, remove, left):
    add("x@a.test")
    remove("x@a.test")
    done = execute(options, mail_account="nobody")
    assert done.returncode == 1 and "Permission denied" in done.stderr
    assert left() == ["x@a.test"] and files(options.store) == ["a.test/x/Maildir/mail"]
