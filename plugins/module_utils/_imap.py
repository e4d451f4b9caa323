# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""IMAP as both servers of an adoption speak it (RFC 3501): folders and messages over Python's own client.

A folder is known by its path, a tuple of names in modified UTF-7 without separators and without the namespace's prefix, so that
the same folder has the same path on a server with INBOX.Sent and on one with Sent.
"""

from __future__ import annotations

import imaplib
import re
import shlex
import ssl
import time

from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import MailserverError

DOVECOT_IMAP = "/usr/lib/dovecot/imap"
TIMEOUT = 300
# Stands in for our separator where it is part of a folder's name; Dovecot's dsync_alt_char
ALTERNATIVE = "_"

_PERSONAL = re.compile(rb'\(\("((?:[^"\\]|\\.)*)" (?:"(\\?.)"|NIL)')
_FOREIGN = re.compile(rb'\("((?:[^"\\]|\\.)+)" (?:"\\?."|NIL)')
_LISTED = re.compile(rb'\(([^)]*)\) (?:"(\\?.)"|NIL) (.*)', re.DOTALL)
_UIDNEXT = re.compile(rb"\bUIDNEXT (\d+)")
_UID = re.compile(rb"\bUID (\d+)")
_FLAGS = re.compile(rb"\bFLAGS \(([^)]*)\)")
_DATE = re.compile(rb'\bINTERNALDATE "([^"]+)"')


class Session:
    """A connection that somebody has logged in on."""

    def __init__(self, client):
        self._client = client
        self.prefix, self.separator, self._foreign = self._namespace()
        self._names = {}

    def __enter__(self):
        return self

    def __exit__(self, *dummy):
        try:
            self._client.logout()
        except (OSError, imaplib.IMAP4.error):
            self._client.shutdown()

    def _namespace(self):
        """Prefix and separator of the user's own folders, and the prefixes of those of others (RFC 2342)."""
        if "NAMESPACE" not in self._client.capabilities:
            return "", self._separator(), []
        answer = self._ask("namespace")[0]
        own = _PERSONAL.match(answer)
        if not own:
            return "", self._separator(), []
        foreign = [_text(prefix) for prefix in _FOREIGN.findall(answer[own.end() :])]
        return _text(own[1]), _text(own[2] or b""), [prefix for prefix in foreign if prefix]

    def _separator(self):
        listed = self._list("list", '""', '""')
        return listed[0][1] if listed else ""

    def _ask(self, command, *arguments):
        status, data = getattr(self._client, command)(*arguments)
        if status != "OK":
            reason = b" ".join(part for part in data if isinstance(part, bytes)).decode("utf-8", "replace")
            raise MailserverError(f"the server refuses {command.upper()} {' '.join(map(str, arguments[:1]))}: {reason}")
        return data

    def _list(self, command, *arguments):
        """(flags, separator, name) of each folder."""
        found = []
        for part in self._ask(command, *arguments):
            if not part:
                continue
            line, name = part if isinstance(part, tuple) else (part, None)
            match = _LISTED.match(line)
            if match:
                flags = {flag.lower() for flag in _text(match[1]).split()}
                found.append((flags, _text(match[2] or b""), _text(name) if name is not None else _unquoted(match[3])))
        return found

    def folders(self):
        """Paths of the user's own folders that can hold messages."""
        self._names = {}
        for flags, dummy, name in self._list("list", '""', '"*"'):
            path = self._path(name)
            if path and not flags & {"\\noselect", "\\nonexistent"}:
                self._names[path] = name
        return list(self._names)

    def subscriptions(self):
        return {path for path in (self._path(name) for dummy, dummy, name in self._list("lsub", '""', '"*"')) if path}

    def _path(self, name):
        """None for folders of others."""
        if name.upper() == "INBOX":
            return ("INBOX",)
        if any(name.startswith(prefix) for prefix in self._foreign) or not name.startswith(self.prefix):
            return None
        rest = name[len(self.prefix) :]
        return tuple(rest.split(self.separator)) if self.separator else (rest,)

    def _name(self, path):
        if path in self._names:
            return self._names[path]
        if path == ("INBOX",):
            return "INBOX"
        return self.prefix + self.separator.join(self._local_part(part) for part in path)

    def _local_part(self, part):
        return part.replace(self.separator, ALTERNATIVE) if self.separator else part

    def make(self, path, is_subscribed):
        """Create the folder if it is not there; tells whether it was not."""
        name = self._name(path)
        if self._list("list", '""', _quoted(name)):
            return False
        self._ask("create", _quoted(name))
        if is_subscribed:
            self._ask("subscribe", _quoted(name))
        return True

    def select(self, path, readonly=True):
        """UIDVALIDITY of the folder that the following calls are about."""
        self._ask("select", _quoted(self._name(path)), readonly)
        return int(self._client.response("UIDVALIDITY")[1][0] or 0)

    def count(self):
        """How many messages there are in all folders."""
        return sum(self._messages_in(path) for path in self.folders())

    def is_unused(self):
        """Has the user never had a message here?"""
        return self.count() == 0 and _UIDNEXT.search(self._ask("status", "INBOX", "(UIDNEXT)")[0])[1] == b"1"

    def _messages_in(self, path):
        answer = self._ask("status", _quoted(self._name(path)), "(MESSAGES)")[-1]
        return int(re.search(rb"MESSAGES (\d+)", answer)[1])

    def flags(self, uids="1:*"):
        """{uid: flags} without \\Recent, which is no property of a message."""
        return {uid: _flags_in(line) for uid, line in self._fetch(uids, "(UID FLAGS)") if _FLAGS.search(line)}

    def dates(self):
        """{uid: seconds since the epoch}"""
        return {uid: _epoch(line) for uid, line in self._fetch("1:*", "(UID INTERNALDATE)")}

    def header(self, uid):
        dummy, text = self._literal(uid, "(UID BODY.PEEK[HEADER])")
        return text

    def date_and_header(self, uid):
        line, text = self._literal(uid, "(UID INTERNALDATE BODY.PEEK[HEADER])")
        return _epoch(line), text

    def message(self, uid):
        """A whole message, or None if it has gone meanwhile."""
        line, text = self._literal(uid, "(UID FLAGS INTERNALDATE BODY.PEEK[])")
        return Message(_flags_in(line), _epoch(line), text) if text is not None else None

    def _fetch(self, uids, items):
        for line in self._ask("uid", "FETCH", str(uids), items):
            uid = _UID.search(line) if isinstance(line, bytes) else None
            if uid:
                yield int(uid[1]), line

    def _literal(self, uid, items):
        """The items before and behind the text, and the text."""
        data = self._ask("uid", "FETCH", str(uid), items)
        for number, part in enumerate(data):
            if isinstance(part, tuple):
                behind = data[number + 1] if number + 1 < len(data) and isinstance(data[number + 1], bytes) else b""
                return part[0] + b" " + behind, part[1]
        return b"", None

    def append(self, path, message):
        self._ask("append", _quoted(self._name(path)), f"({' '.join(sorted(message.flags))})", _internal_date(message.date), message.text)

    def store(self, uid, sign, flags):
        self._ask("uid", "STORE", str(uid), f"{sign}FLAGS.SILENT", f"({' '.join(sorted(flags))})")


class Message:
    """What is kept of a message: its flags, when it came, and its text with CRLF."""

    __slots__ = ("date", "flags", "text")

    def __init__(self, flags, date, text):
        self.flags, self.date, self.text = flags, date, text

    @property
    def header(self):
        return self.text.partition(b"\r\n\r\n")[0]


def log_in(params):
    """A session of a user of another server, opened with the password of its administrator (RFC 4616)."""
    context = ssl.create_default_context(cafile=params["ca_file"])
    host, port = params["host"], params["port"]
    token = "\0".join([params["login"], params["master_user"], params["master_password"]])
    try:
        if params["starttls"]:
            client = imaplib.IMAP4(host, port, timeout=TIMEOUT)
            client.starttls(context)
        else:
            client = imaplib.IMAP4_SSL(host, port, ssl_context=context, timeout=TIMEOUT)
    except ssl.SSLCertVerificationError as exc:
        raise MailserverError(
            f"the certificate of {host} port {port} is not trusted: {exc.verify_message}. Check host, and ca_file."
        ) from None
    except (OSError, imaplib.IMAP4.error) as exc:
        raise MailserverError(f"there is no IMAP with TLS at {host} port {port}: {exc}. Check host, port and starttls.") from None
    try:
        client.authenticate("PLAIN", lambda dummy: token.encode("utf-8"))
    except imaplib.IMAP4.error as exc:
        client.shutdown()
        raise MailserverError(
            f"{host} does not let {params['master_user']} in as {params['login']}: {exc}. Check that the old server has this user,"
            " master_user, and master_password."
        ) from None
    return Session(client)


def open_here(user):
    """A session of a user of this server, which needs no password."""
    try:
        return Session(imaplib.IMAP4_stream(f"exec {DOVECOT_IMAP} -u {shlex.quote(user)} 2>/dev/null"))
    except (OSError, imaplib.IMAP4.error):
        raise MailserverError(f"Dovecot gives no access to the mail of {user}: check that it runs here and knows this user") from None


def _text(data):
    return data.decode("utf-8", "surrogateescape")


def _unquoted(data):
    if data.startswith(b'"'):
        data = re.sub(rb"\\(.)", rb"\1", data[1:-1])
    return _text(data)


def _quoted(name):
    return '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'


def _flags_in(line):
    match = _FLAGS.search(line)
    return frozenset(_text(match[1]).split()) - {"\\Recent"} if match else frozenset()


def _epoch(line):
    match = _DATE.search(line)
    return int(time.mktime(imaplib.Internaldate2tuple(b'INTERNALDATE "' + match[1] + b'"'))) if match else 0


def _internal_date(epoch):
    return imaplib.Time2Internaldate(epoch)
