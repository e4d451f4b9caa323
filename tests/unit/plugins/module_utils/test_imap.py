# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import re

import pytest
from ansible_collections.virtmail.mailserver.plugins.module_utils import _imap, _mailcopy
from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import MailserverError

CYRUS = ([("INBOX.", ".")], [("user.", "."), ("", ".")])
CYRUS_ALTERNATIVE = ([("", "/")], [("Other Users/", "/"), ("Shared Folders/", "/")])
COURIER = ([("INBOX.", "."), ("#archive.", ".")], [("#shared.", ".")])


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (b'(("INBOX." ".")) (("user." ".")) (("" "."))', CYRUS),
        (b'(("INBOX." ".")("#archive." "." "X-PARAM" ("one" "two"))) NIL (("#shared." "."))', COURIER),
        (b'(("archive/" "/")("" "/")) NIL NIL', ([("", "/"), ("archive/", "/")], [])),
        (b'(("" NIL)) NIL NIL', ([("", "")], [])),
        (b'((INBOX/ "/")) NIL NIL', ([("INBOX/", "/")], [])),
        (b'(("" "\\\\")) NIL (("a \\"b\\" " "\\\\"))', ([("", "\\")], [('a "b" ', "\\")])),
        (b"NIL NIL NIL", ([], [])),
        (b"", ([], [])),
    ],
)
def test_namespaces_are_those_of_the_user_and_those_of_others(answer, expected):
    assert _imap.namespaces_in(answer) == expected


@pytest.mark.parametrize(
    ("namespaces", "name", "path"),
    [
        (CYRUS, "inbox", ("INBOX",)),
        (CYRUS, "INBOX.Sent.2026", ("Sent", "2026")),
        (CYRUS, "INBOX.INBOX", ("INBOX", "INBOX")),
        (CYRUS, "INBOX.Inbox", ("INBOX", "Inbox")),
        (CYRUS, "INBOX.INBOX.Sent", ("INBOX", "INBOX", "Sent")),
        (CYRUS, "INBOX.INBOXES", ("INBOXES",)),
        (CYRUS, "INBOX.", None),
        (CYRUS, "user.bob", None),
        (CYRUS, "news", None),
        (CYRUS_ALTERNATIVE, "Sent/2026", ("Sent", "2026")),
        (CYRUS_ALTERNATIVE, "INBOX/below", ("INBOX", "below")),
        (CYRUS_ALTERNATIVE, "Other Users/bob", None),
        (CYRUS_ALTERNATIVE, "Other Users", None),
        (CYRUS_ALTERNATIVE, "Other People", ("Other People",)),
        (COURIER, "#archive.2019", ("#archive", "2019")),
        (COURIER, "#shared.all", None),
        (([("", "")], []), "a/b", ("a/b",)),
        (([("INBOX.", ".")], []), "Trash.2026", ("Trash", "2026")),
    ],
)
def test_a_folder_has_the_same_path_on_every_server(namespaces, name, path):
    assert _imap.path_of(name, *namespaces) == path


@pytest.mark.parametrize(
    ("name", "letters"),
    [
        ("&xcW7NA- &- &vPSs4A-", "업무 & 보고"),
        ("Entw&APw-rfe", "Entwürfe"),
        ("Sent", "Sent"),
        ("&x-", "&x-"),
        ("a & b", "a & b"),
    ],
)
def test_names_are_shown_in_letters(name, letters):
    assert _imap.readable(name) == letters


def test_flags_are_kept_if_every_server_takes_them():
    kept = {"\\Seen", "\\Flagged", "$Important", "work", "a.b:c_d-1", "x" * 50}
    dropped = {"\\Recent", "\\*", "\\NonJunk", "a]b", "a%b", "a*b", 'a"b', "a(b", "a{b", "", "gr\udcc3\udcbcn", "grün", "x" * 51}
    assert _imap.kept_flags(kept | dropped) == kept


def test_system_flags_have_one_spelling():
    assert _imap.kept_flags({"\\SEEN", "\\deleted"}) == {"\\Seen", "\\Deleted"}


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ([(b"1 (UID 7 FLAGS (\\Seen) BODY[] {5}", b"hello"), b")"], b"hello"),
        ([b"3 (FLAGS ())", (b"1 (BODY[] {5}", b"hello"), b" UID 7 FLAGS (\\Seen))"], b"hello"),
        ([b'1 (UID 7 FLAGS (\\Seen) BODY[] "hello")'], b"hello"),
        ([b'1 (UID 7 BODY[] "say \\"\\\\\\" " FLAGS (\\Seen))'], b'say "\\" '),
        ([b'1 (UID 7 FLAGS (\\Seen) BODY[] "")'], b""),
    ],
)
def test_a_text_may_be_a_literal_or_a_quoted_string(answer, text):
    line, found = _imap.text_in(answer)
    assert found == text
    assert b"UID 7" in line


def test_a_message_that_has_gone_is_no_fault():
    assert _imap.text_in([None]) == _imap.text_in([b"3 (FLAGS ())"]) == (b"", None)


def test_a_text_that_the_server_keeps_to_itself_is_a_fault():
    with pytest.raises(MailserverError, match="does not give"):
        _imap.text_in([b"1 (UID 7 FLAGS () BODY[] NIL)"])


def test_folders_are_listed_as_atoms_quoted_strings_and_literals():
    answer = [
        b'(\\HasChildren) "." INBOX',
        b'(\\Noselect) "\\\\" "a \\"b\\" c"',
        (b"() NIL {10}", b'a "literal'),
        b"",
        b'() "." INBOX.r\xe4w',
        None,
    ]
    assert _imap.listed_in(answer) == [
        ({"\\haschildren"}, ".", "INBOX"),
        ({"\\noselect"}, "\\", 'a "b" c'),
        (set(), "", 'a "literal'),
        (set(), ".", "INBOX.r\udce4w"),
    ]


@pytest.mark.parametrize(
    ("path", "prefix", "name"),
    [
        (("INBOX",), "", "INBOX"),
        (("v1.2", "x"), "", "v1_2.x"),
        (("INBOX", "INBOX"), "", "INBOX.INBOX"),
        (("Sent",), "INBOX.", "INBOX.Sent"),
        (("INBOX", "INBOX"), "INBOX.", "INBOX.INBOX"),
    ],
)
def test_a_path_has_one_name_on_a_server(path, prefix, name):
    assert _imap.name_of(path, prefix, ".") == name


@pytest.mark.parametrize(
    ("names", "namespaces", "masks"),
    [
        ([], CYRUS, ["INBOX.*"]),
        ([], CYRUS_ALTERNATIVE, ["Other Users", "Other Users/*", "Shared Folders", "Shared Folders/*"]),
        ([], ([("", "/"), ("Entw&APw-rfe/", "/")], []), ["Entwürfe", "Entwürfe/*"]),
        ([], ([("", "")], []), []),
        (["INBOX.r&AOQ-w", "#archive.2019"], COURIER, ["INBOX.*", "räw"]),
    ],
)
def test_what_dovecot_would_mistake_for_the_users_folders_is_masked(names, namespaces, masks):
    assert _imap.masks_without(names, *namespaces) == masks


@pytest.mark.parametrize(
    ("text", "header"),
    [
        (b"A: b\r\nC: d\r\n\r\nbody\r\n\r\nmore", b"A: b\r\nC: d\r"),
        (b"A: b\n\nbody\r\n\r\nmore", b"A: b"),
        (b"\r\nbody\r\n\r\nmore", b""),
        (b"A: b", b"A: b"),
    ],
)
def test_a_header_ends_at_the_first_empty_line(text, header):
    assert _imap.Message(frozenset(), 0, text).header == header


def test_headers_are_the_same_however_a_server_keeps_their_lines():
    variants = [b"A: b\rc\r\nD: e\r\n\r\n", b"A: b\nc\nD: e", b"A: b\r\nc\r\nD: e\r\n"]
    assert {_mailcopy.comparable(each) for each in variants} == {b"A: b\nc\nD: e"}
    assert _mailcopy.comparable(b"A: \0") == _mailcopy.comparable(b"A: \x80")


@pytest.mark.parametrize(
    ("date", "epoch"),
    [
        ("01-Feb-2019 03:04:05 +0900", 1548957845),
        (" 1-Jan-1901 00:00:00 +0000", 0),
        ("01-Jan-2999 00:00:00 +0000", _imap.LATEST),
        ("99-Foo-2019 99:99:99 +0000", 0),
        ("01-Jan-0000 00:00:00 +0000", 0),
    ],
)
def test_dates_are_those_that_dovecot_keeps(date, epoch):
    assert _imap._epoch(f'1 (UID 7 INTERNALDATE "{date}")'.encode()) == epoch


def test_each_place_has_a_memory_of_its_own():
    places = [("old.example.com", "993", "alice"), ("old.example.com", "993", "bob"), ("older.example.com", "993", "alice")]
    names = {_mailcopy.memory_name("imap", user, place) for user in ("alice@example.com", "../a/b@example.com") for place in places}
    assert len(names) == 6
    assert all(re.fullmatch(r"imap-[A-Za-z0-9@.%_-]+-[0-9a-f]{16}", name) and "/" not in name for name in names)
    assert len(_mailcopy.memory_name("imap", "ü" * 250, ("host", "993", "login"))) < 200


def test_faults_are_told_in_one_sentence_of_a_length_that_one_reads():
    faults = _mailcopy.Faults()
    faults.tell()
    for number in range(12):
        with faults.of("Entw&APw-rfe", f"UID {number}"):
            raise MailserverError("the server refuses APPEND: " + "x" * 1000)
    with pytest.raises(MailserverError, match="^not everything .*: Entwürfe UID 0: the server .*; and 2 more") as caught:
        faults.tell()
    assert len(str(caught.value)) < 3000


def test_names_that_are_no_text_are_faults():
    faults = _mailcopy.Faults()
    with faults.of("r\udce4w"):
        "r\udce4w".encode()
    with pytest.raises(MailserverError) as caught:
        faults.tell()
    assert str(caught.value).isascii()


def test_a_broken_connection_is_no_fault_of_a_message():
    with pytest.raises(OSError), _mailcopy.Faults().of("INBOX", "UID 1"):
        raise TimeoutError
