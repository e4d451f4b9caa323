# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The program that gives a Maildir of a tutorial the place that ours has."""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys

import pytest

PROGRAM = pathlib.Path(__file__).parents[2] / "playbooks" / "files" / "move_maildirs.py"
MAIL = ["cur/1.host:2,S", "new/2.host", "tmp/3", ".Sent/cur/4:2,", ".&1VyuAA-/cur/5:2,", "dovecot-uidlist", "dovecot.index", "subscriptions"]
REST = [".dovecot.sieve", "sieve/filter.sieve", "notes.txt", ".ssh/key"]


@pytest.fixture
def home(tmp_path):
    path = tmp_path / "example.com" / "alice"
    for name in MAIL + REST:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(name)
    return path


def move(store, *options, uid=None):
    uid = os.getuid() if uid is None else uid
    return subprocess.run([sys.executable, PROGRAM, store, str(uid), *options], check=False, capture_output=True, text=True)


def files(home):
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())


MOVED = sorted([f"Maildir/{name}" for name in MAIL] + REST)


def test_moves_what_is_mail_and_nothing_else(tmp_path, home):
    done = move(tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "alice@example.com\n", "")
    assert files(home) == MOVED
    assert (home / "Maildir").stat().st_mode & 0o777 == 0o700
    again = move(tmp_path)
    assert (again.returncode, again.stdout) == (0, "")
    assert files(home) == MOVED


def test_a_dry_run_says_the_same_and_moves_nothing(tmp_path, home):
    before = files(home)
    assert move(tmp_path, "--dry-run").stdout == "alice@example.com\n"
    assert files(home) == before


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a directory to somebody")
def test_what_is_moved_belongs_to_the_owner_of_the_home(tmp_path, home):
    os.chown(home, 5000, 5000)
    (home / "Maildir").mkdir()  # made before an interruption, and not yet given away
    assert move(tmp_path, uid=5000).returncode == 0
    assert ((home / "Maildir").stat().st_uid, (home / "Maildir").stat().st_gid) == (5000, 5000)


def test_finishes_what_was_interrupted(tmp_path, home):
    (home / "Maildir").mkdir()
    for name in (".Sent", "new", "dovecot-uidlist"):
        (home / name).rename(home / "Maildir" / name)
    assert move(tmp_path).returncode == 0
    assert files(home) == MOVED


def test_leaves_a_home_of_ours_alone(tmp_path, home):
    move(tmp_path)
    (home.parent / "bob" / "Maildir" / "cur").mkdir(parents=True)
    assert move(tmp_path).stdout == ""


def test_refuses_to_mix_two_mailboxes(tmp_path, home):
    (home / "Maildir" / "cur").mkdir(parents=True)
    before = files(home)
    done = move(tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith(f"Nothing is moved: there is mail in {home} and in its Maildir.")
    assert files(home) == before


@pytest.mark.parametrize(
    "folder",
    ["Archive", "Archive/2019", ".Archive/2019/January", ".Sent/2019", "../bob/mail", "../bob/mail/.Sent", "../b/bob"],
)
def test_refuses_folders_of_another_layout(tmp_path, home, folder):
    (home / folder / "cur").mkdir(parents=True)
    before = files(home)
    for options in ([], ["--dry-run"]):
        done = move(tmp_path, *options)
        assert done.returncode == 1
        place = pathlib.Path(os.path.normpath(home / folder))
        assert f"Nothing is moved: there is mail in {place}, which is no folder" in done.stderr
    assert files(home) == before


@pytest.mark.parametrize("directory", ["mdbox/mailboxes/INBOX/dbox-Mails", "sdbox/mailboxes/INBOX/dbox-Mails"])
def test_refuses_other_formats(tmp_path, home, directory):
    (home.parent / "bob" / directory).mkdir(parents=True)
    done = move(tmp_path)
    assert done.returncode == 1
    assert f"there is mail in {(home.parent / 'bob' / directory).parent}, which is no folder" in done.stderr


def test_refuses_a_maildir_in_the_place_of_a_domain(tmp_path, home):
    (tmp_path / "carol" / "cur").mkdir(parents=True)
    done = move(tmp_path)
    assert done.returncode == 1
    assert f"there is mail in {tmp_path / 'carol'}, which is no folder" in done.stderr


def test_refuses_a_home_with_new_mail_only(tmp_path, home):
    (home.parent / "bob" / "new").mkdir(parents=True)
    done = move(tmp_path)
    assert done.returncode == 1
    assert f"there is mail in {home.parent / 'bob'}, which is no folder" in done.stderr


def test_refuses_a_part_that_lies_elsewhere(tmp_path, home):
    (home / "cur").rename(tmp_path / "cur")
    (home / "cur").symlink_to("../../cur")
    done = move(tmp_path)
    assert done.returncode == 1
    assert f"{home / 'cur'} leads elsewhere" in done.stderr


def test_moves_a_folder_that_has_new_mail_only(tmp_path, home):
    (home / ".Lists" / "new").mkdir(parents=True)
    (home / ".Lists" / "new" / "6").write_text("new")
    assert move(tmp_path).returncode == 0
    assert files(home) == sorted([*MOVED, "Maildir/.Lists/new/6"])


def test_refuses_a_folder_that_lies_elsewhere(tmp_path, home):
    (tmp_path / "archive" / "old" / "cur").mkdir(parents=True)
    (home / ".Old").symlink_to("../../archive/old")
    done = move(tmp_path)
    assert done.returncode == 1
    assert f"{home / '.Old'} leads elsewhere" in done.stderr or "archive/old" in done.stderr
    assert files(home) == sorted(MAIL + REST)


@pytest.mark.parametrize("place", ["example.com/bob", "example.org"])
def test_refuses_a_mailbox_that_lies_elsewhere(tmp_path, home, place):
    store = tmp_path / "store"
    store.mkdir()
    home.parent.rename(store / "example.com")
    there = tmp_path / "big disk"
    (there / "cur" / "cur").mkdir(parents=True)
    (store / place).symlink_to(there)
    done = move(store)
    assert done.returncode == 1
    mailbox = store / place / ("cur" if place == "example.org" else "")
    assert done.stderr.startswith(f"Nothing is moved: {mailbox} leads elsewhere")
    assert files(store / "example.com" / "alice") == sorted(MAIL + REST)


def test_refuses_mail_of_another_user(tmp_path, home):
    for dummy in range(2):
        done = move(tmp_path, uid=os.getuid() + 1)
        assert done.returncode == 1
        assert done.stderr.startswith(f"Nothing is moved: {home} belongs to the user number {os.getuid()}, not {os.getuid() + 1}.")
        assert move(tmp_path).returncode == 0  # the second time, the mail is in its place


def test_does_not_follow_links(tmp_path, home):
    (tmp_path / "example.com" / "mallory").symlink_to(home)
    assert move(tmp_path).stdout == "alice@example.com\n"


def test_says_what_cannot_be_read(tmp_path):
    done = move(tmp_path / "nowhere")
    assert done.returncode == 1 and "nowhere" in done.stderr and "Traceback" not in done.stderr
