# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""IMAP as both servers of an adoption speak it (RFC 3501): folders and messages over Python's own client.

A folder has its name on a server, and a path: a tuple of names in modified UTF-7 without separators and without the namespace's
prefix, so that the same folder has the same path on a server with INBOX.Sent and on one with Sent.
"""

from __future__ import annotations

import base64
import imaplib
import re
import shlex
import ssl
import time

from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import MailserverError

DOVECOT_IMAP = "/usr/lib/dovecot/imap"
TIMEOUT = 300
LATEST = 2**32 - 1
# Stands in for our separator where it is part of a folder's name; Dovecot's dsync_alt_char
ALTERNATIVE = "_"

_SYSTEM_FLAGS = {flag.lower(): flag for flag in ("\\Answered", "\\Deleted", "\\Draft", "\\Flagged", "\\Seen")}
# An atom (RFC 3501, section 9) of no more letters than Dovecot takes
_KEYWORD = re.compile(r"[!#$&'+-\[^-z|}~]{1,50}")
_LISTED = re.compile(rb'\(([^)]*)\) (?:("\\?.")|NIL) (.*)', re.DOTALL)
_TOKEN = re.compile(rb'[()]|"(?:[^"\\]|\\.)*"|[^\s()"]+')
_BODY = re.compile(rb'\bBODY\[[A-Z]*\] (?:"((?:[^"\\]|\\.)*)"|NIL)', re.DOTALL)
_BAD = re.compile(r" command error: BAD \[b?['\"]?(.*?)['\"]?\]$", re.DOTALL)
_TIMES = re.compile(r" \([\d. +]+ secs\)\.?$")  # which Dovecot tells
_END_OF_HEADER = re.compile(rb"(?:\A|\n)\r?\n")
_UIDNEXT = re.compile(rb"\bUIDNEXT (\d+)")
_UID = re.compile(rb"\bUID (\d+)")
_FLAGS = re.compile(rb"\bFLAGS \(([^)]*)\)")
_DATE = re.compile(rb'\bINTERNALDATE "([^"]+)"')


class Session:
    """A connection that somebody has logged in on."""

    def __init__(self, client):
        self._client = client
        self._own, self._foreign = self._namespaces()
        self.prefix, self.separator = self._own[0]

    def __enter__(self):
        return self

    def __exit__(self, *dummy):
        try:
            self._client.logout()
        except (OSError, imaplib.IMAP4.error):
            self._client.shutdown()

    def _namespaces(self):
        """(prefix, separator) of each of the user's own namespaces, and of those of others."""
        # Asked again: to those who have logged in a server may tell more.
        own, foreign = [], []
        if b"NAMESPACE" in (self._ask("capability")[-1] or b"").upper().split():
            own, foreign = namespaces_in(_in_one_piece(self._ask("namespace")))
        return own or [("", self._separator())], foreign

    def _separator(self):
        listed = self._list("list", '""', '""')
        return listed[0][1] if listed else ""

    def _ask(self, command, *arguments):
        """The data of an answer; MailserverError if it is no, after which the connection goes on."""
        try:
            status, data = getattr(self._client, command)(*arguments)
        except imaplib.IMAP4.abort:
            raise
        except imaplib.IMAP4.error as exc:
            bad = _BAD.search(str(exc))
            if not bad:
                raise
            status, data = "BAD", [bad[1].encode("utf-8", "replace")]
        if status != "OK":
            verb = arguments[0] if command in ("uid", "xatom") else command.upper()
            reason = b" ".join(part for part in data if isinstance(part, bytes)).decode("utf-8", "replace")
            raise MailserverError(f"the server refuses {verb}: {_TIMES.sub('', reason)}")
        return data

    def _list(self, command, *arguments):
        return listed_in(self._ask(command, *arguments))

    def folders(self):
        """{name: path} of the user's own folders that can hold messages; two of them may have the same path."""
        listed = self._list("list", '""', '"*"')
        for prefix, dummy in self._own[1:]:  # which may be listed only if asked for
            listed += self._list("list", '""', _quoted(f"{prefix}*"))
        names = [name for flags, dummy, name in listed if not flags & {"\\noselect", "\\nonexistent"}]
        paths = {name: path_of(name, self._own, self._foreign) for name in names}
        return {name: path for name, path in paths.items() if path}

    def subscriptions(self):
        """Names of folders."""
        return {name for dummy, dummy, name in self._list("lsub", '""', '"*"')}

    def name_of(self, path):
        """The name that a folder with this path has, or would have, on this server."""
        return name_of(path, self.prefix, self.separator)

    def masks_without(self, names):
        return masks_without(names, self._own, self._foreign)

    def make(self, name, is_subscribed):
        """Create the folder if it is not there; tells whether it was not."""
        try:
            # LIST would take the name for a pattern, and list what is no more than the parent of others.
            self._ask("status", _quoted(name), "(MESSAGES)")
            return False
        except MailserverError:
            self._ask("create", _quoted(name))
        if is_subscribed:
            self._ask("subscribe", _quoted(name))
        return True

    def select(self, name, readonly=True):
        """UIDVALIDITY of the folder that the following calls are about."""
        self._ask("select", _quoted(name), readonly)
        return int(self._client.response("UIDVALIDITY")[1][0] or 0)

    def unsubscribe(self, name):
        self._ask("unsubscribe", _quoted(name))

    def count(self):
        """How many messages there are in all folders."""
        return sum(self._messages_in(name) for name in self.folders())

    def is_unused(self):
        """Has the user never had a message here?"""
        return self.count() == 0 and _UIDNEXT.search(self._ask("status", "INBOX", "(UIDNEXT)")[0])[1] == b"1"

    def _messages_in(self, name):
        answer = self._ask("status", _quoted(name), "(MESSAGES)")[-1]
        return int(re.search(rb"MESSAGES (\d+)", answer)[1])

    def flags(self, uids="1:*"):
        """{uid: flags}"""
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
        return text_in(self._ask("uid", "FETCH", str(uid), items))

    def append(self, name, message):
        # As it is: imaplib's own append() makes CRLF of each CR, which breaks signatures.
        self._client.literal = message.text
        flags = " ".join(sorted(kept_flags(message.flags)))
        self._ask("xatom", "APPEND", _quoted(name), f"({flags})", _internal_date(message.date))

    def store(self, uid, sign, flags):
        self._ask("uid", "STORE", str(uid), f"{sign}FLAGS.SILENT", f"({' '.join(sorted(flags))})")


class Message:
    """What is kept of a message: its flags, when it came, and its text with CRLF."""

    __slots__ = ("date", "flags", "text")

    def __init__(self, flags, date, text):
        self.flags, self.date, self.text = flags, date, text

    @property
    def header(self):
        return _END_OF_HEADER.split(self.text, 1)[0]


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


def namespaces_in(answer):
    """What an answer to NAMESPACE (RFC 2342) says: see Session._namespaces(). The one around the inbox comes first."""
    levels = [[]]
    for token in _TOKEN.findall(answer):
        if token == b"(":
            levels.append([])
        elif token != b")":
            levels[-1].append("" if token.upper() == b"NIL" else _unquoted(token))
        elif len(levels) > 1:
            closed = levels.pop()
            levels[-1].append(closed)
    kinds = [[(space[0], space[1]) for space in kind] for kind in levels[0]]
    own = sorted(kinds[0] if kinds else [], key=lambda space: space[0].upper() not in ("", f"INBOX{space[1]}"))
    return own, [space for kind in kinds[1:] for space in kind]


def path_of(name, own, foreign):
    """None for a folder of others. In a further namespace of the user's own, and outside of all, a folder keeps its whole name."""
    if name.upper() == "INBOX":
        return ("INBOX",)
    around = [space for space in [*own, *foreign] if f"{name}{space[1]}".startswith(space[0])]
    space = max(around, key=lambda space: len(space[0]), default=own[0])
    if space not in own:
        return None
    is_below = name.startswith(own[0][0])
    rest = name[len(own[0][0]) :] if is_below else name
    if not rest:
        return None
    path = tuple(rest.split(space[1])) if space[1] else (rest,)
    # What is called INBOX below the prefix is not the inbox.
    return ("INBOX", *path) if own[0][0] and is_below and path[0].upper() == "INBOX" else path


def name_of(path, prefix, separator):
    """The other way round, in the first namespace."""
    if path == ("INBOX",):
        return "INBOX"
    below = path[1:] if prefix and path[0] == "INBOX" else path
    return prefix + separator.join(part.replace(separator, ALTERNATIVE) if separator else part for part in below)


def masks_without(names, own, foreign):
    """Masks, in letters, of these folders, and of what Dovecot, which knows the first namespace alone, would take for its folders."""
    (first, separator), masks = own[0], []
    for prefix in (each[len(first) :] for each, dummy in own[1:] + foreign if each.startswith(first) and each != first):
        masks += [prefix.rstrip(separator), f"{prefix}*"]
    if first and separator:
        masks.append(f"INBOX{separator}*")
    masks += [name[len(first) :] for name in names if name.startswith(first)]
    return [readable(mask) for mask in masks]


def listed_in(data):
    """(flags, separator, name) of each folder in an answer to LIST or LSUB."""
    found = []
    for part in filter(None, data):
        line, name = part if isinstance(part, tuple) else (part, None)
        match = _LISTED.match(line)
        if match:
            flags = {flag.lower() for flag in _text(match[1]).split()}
            found.append((flags, _unquoted(match[2] or b""), _unquoted(match[3]) if name is None else _text(name)))
    return found


def text_in(data):
    """The items before and behind the text in an answer to FETCH, and the text; None if the message has gone."""
    for number, part in enumerate(data):
        if isinstance(part, tuple):
            behind = data[number + 1] if number + 1 < len(data) and isinstance(data[number + 1], bytes) else b""
            return part[0] + b" " + behind, part[1]
        short = _BODY.search(part or b"")
        if short:
            return part, _short_text(short)
    return b"", None


def _short_text(match):
    """A short or empty text may be no literal."""
    if match[1] is None:
        raise MailserverError("the server does not give its text")
    return re.sub(rb"\\(.)", rb"\1", match[1])


def kept_flags(flags):
    """Those that every server takes. Others, such as \\Recent, say something about their server alone."""
    return frozenset(_SYSTEM_FLAGS.get(flag.lower(), flag) for flag in flags if flag.lower() in _SYSTEM_FLAGS or _KEYWORD.fullmatch(flag))


def readable(name):
    """The name of a folder in letters, as far as it is modified UTF-7 (RFC 3501, section 5.1.3)."""
    return re.sub("&([^-]*)-", _letters, name)


def _letters(match):
    shifted = match[1].replace(",", "/")
    try:
        return base64.b64decode(shifted + "=" * (-len(shifted) % 4)).decode("utf-16-be") if shifted else "&"
    except ValueError:
        return match[0]


def _in_one_piece(data):
    """An answer with its literals as quoted strings."""
    pairs = [part if isinstance(part, tuple) else (part or b"", None) for part in data]
    return b"".join(line if text is None else re.sub(rb"\{\d+\}$", b"", line) + _quoted(_text(text)) for line, text in pairs)


def _text(data):
    return data.decode("utf-8", "surrogateescape")


def _unquoted(data):
    if data.startswith(b'"'):
        data = re.sub(rb"\\(.)", rb"\1", data[1:-1])
    return _text(data)


def _quoted(name):
    return b'"' + re.sub(rb'(["\\])', rb"\\\1", name.encode("utf-8", "surrogateescape")) + b'"'


def _flags_in(line):
    match = _FLAGS.search(line)
    return kept_flags(_text(match[1]).split()) if match else frozenset()


def _epoch(line):
    """Within what Dovecot keeps; 0 for what is in no calendar."""
    match = _DATE.search(line)
    try:
        moment = imaplib.Internaldate2tuple(b'INTERNALDATE "' + match[1] + b'"') if match else None
        return min(max(int(time.mktime(moment)), 0), LATEST) if moment else 0
    except (ValueError, OverflowError):
        return 0


def _internal_date(epoch):
    return imaplib.Time2Internaldate(epoch)
