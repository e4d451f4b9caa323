# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maildir and mbox are read as they are, whatever wrote them."""

from __future__ import annotations

import calendar
import os

import pytest

from ansible_collections.virtmail.mailserver.plugins.module_utils import _mailfiles

MBOX = b"""\
From MAILER-DAEMON Sat Jan  1 00:00:00 2022
Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA
X-IMAP: 1 2

notes

From a@example.net Thu Nov 26 10:10:44 2026 +0900
Subject: one
Status: RO
X-Status: AF
X-Keywords: $Important  work
X-UID: 3
Content-Length: 12

From here on
From now on, text

>From there

From b@example.net  Fri Nov 27 10:10:44 2026
Subject: two
"""


def everything(folders):
    return {path: [read() for dummy, read in reader()] for path, reader in folders}


@pytest.fixture
def mbox(tmp_path):
    (tmp_path / "inbox").write_bytes(MBOX)
    (tmp_path / "mail" / "업무 & 보고").mkdir(parents=True)
    (tmp_path / "mail" / "업무 & 보고" / "list").write_bytes(MBOX)
    (tmp_path / "mail" / "notes.txt").write_bytes(b"no mail")
    (tmp_path / "mail" / ".hidden").write_bytes(MBOX)
    return _mailfiles.folders("mbox", str(tmp_path / "inbox"), str(tmp_path / "mail"))


def test_an_mbox_is_split_where_messages_begin(mbox):
    one, two = everything(mbox)[("INBOX",)]
    assert one.text == b"Subject: one\r\n\r\nFrom here on\r\nFrom now on, text\r\n\r\n>From there\r\n"
    assert two.text == b"Subject: two\r\n"


def test_an_mbox_tells_flags_and_date(mbox):
    one, two = everything(mbox)[("INBOX",)]
    assert one.flags == {"\\Seen", "\\Answered", "\\Flagged", "$Important", "work"}
    assert one.date == calendar.timegm((2026, 11, 26, 1, 10, 44))
    assert two.flags == set()


def test_folders_of_mbox_files_have_names_for_imap(mbox):
    assert [path for path, dummy in mbox] == [("INBOX",), ("&xcW7NA- &- &vPSs4A-", "list")]


def test_the_same_message_twice_has_two_ids(tmp_path):
    (tmp_path / "inbox").write_bytes(b"From a@b.example Thu Nov 26 10:10:44 2026\nSubject: one\n\nsame\n\n" * 2)
    ((dummy, reader),) = _mailfiles.folders("mbox", str(tmp_path / "inbox"), str(tmp_path / "none"))
    ids = [each for each, dummy in reader()]
    assert len(set(ids)) == 2


def test_a_maildir_tells_flags_keywords_and_date(tmp_path):
    for part in ("cur", "new", ".lists.debian/cur"):
        (tmp_path / part).mkdir(parents=True)
    (tmp_path / "dovecot-keywords").write_text("0 $Important\n1 work\n")
    (tmp_path / "cur" / "1.M1.host,S=5:2,FRSab").write_bytes(b"Subject: one\n\nbody\n")
    os.utime(tmp_path / "cur" / "1.M1.host,S=5:2,FRSab", (1500000000, 1500000000))
    (tmp_path / "new" / "2.M1.host").write_bytes(b"Subject: two\r\n\r\nbody\r\n")
    (tmp_path / "cur" / "3.link:2,").symlink_to("/etc/passwd")
    found = everything(_mailfiles.folders("maildir", "", str(tmp_path)))
    one, two = found[("INBOX",)]
    assert one.flags == {"\\Flagged", "\\Answered", "\\Seen", "$Important", "work"}
    assert (one.date, one.text) == (1500000000, b"Subject: one\r\n\r\nbody\r\n")
    assert (two.flags, two.text) == (set(), b"Subject: two\r\n\r\nbody\r\n")
    assert found[("lists", "debian")] == []
