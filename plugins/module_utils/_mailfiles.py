# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""Reads the mail of an account of the operating system, as that account, and changes none of it.

Maildir as Dovecot and Courier have it (https://doc.dovecot.org/main/core/config/mailbox_formats/maildir.html), and folders of mbox
files. What cannot be read, or is kept in a way that is not known here, is an error: if it were passed over, its owner would miss it
only when the old files are gone.
"""

from __future__ import annotations

import base64
import contextlib
import errno
import fcntl
import functools
import hashlib
import os
import pwd
import re
import stat

from ansible_collections.virtmail.mailserver.plugins.module_utils import _mbox
from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import MailserverError
from ansible_collections.virtmail.mailserver.plugins.module_utils._imap import LATEST, Message, kept_flags, readable

_PARTS = ("cur", "new", "tmp")
_MBX = b"*mbx*\r\n"
_MAILDIR_FLAGS = {"D": "\\Draft", "F": "\\Flagged", "R": "\\Answered", "S": "\\Seen", "T": "\\Deleted"}
# Dovecot takes none of them in a name; the last one stands for bytes that are no UTF-8
_NO_LETTERS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffd]")


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


def check_account(name):
    try:
        return pwd.getpwnam(name)
    except KeyError:
        raise MailserverError(f"there is no account {name} on this machine") from None


def folders(mail_format, inbox, directory):
    """[(path, reader)]; a reader yields (ID, function that reads the message) for all messages of the folder.

    An account that never got mail has neither directory nor inbox: that is no error.
    """
    if mail_format == "maildir":
        return _by_path(_maildir_folders(directory), _maildir_messages)
    return _by_path(_mbox_folders(inbox, directory), _mbox_messages)


def _by_path(found, messages):
    """Folders whose names come to the same are one folder here. It has them once: a link may make .INBOX the inbox."""
    places = {}
    for parts, place in found:
        places.setdefault(_path(parts), {}).setdefault(os.path.realpath(place), place)
    return [(path, functools.partial(_messages_in, list(each.values()), messages)) for path, each in places.items()]


def _messages_in(places, messages):
    """No message of one place has the ID of a message of another."""
    for number, place in enumerate(places):
        for each, read in messages(place):
            yield f"{place}/{each}" if number else each, read


def _maildir_folders(directory):
    """[(names, directory)]"""
    names = sorted(_names_in(directory))
    found = [(["INBOX"], directory)] if _is_maildir(directory) else []
    for name in names:
        folder = os.path.join(directory, name)
        if name.startswith(".") and _is_maildir(folder):
            found.append((name[1:].split("."), folder))
    _refuse_other_layouts(directory, {folder for dummy, folder in found})
    if not found and any(not name.startswith("dovecot") for name in names):
        raise MailserverError(f"{directory} is no Maildir: it has neither cur nor new. Name the directory that has them, or choose format.")
    return found


def _refuse_other_layouts(directory, known):
    for parent, names, dummy in os.walk(directory, onerror=_unless_gone):
        names[:] = sorted(name for name in names if name not in _PARTS)
        for place in (os.path.join(parent, name) for name in names):
            if place not in known and _is_maildir(place):
                raise MailserverError(
                    f"{place} has mail, but is no folder of the Maildir {directory}, such as {directory}/.Sent or {directory}/.Sent.2026:"
                    " other layouts are not read. Rename it so, or move it away."
                )


def _is_maildir(directory):
    return stat.S_ISDIR(_mode(directory)) and any(stat.S_ISDIR(_mode(os.path.join(directory, part))) for part in ("cur", "new"))


class _Files:
    """The files of a folder by ID. Mail programs rename them when flags change, and move them from new to cur."""

    def __init__(self, folder):
        self._folder = folder
        self._files = self._listed()

    def _listed(self):
        """The ID is the part of the name that stays the same, or the name for another file with that part."""
        # new first: what moves meanwhile is seen at least once
        names = sorted((_unique(name), part, name) for part in ("new", "cur") for name in _names_in(os.path.join(self._folder, part)))
        files = {}
        for unique, part, name in names:
            if not name.startswith("."):
                files[unique if unique not in files else f"{part}/{name}"] = os.path.join(self._folder, part, name)
        return files

    def __iter__(self):
        return iter(list(self._files))

    def has(self, each):
        """Is there a message? What has gone was removed by its owner, or is found by the next run."""
        try:
            return stat.S_ISREG(self.ask(os.lstat, each).st_mode)
        except FileNotFoundError:
            return False

    def ask(self, function, each):
        """What the function says of the message's file; FileNotFoundError if it has gone."""
        if each in self._files:
            with contextlib.suppress(FileNotFoundError):
                return function(self._files[each])
            self._files = self._listed()
        if each not in self._files:
            raise FileNotFoundError(errno.ENOENT, "a message has gone meanwhile", os.path.join(self._folder, each))
        return function(self._files[each])


def _unique(name):
    return name.partition(":2,")[0]


def _maildir_messages(folder):
    keywords = _keywords(os.path.join(folder, "dovecot-keywords"))
    read, files = functools.partial(_maildir_message, keywords), _Files(folder)
    for each in files:
        if files.has(each):
            yield each, functools.partial(files.ask, read, each)


def _maildir_message(keywords, file):
    letters = os.path.basename(file).partition(":2,")[2]
    flags = {_MAILDIR_FLAGS[letter] for letter in letters if letter in _MAILDIR_FLAGS}
    flags |= {keywords[letter] for letter in letters if letter in keywords}
    with open(file, "rb", opener=_at_once) as stream:
        return _message(flags, int(os.fstat(stream.fileno()).st_mtime), stream.read())


def _keywords(file):
    """{letter in a file's name: keyword}"""
    if not stat.S_ISREG(_mode(file)):
        return {}
    with open(file, "rb", opener=_at_once) as stream:
        pairs = re.findall(r"^(\d{1,2}) ([^\s\\]\S*)\s*$", stream.read().decode("utf-8", "replace"), re.ASCII | re.MULTILINE)
    return {chr(ord("a") + int(number)): keyword for number, keyword in pairs if int(number) < 26}


def _mbox_folders(inbox, directory):
    """[(names, file)]"""
    found = [(["INBOX"], inbox)] if _mode(inbox) else []
    for file in _files_below(directory):
        if _is_mbox(file) and os.path.realpath(file) != os.path.realpath(inbox):
            found.append((os.path.relpath(file, directory).split(os.sep), file))
    return found


def _files_below(directory):
    known = set()
    for parent, directories, names in os.walk(directory, onerror=_unless_gone, followlinks=True):
        if {"cur", "new"} <= set(directories):
            raise MailserverError(f"{parent} is a Maildir, among folders in mbox. Choose format, or name another directory.")
        place = os.path.realpath(parent)  # a link may lead to a directory above it
        directories[:] = sorted(name for name in directories if not name.startswith(".") and place not in known)
        yield from (os.path.join(parent, name) for name in sorted(names) if not name.startswith(".") and place not in known)
        known.add(place)


def _is_mbox(file):
    if not stat.S_ISREG(_mode(file)):
        return False
    with open(file, "rb", opener=_at_once) as stream:
        start = stream.read(4096)
    if start.startswith(_MBX):
        raise MailserverError(f"{file} is in the format mbx of UW IMAP, which is not read. Make an mbox of it, or move it away.")
    return _mbox.begins_like(start)


def _mbox_messages(file):
    """The same text at the same time may be there twice: then it has a number in its ID."""
    times = {}
    if not stat.S_ISREG(_mode(file)):
        raise MailserverError(f"{file} is no file: name the mbox with the inbox, or choose format")
    with open(file, "rb", opener=_at_once) as stream:
        fcntl.lockf(stream, fcntl.LOCK_SH)  # nobody delivers meanwhile
        for message in (_message(*each) for each in _mbox.read(stream, file)):
            digest = hashlib.sha256(b"%d %s" % (message.date, message.text)).hexdigest()
            times[digest] = times.get(digest, 0) + 1
            yield f"{digest}-{times[digest]}", lambda message=message: message


def _message(flags, date, text):
    return Message(kept_flags(flags), min(max(date, 0), LATEST), re.sub(rb"(?<!\r)\n", b"\r\n", text))


def _mode(file):
    """0 if there is none. Any other reason not to know it is an error."""
    try:
        return os.stat(file).st_mode
    except NotADirectoryError:
        return 0
    except FileNotFoundError as exc:
        _unless_gone(exc)
        return 0


def _names_in(directory):
    try:
        return os.listdir(directory)
    except FileNotFoundError as exc:
        _unless_gone(exc)
        return []


def _unless_gone(error):
    """Where nothing is there is no mail; a link says that there should be, such as on a disk that is not mounted."""
    if not isinstance(error, FileNotFoundError) or os.path.islink(error.filename):
        raise error


def _at_once(file, flags):
    """Waits for nobody, if the file should have become a FIFO meanwhile."""
    return os.open(file, flags | os.O_NONBLOCK)


def _path(parts):
    path = tuple(_folder_name(part) for part in parts)
    return ("INBOX",) if len(path) == 1 and path[0].upper() == "INBOX" else path


def _folder_name(part):
    """In modified UTF-7 (RFC 3501, section 5.1.3). Dovecot's files are named so already, those of others with the letters themselves."""
    name = os.fsencode(part).decode("utf-8", "replace")
    return _to_utf7(_NO_LETTERS.sub("_", _from_utf7(name)) or "_")


def _from_utf7(name):
    """The name itself if it is no modified UTF-7."""
    letters = readable(name)
    return letters if _to_utf7(letters) == name else name


def _to_utf7(letters):
    parts = re.split(r"([^\x20-\x7e]+)", letters.replace("&", "&-"))
    return "".join(_shifted(part) if number % 2 else part for number, part in enumerate(parts))


def _shifted(letters):
    return "&" + base64.b64encode(letters.encode("utf-16-be")).decode("ascii").rstrip("=").replace("/", ",") + "-"
