# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Maildir and mbox are read as they are, whatever wrote them, and nothing in them is passed over."""

from __future__ import annotations

import calendar
import contextlib
import os
import re
import tempfile
import time
import tracemalloc
from pathlib import Path

import pytest

from ansible_collections.virtmail.mailserver.plugins.module_utils import _mailfiles
from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import MailserverError

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
FROM = b"From a@b.example Thu Nov 26 10:10:44 2026 +0000\n"


def everything(folders):
    return {path: [read() for dummy, read in reader()] for path, reader in folders}


def subjects(messages):
    return [re.findall(rb"^Subject: (.*)\r$", message.text, re.MULTILINE) for message in messages]


@pytest.fixture
def read_inbox(tmp_path):
    def read(content):
        (tmp_path / "inbox").write_bytes(content)
        return everything(_mailfiles.folders("mbox", str(tmp_path / "inbox"), str(tmp_path / "none")))[("INBOX",)]

    return read


@pytest.fixture
def mbox(tmp_path):
    (tmp_path / "inbox").write_bytes(MBOX)
    (tmp_path / "mail" / "업무 & 보고").mkdir(parents=True)
    (tmp_path / "mail" / "업무 & 보고" / "list").write_bytes(MBOX)
    (tmp_path / "mail" / "notes.txt").write_bytes(b"no mail")
    (tmp_path / "mail" / ".hidden").write_bytes(MBOX)
    return _mailfiles.folders("mbox", str(tmp_path / "inbox"), str(tmp_path / "mail"))


@pytest.fixture
def box(tmp_path):
    """A function that makes a message in a Maildir."""

    def write(name, text=b"Subject: x\n\nbody\n"):
        file = tmp_path / "Maildir" / os.fsdecode(name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(text)
        return file

    return write


def maildir(tmp_path):
    return _mailfiles.folders("maildir", "", str(tmp_path / "Maildir"))


@pytest.fixture
def seoul(monkeypatch):
    monkeypatch.setenv("TZ", "KST-9")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def foreign():
    """A directory, and what makes us somebody who may not read everything."""
    with tempfile.TemporaryDirectory() as name:
        os.chmod(name, 0o755)
        yield Path(name), contextlib.nullcontext if os.geteuid() else lambda: _mailfiles.acting_as("nobody")


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


@pytest.mark.parametrize(
    ("line", "hour"),
    [
        (b"From a@b Thu Nov 26 10:00:00 2020", 1),
        (b"From a@b  Thu Nov 26 10:00:00 2020\r", 1),
        (b"From - Thu Nov 26 10:00 2020", 1),
        (b"From  Thu Nov 26 10:00:00 2020", 1),
        (b"From Thu Nov 26 10:00:00 2020", 1),
        (b"From a@b thu nov 26 10:00:00 2020", 1),
        (b"From a@b Do. Nov 26 10:00:00 2020", 1),
        (b'From "a \\" b"@c Thu Nov 26 10:00:00 2020', 1),
        (b"From user at b.example  Thu Nov 26 10:00:00 2020", 1),
        (b"From a@b Thu Nov 26 10:00:00 CET 2020", 1),
        (b"From a@b Thu Nov 26 10:00:00 Mitteleurop\xe4ische_Zeit 2020", 1),
        (b"From a@b Thu Nov 26 10:00:00 2020 CET", 1),
        (b"From a@b Thu Nov 26 10:00:00 2020 remote from foo", 1),
        (b"From a@b Thu Nov 26 10:00:00 +0100 2020", 9),
        (b"From a@b Thu Nov 26 10:00:00 2020 -0130", 11),
        (b"From a@b Thu Nov 26 10:00:00 2020 +0100 (CET)", 9),
        (b"From a@b Thu, 26 Nov 2020 10:00:00", 1),
        (b"From a@b Thu, 26 Nov 2020 10:00:00 +0100", 9),
        (b"From a@b Thu, 26 Nov 2020, 10:00", 1),
    ],
)
def test_every_from_line_that_dovecot_knows_begins_a_message(read_inbox, seoul, line, hour):
    messages = read_inbox((line + b"\nSubject: x\n\nbody\n\n") * 2)
    assert subjects(messages) == [[b"x"], [b"x"]]
    assert {time.gmtime(message.date)[:4] for message in messages} == {(2020, 11, 26, hour)}


@pytest.mark.parametrize(
    ("date", "expected"),
    [
        (b"Thu Nov 26 10:00:00 0000", 0),
        (b"Thu Nov 26 10:00:00 0000 +0000", 0),
        (b"Thu Nov 26 10:00:00 9999 +0000", 2**32 - 1),
        (b"Thu Feb 31 10:00:00 2020 +0000", calendar.timegm((2020, 3, 2, 10, 0, 0))),
        (b"Thu Nov 00 99:99:99 2020 +0000", calendar.timegm((2020, 11, 5, 4, 40, 39))),
    ],
)
def test_a_date_in_no_calendar_stops_nobody(read_inbox, date, expected):
    (message,) = read_inbox(b"From a@b " + date + b"\nSubject: x\n\nbody\n")
    assert message.date == expected


@pytest.mark.parametrize("start", [b"\xef\xbb\xbf", b"\n\r\n", b"\xef\xbb\xbf\n"])
def test_what_is_nothing_may_precede_the_first_message(tmp_path, read_inbox, start):
    assert subjects(read_inbox(start + FROM + b"Subject: x\n\nbody\n")) == [[b"x"]]
    (tmp_path / "mail").mkdir()
    (tmp_path / "mail" / "list").write_bytes(start + FROM + b"Subject: x\n\nbody\n")
    assert len(everything(_mailfiles.folders("mbox", "/none", str(tmp_path / "mail")))[("list",)]) == 1


@pytest.mark.parametrize("start", [b"Subject: x\n", b"\0\0\0\n", b"From a@b yesterday\nSubject: x\n", b"\n\n secret\n"])
def test_lines_before_the_first_message_are_not_lost(tmp_path, read_inbox, start):
    with pytest.raises(MailserverError) as error:
        read_inbox(start + b"\n" + FROM + b"Subject: y\n\nbody\n")
    assert f"{tmp_path}/inbox" in str(error.value) and f"line {3 if b'secret' in start else 1} " in str(error.value)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf"])
def test_an_empty_inbox_has_no_messages(read_inbox, content):
    assert read_inbox(content) == []


def test_an_inbox_that_is_a_maildir_is_refused(tmp_path):
    (tmp_path / "inbox" / "cur").mkdir(parents=True)
    with pytest.raises(MailserverError, match=re.escape(f"{tmp_path}/inbox is no file")):
        everything(_mailfiles.folders("mbox", str(tmp_path / "inbox"), str(tmp_path / "none")))


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_a_message_begins_without_a_blank_line_too(read_inbox, end):
    text = (FROM + b"Subject: x\n\nbody\n" + FROM + b"Subject: y\n" + FROM + b"\n" + FROM).replace(b"\n", end)
    assert [message.text for message in read_inbox(text)] == [b"Subject: x\r\n\r\nbody\r\n", b"Subject: y\r\n", b"", b""]


def test_a_text_does_not_begin_a_message(read_inbox):
    text = b"Subject: x\n\n>From a@b Thu Nov 26 10:10:44 2026\nFrom what I know on Thu Nov 26 10:10 2026\n\nFrom Thu Nov 26 on\n"
    (message,) = read_inbox(FROM + text)
    assert message.text == text.replace(b"\n", b"\r\n")


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
@pytest.mark.parametrize("after", [b"\n", b"\n" + FROM + b"Subject: y\n\nbody\n"])
def test_content_length_keeps_a_message_that_quotes_an_mbox(read_inbox, end, after):
    body = (b"See below.\n\n" + FROM + b"Subject: quoted\n\nbody\n").replace(b"\n", end)
    head = (FROM + b"Subject: x\nContent-Length: %d\n\n" % len(body)).replace(b"\n", end)
    messages = read_inbox(head + body + after.replace(b"\n", end))
    assert messages[0].text == b"Subject: x\r\n\r\n" + body.replace(end, b"\r\n")
    assert subjects(messages[1:]) == ([[b"y"]] if after.strip() else [])


@pytest.mark.parametrize("length", [b"0", b"5", b"60", b"9999", b"99999999999999999999999", b"-1", b"x", b"5\nContent-Length: 6"])
def test_a_wrong_content_length_hides_nothing(read_inbox, length):
    messages = read_inbox(FROM + b"Subject: x\nContent-Length: " + length + b"\n\nbody\n\n" + FROM + b"Subject: y\n\nbody of y\n")
    assert [message.text for message in messages] == [b"Subject: x\r\n\r\nbody\r\n", b"Subject: y\r\n\r\nbody of y\r\n"]


def test_no_sender_makes_a_message_vanish(read_inbox):
    notes = b"Subject: DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA\nX-IMAP: 1 2\n\nbody\n\n"
    assert len(read_inbox(FROM + b"Subject: x\nX-IMAP: 1 2\n\nbody\n\n" + FROM + b"Subject: y\nX-IMAP: 1 2\n\nbody\n")) == 2
    assert len(read_inbox(FROM + b"Received: from b by c\n" + notes + FROM + b"Subject: y\n\nbody\n")) == 2
    assert len(read_inbox(FROM + notes + FROM + notes + FROM + b"Subject: y\n\nbody\n")) == 2


def test_the_first_message_may_have_the_base_of_numbers(read_inbox):
    (message,) = read_inbox(FROM + b"Subject: x\nX-IMAPbase: 1 2\n\t$Important work\nX-UID: 1\n\nbody\n")
    assert message.text == b"Subject: x\r\n\r\nbody\r\n"


def test_folded_headers_are_read_whole(read_inbox):
    head = b"X-Keywords: one\n\ttwo\n  three\nSubject: x\n\tX-Keywords: four\nStatus: R\nX-Status:\n F\n"
    (message,) = read_inbox(FROM + head + b"\nbody\n")
    assert message.text == b"Subject: x\r\n\tX-Keywords: four\r\n\r\nbody\r\n"
    assert message.flags == {"one", "two", "three", "\\Seen", "\\Flagged"}


def test_only_what_imap_takes_is_a_keyword(read_inbox):
    words = [b"(y)", b"y)", b"{1}", b"%", b"*", b'"q"', b"\\Deleted", b"]", b"\xc3\xa9", b"\xff", b"c\x1fd", b"n\0l", b"x" * 51]
    (message,) = read_inbox(FROM + b"X-Keywords: " + b" ".join([*words, b"x" * 50, b"$Label1"]) + b"\n\nbody\n")
    assert message.flags == {"x" * 50, "$Label1"}


def test_a_sender_gives_no_more_keywords_than_fit_into_a_command(read_inbox):
    (message,) = read_inbox(FROM + b"X-Keywords: " + b" ".join(b"k%d" % number for number in range(10000)) + b"\n\nbody\n")
    assert 0 < len(message.flags) <= 100


def test_bytes_are_kept(read_inbox):
    text = b"Subject: n\0l \xff\n\n>From a\n>>From b\n\0\xff\n"
    (message,) = read_inbox(FROM + text + b"\n")
    assert message.text == text.replace(b"\n", b"\r\n")


def test_one_message_is_in_memory_at_a_time(tmp_path):
    (tmp_path / "inbox").write_bytes((FROM + b"Subject: x\n\n" + b"x" * 500_000 + b"\n\n") * 50)
    ((dummy, reader),) = _mailfiles.folders("mbox", str(tmp_path / "inbox"), str(tmp_path / "none"))
    tracemalloc.start()
    count = sum(1 for dummy in reader())
    assert (count, tracemalloc.get_traced_memory()[1] < 5_000_000) == (50, True)
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("R&D", "R&-D"),
        ("R&-D", "R&-D"),
        ("&AOk-t&AOk-", "&AOk-t&AOk-"),
        ("été", "&AOk-t&AOk-"),
        ("&AEE-", "&-AEE-"),
        ("&A-", "&-A-"),
        ("&2AA-", "&-2AA-"),
        ("😀", "&2D3eAA-"),
        (b"caf\xe9", "caf_"),
        ("two\nlines\t\x7f", "two_lines__"),
        ("&AAo-", "_"),
    ],
)
def test_names_of_folders_are_modified_utf7(tmp_path, box, name, expected):
    file = tmp_path / "mail" / os.fsdecode(name)
    file.parent.mkdir()
    file.write_bytes(FROM + b"\n")
    assert [path for path, dummy in _mailfiles.folders("mbox", "/none", str(tmp_path / "mail"))] == [(expected,)]
    box(b"." + os.fsencode(name) + b"/cur/1:2,")
    assert [path for path, dummy in maildir(tmp_path)] == [(expected,)]


def test_no_part_of_a_name_is_empty(tmp_path, box):
    box(".x..y/cur/1:2,")
    box("..z./cur/1:2,")
    assert [path for path, dummy in maildir(tmp_path)] == [("_", "z", "_"), ("x", "_", "y")]


def test_folders_with_one_name_are_one_without_loss(tmp_path, box):
    for folder in (b"", b".Inbox/", b".caf\xe9/", b".caf\xe8/"):
        box(folder + b"cur/1:2,", b"Subject: " + folder.hex().encode() + b"\n\nbody\n")
    (tmp_path / "Maildir" / ".INBOX").symlink_to(".")
    found = maildir(tmp_path)
    assert {path: len({each for each, dummy in reader()}) for path, reader in found} == {("INBOX",): 2, ("caf_",): 2}
    assert [len({message.text for message in messages}) for messages in everything(found).values()] == [2, 2]


def test_an_inbox_among_the_folders_is_no_folder(tmp_path):
    for name in ("mbox", "inbox"):
        (tmp_path / name).write_bytes(FROM + b"Subject: x\n\nbody\n")
    assert [path for path, dummy in _mailfiles.folders("mbox", str(tmp_path / "mbox"), str(tmp_path))] == [("INBOX",)]
    assert len(everything(_mailfiles.folders("mbox", str(tmp_path / "mbox"), str(tmp_path)))[("INBOX",)]) == 2


def test_links_between_directories_of_mbox_files_are_followed_once(tmp_path):
    for name in ("mail", "elsewhere"):
        (tmp_path / name).mkdir()
    (tmp_path / "elsewhere" / "old").write_bytes(FROM + b"Subject: x\n\nbody\n")
    (tmp_path / "elsewhere" / "up").symlink_to(tmp_path / "mail")
    (tmp_path / "mail" / "archive").symlink_to(tmp_path / "elsewhere")
    assert [path for path, dummy in _mailfiles.folders("mbox", "/none", str(tmp_path / "mail"))] == [("archive", "old")]


def test_what_is_no_file_blocks_nobody(tmp_path, box):
    box("cur/1:2,")
    os.mkfifo(tmp_path / "Maildir" / "cur" / "2:2,")
    os.mkfifo(tmp_path / "Maildir" / "dovecot-keywords")
    (tmp_path / "Maildir" / "new" / "3").mkdir(parents=True)
    assert len(everything(maildir(tmp_path))[("INBOX",)]) == 1
    (tmp_path / "mail").mkdir()
    os.mkfifo(tmp_path / "mail" / "pipe")
    assert _mailfiles.folders("mbox", "/none", str(tmp_path / "mail")) == []
    with pytest.raises(MailserverError, match="pipe is no file"):
        everything(_mailfiles.folders("mbox", str(tmp_path / "mail" / "pipe"), "/none"))


def test_another_format_among_mbox_files_is_refused(tmp_path):
    (tmp_path / "Sent").write_bytes(b"*mbx*\r\n5a5a5a5a00000001\r\n")
    with pytest.raises(MailserverError, match="Sent is in the format mbx"):
        _mailfiles.folders("mbox", "/none", str(tmp_path))


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


def test_only_what_imap_takes_is_a_keyword_of_a_maildir(tmp_path, box):
    lines = b"0 (y)\n1 \xc3\xa9\n2 \xff\n3 " + b"x" * 51 + b"\n4 $Label1\n5 \\Deleted\n\xc2\xb2 no\n26 {\n99999999999 far\n25 last\n"
    box("dovecot-keywords", lines)
    box("cur/1:2,Sabcdefz{")
    assert everything(maildir(tmp_path))[("INBOX",)][0].flags == {"\\Seen", "$Label1", "last"}


@pytest.mark.parametrize("when", [-5, 2**33])
def test_the_time_of_a_file_may_be_any(tmp_path, box, when):
    os.utime(box("cur/1:2,"), (when, when))
    assert everything(maildir(tmp_path))[("INBOX",)][0].date == min(max(when, 0), 2**32 - 1)


def test_an_empty_file_is_a_message_too(tmp_path, box):
    box("cur/1:2,", b"")
    assert [message.text for message in everything(maildir(tmp_path))[("INBOX",)]] == [b""]


def test_who_never_got_mail_has_none(tmp_path):
    assert maildir(tmp_path) == []
    assert _mailfiles.folders("mbox", str(tmp_path / "inbox"), str(tmp_path / "mail")) == []
    (tmp_path / "Maildir").mkdir()
    assert maildir(tmp_path) == []


@pytest.mark.parametrize("name", ["Maildir", "Maildir/.Sent", "inbox", "mail", "mail/list"])
def test_a_link_to_nothing_is_an_error(tmp_path, box, name):
    if name != "Maildir":
        box("cur/1:2,")
    if name != "mail":
        (tmp_path / "mail").mkdir()
    (tmp_path / name).symlink_to("/not/mounted")
    with pytest.raises(FileNotFoundError) as error:
        maildir(tmp_path)
        _mailfiles.folders("mbox", str(tmp_path / "inbox"), str(tmp_path / "mail"))
    assert error.value.filename == str(tmp_path / name)


def test_folders_are_found_without_an_inbox(tmp_path, box):
    box(".Sent/cur/1:2,")
    assert [len(messages) for messages in everything(maildir(tmp_path)).values()] == [1]
    box("new/1")
    assert [path for path, dummy in maildir(tmp_path)] == [("INBOX",), ("Sent",)]


@pytest.mark.parametrize("name", ["Work", "Work/2026", ".Sent/Old", "Maildir"])
@pytest.mark.parametrize("has_inbox", [True, False])
def test_folders_of_another_layout_are_refused(tmp_path, box, name, has_inbox):
    if has_inbox:
        box("cur/1:2,")
    box(f"{name}/cur/1:2,")
    with pytest.raises(MailserverError, match=re.escape(f"{tmp_path}/Maildir/{name} has mail")):
        maildir(tmp_path)


def test_a_directory_of_something_else_is_refused(tmp_path, box):
    box("storage/m.1")
    with pytest.raises(MailserverError, match=re.escape(f"{tmp_path}/Maildir is no Maildir")):
        maildir(tmp_path)


def test_a_maildir_is_no_directory_of_mbox_files(tmp_path, box):
    box("work/cur/1:2,")
    box("work/new/2")
    with pytest.raises(MailserverError, match=re.escape(f"{tmp_path}/Maildir/work is a Maildir")):
        _mailfiles.folders("mbox", "/none", str(tmp_path / "Maildir"))


@pytest.mark.parametrize("closed", ["box", "box/.Sent", "box/Work", "box/.Sent/cur", "box/cur"])
def test_a_maildir_that_may_not_be_entered_is_an_error(foreign, closed):
    top, somebody = foreign
    for name in ("box/cur", "box/.Sent/cur", "box/Work"):
        (top / name).mkdir(parents=True)
    (top / closed).chmod(0)
    with somebody(), pytest.raises(PermissionError) as error:
        everything(_mailfiles.folders("maildir", "", str(top / "box")))
    assert error.value.filename.startswith(str(top / closed))


@pytest.mark.parametrize("closed", ["box", "box/lists", "box/old", "spool"])
def test_an_mbox_that_may_not_be_read_is_an_error(foreign, closed):
    top, somebody = foreign
    for name in ("box/lists", "spool"):
        (top / name).mkdir(parents=True)
    for name in ("box/old", "spool/inbox"):
        (top / name).write_bytes(FROM)
    (top / closed).chmod(0)
    with somebody(), pytest.raises(PermissionError) as error:
        everything(_mailfiles.folders("mbox", str(top / "spool/inbox"), str(top / "box")))
    assert error.value.filename.startswith(str(top / closed))


def test_a_message_is_found_again_under_its_new_name(tmp_path, box):
    one, two, three = box("new/1"), box("cur/2:2,"), box("cur/3:2,")
    (tmp_path / "Maildir" / "new").mkdir(exist_ok=True)
    ((dummy, reader),) = maildir(tmp_path)
    found = reader()
    first, read = next(found)
    one.rename(tmp_path / "Maildir" / "cur" / "1:2,F")
    two.rename(tmp_path / "Maildir" / "cur" / "2:2,S")
    three.unlink()
    assert (first, read().flags) == ("1", {"\\Flagged"})
    assert [(each, read().flags) for each, read in found] == [("2", {"\\Seen"})]


def test_a_message_that_has_gone_before_it_is_read_is_an_error(tmp_path, box):
    file = box("cur/1:2,")
    ((dummy, reader),) = maildir(tmp_path)
    ((dummy, read),) = reader()
    file.unlink()
    with pytest.raises(FileNotFoundError):
        read()


def test_two_messages_with_one_name_are_two(tmp_path, box):
    box("cur/1:2,", b"Subject: x\n\nbody\n")
    box("cur/1:2,S", b"Subject: y\n\nbody\n")
    box("new/1", b"Subject: z\n\nbody\n")
    ((dummy, reader),) = maildir(tmp_path)
    assert len({each for each, dummy in reader()}) == 3
    assert sorted(subjects(everything(maildir(tmp_path))[("INBOX",)])) == [[b"x"], [b"y"], [b"z"]]
