# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""Reads the mail of an account of the operating system, as that account, and changes none of it.

Maildir as Dovecot and Courier have it (https://doc.dovecot.org/main/core/config/mailbox_formats/maildir.html), and mbox with the
headers that keep its flags (https://doc.dovecot.org/main/core/config/mailbox_formats/mbox.html).
"""

from __future__ import annotations

import base64
import calendar
import contextlib
import fcntl
import hashlib
import os
import pwd
import re
import time

from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import MailserverError
from ansible_collections.virtmail.mailserver.plugins.module_utils._imap import Message

_MAILDIR_FLAGS = {"D": "\\Draft", "F": "\\Flagged", "R": "\\Answered", "S": "\\Seen", "T": "\\Deleted"}
_MBOX_FLAGS = {"Status": {"R": "\\Seen"}, "X-Status": {"A": "\\Answered", "D": "\\Deleted", "F": "\\Flagged", "T": "\\Draft"}}
# They say how the mbox is kept, and are no part of the message
_KEEPING = re.compile(rb"(Status|X-Status|X-Keywords|X-UID|X-IMAP|X-IMAPbase|Content-Length):[ \t]*(.*?)[ \t\r\n]*$", re.IGNORECASE)
_MONTHS = {name: number for number, name in enumerate(calendar.month_abbr) if name}
_FROM = re.compile(
    rb"From .*?\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) +([A-Z][a-z][a-z]) +(\d{1,2}) +(\d\d):(\d\d)(?::(\d\d))?"
    rb"(?: +[A-Z]{3,5})?(?: +([+-]\d{4}))? +(\d{4})(?: +([+-]\d{4}))?\s*$"
)


@contextlib.contextmanager
def acting_as(name):
    """A link in somebody's mail leads only to what this account may read."""
    account, groups = pwd.getpwnam(name), os.getgroups()
    user, group = os.geteuid(), os.getegid()
    os.setgroups([account.pw_gid])
    os.setegid(account.pw_gid)
    os.seteuid(account.pw_uid)
    try:
        yield account
    finally:
        os.seteuid(user)
        os.setegid(group)
        os.setgroups(groups)


def folders(mail_format, inbox, directory):
    """[(path, reader)]; a reader yields (ID, function that reads the message) for all messages of the folder."""
    if mail_format == "maildir":
        return _maildir_folders(directory)
    return _mbox_folders(inbox, directory)


def _maildir_folders(directory):
    if not os.path.isdir(os.path.join(directory, "cur")):
        return []
    found = [(("INBOX",), directory)]
    for name in sorted(os.listdir(directory)):
        folder = os.path.join(directory, name)
        if name.startswith(".") and len(name) > 1 and os.path.isdir(os.path.join(folder, "cur")):
            found.append((tuple(_folder_name(part) for part in name[1:].split(".")), folder))
    return [(path, lambda folder=folder: _maildir_messages(folder)) for path, folder in found]


def _maildir_messages(folder):
    keywords = _keywords(os.path.join(folder, "dovecot-keywords"))
    for part in ("cur", "new"):
        directory = os.path.join(folder, part)
        for name in sorted(os.listdir(directory)) if os.path.isdir(directory) else ():
            file = os.path.join(directory, name)
            if not name.startswith(".") and os.path.isfile(file) and not os.path.islink(file):
                unique, dummy, letters = name.partition(":2,")
                yield unique, lambda file=file, letters=letters: _maildir_message(file, letters, keywords)


def _maildir_message(file, letters, keywords):
    flags = {_MAILDIR_FLAGS[letter] for letter in letters if letter in _MAILDIR_FLAGS}
    flags |= {keywords[letter] for letter in letters if letter in keywords}
    with open(file, "rb") as stream:
        return Message(frozenset(flags), int(os.fstat(stream.fileno()).st_mtime), _with_crlf(stream.read()))


def _keywords(file):
    """{letter in a file's name: keyword}"""
    try:
        with open(file, encoding="utf-8") as lines:
            pairs = [line.split(maxsplit=1) for line in lines]
    except FileNotFoundError:
        return {}
    return {chr(ord("a") + int(pair[0])): pair[1].strip() for pair in pairs if len(pair) == 2 and pair[0].isdigit()}


def _mbox_folders(inbox, directory):
    found = [(("INBOX",), inbox)] if os.path.isfile(inbox) else []
    for parent, directories, names in os.walk(directory):
        directories[:] = sorted(name for name in directories if not name.startswith("."))
        for name in sorted(names):
            file = os.path.join(parent, name)
            if not name.startswith(".") and os.path.isfile(file) and _is_mbox(file):
                parts = os.path.relpath(file, directory).split(os.sep)
                found.append((tuple(_folder_name(part) for part in parts), file))
    return [(path, lambda file=file: _mbox_messages(file)) for path, file in found]


def _is_mbox(file):
    with open(file, "rb") as stream:
        return stream.read(5) == b"From "


def _mbox_messages(file):
    """The same text at the same time may be there twice: then it has a number in its ID."""
    times = {}
    with open(file, "rb") as stream:
        fcntl.lockf(stream, fcntl.LOCK_SH)  # nobody delivers meanwhile
        for message in _split(stream):
            digest = hashlib.sha256(b"%d %s" % (message.date, message.text)).hexdigest()
            times[digest] = times.get(digest, 0) + 1
            yield f"{digest}-{times[digest]}", lambda message=message: message


def _split(lines):
    date, collected, was_blank = None, [], True
    for line in lines:
        begins = _date_of(line) if was_blank and line.startswith(b"From ") else None
        if begins is not None:
            if date is not None:
                yield from _mbox_message(date, collected)
            date, collected = begins, []
        else:
            collected.append(line)
        was_blank = line in (b"\n", b"\r\n")
    if date is not None:
        yield from _mbox_message(date, collected)


def _date_of(line):
    """Seconds since the epoch, or None if the line begins no message. Without a zone it is the machine's."""
    match = _FROM.match(line)
    month = _MONTHS.get(match[1].decode("ascii")) if match else None
    if month is None:
        return None
    parts = (int(match[7]), month, int(match[2]), int(match[3]), int(match[4]), int(match[5] or 0), 0, 0, -1)
    zone = match[6] or match[8]
    if zone is None:
        return int(time.mktime(parts))
    minutes = int(zone[1:3]) * 60 + int(zone[3:5])
    return calendar.timegm(parts) - (minutes if zone.startswith(b"+") else -minutes) * 60


def _mbox_message(date, lines):
    """One message, or none if it is the one in which a mail program keeps its notes."""
    if lines and lines[-1] in (b"\n", b"\r\n"):
        lines = lines[:-1]  # it ends the message in the file
    end = next((number for number, line in enumerate(lines) if not line.strip()), len(lines))
    kept, keeping = [], {}
    for line in lines[:end]:
        match = _KEEPING.match(line)
        if match:
            keeping[match[1].decode("ascii").lower()] = match[2].decode("utf-8", "replace")
        else:
            kept.append(line)
    if "x-imap" not in keeping:
        yield Message(_mbox_flags(keeping), date, _with_crlf(b"".join(kept + lines[end:])))


def _mbox_flags(keeping):
    flags = set(keeping.get("x-keywords", "").split())
    for header, meaning in _MBOX_FLAGS.items():
        flags |= {meaning[letter] for letter in keeping.get(header.lower(), "") if letter in meaning}
    return frozenset(flags)


def _with_crlf(text):
    return re.sub(rb"(?<!\r)\n", b"\r\n", text)


def _folder_name(name):
    """In modified UTF-7 (RFC 3501, section 5.1.3). Dovecot's files are named so already, those of others with the letters themselves."""
    if name.isascii():
        return name
    parts = re.split(r"([^\x20-\x7e]+)", name.replace("&", "&-"))
    return "".join(_shifted(part) if number % 2 else part for number, part in enumerate(parts))


def _shifted(letters):
    return "&" + base64.b64encode(letters.encode("utf-16-be", "surrogatepass")).decode("ascii").rstrip("=").replace("/", ",") + "-"


def check_account(name):
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise MailserverError(f"there is no account {name} on this machine") from None
