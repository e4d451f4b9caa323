# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""mbox, with the headers in which Dovecot and others keep flags (https://doc.dovecot.org/main/core/config/mailbox_formats/mbox.html).

A message ends where Dovecot lets it end. What is quoted with ">From " stays so: nobody can tell who quoted it.
"""

from __future__ import annotations

import calendar
import codecs
import re
import time

from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import MailserverError

_BLANK = (b"\n", b"\r\n")
_FLAGS = {b"status": {b"R": "\\Seen"}, b"x-status": {b"A": "\\Answered", b"D": "\\Deleted", b"F": "\\Flagged", b"T": "\\Draft"}}
# A sender can give a message keywords, but not so many that no server takes the command with them
_MOST_KEYWORDS = 100
# They say how the mbox is kept, and are no part of the message
_KEEPING = re.compile(rb"(Status|X-Status|X-Keywords|X-UID|X-IMAP|X-IMAPbase|Content-Length)[ \t]*:(.*)", re.IGNORECASE | re.DOTALL)
# The message that c-client, and so UW IMAP and Alpine, puts first to keep its notes
_NOTES = re.compile(rb"Subject:\s*DON'T DELETE THIS MESSAGE -- FOLDER INTERNAL DATA", re.IGNORECASE)
_NOTES_HEADER = re.compile(rb"X-IMAP[ \t]*:", re.IGNORECASE)
_RECEIVED = re.compile(rb"Received[ \t]*:", re.IGNORECASE)

_MONTHS = {name: number for number, name in enumerate(b"jan feb mar apr may jun jul aug sep oct nov dec".split(), start=1)}
_MONTHS[b"???"] = 1  # as Dovecot has it
# One word, or a text in quotes, and four characters with the day of the week
_SENDER = rb'From (?:"(?:\\.|[^"\\])*")?[^ ]* +.{4}.?'
# Several words, such as "user at example.com" in archives of lists
_WORDY_SENDER = rb"From .*\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun),? +"
_DAY, _MONTH, _YEAR = rb"(?P<day>\d\d?)", rb"(?P<month>[A-Za-z]{3}|\?\?\?)", rb"(?P<year>\d{4})"
_TIME, _ZONE = rb"(?P<hour>\d\d):(?P<minute>\d\d)(?::(?P<second>\d\d))?", rb"[+-]\d{4}"
_DATES = (
    # Nov 26 10:10:44 2026, with a zone before or behind the year, and anything behind that
    rb"%b +%b %b +(?:(?P<before>%b) +|(?!\d{4})[^ \r\n]+ +)?%b(?: +(?P<zone>%b))?" % (_MONTH, _DAY, _TIME, _ZONE, _YEAR, _ZONE),
    # 26 Nov 2026 10:10:44
    rb"%b +%b +%b. *%b(?P<before>)(?: +(?P<zone>%b))?" % (_DAY, _MONTH, _YEAR, _TIME, _ZONE),
)
_FROM = [re.compile(_SENDER + date) for date in _DATES]
_WORDY_FROM = [re.compile(_WORDY_SENDER + date) for date in _DATES]


def read(stream, file):
    """(flags and keywords, seconds since the epoch, text) of each message, one after the other."""
    for number, (date, head, body) in enumerate(_split(stream, file)):
        fields = _fields(head)
        # Only as the first one: anybody could send a message that looks like it
        if number or not _is_notes(fields):
            yield _message(date, fields, body)


def begins_like(start):
    """Is this the beginning of an mbox?"""
    return start.removeprefix(codecs.BOM_UTF8).lstrip(b"\r\n").startswith(b"From ")


def _split(stream, file):
    """(date, lines of the header, lines of the body with the blank one before it) of each message."""
    date, head, body, was_blank = _first_date(stream, file), [], [], False
    while date is not None:
        line = stream.readline()
        begins = _date_of(line, was_blank)
        if begins is not None or not line:
            yield date, head, body
            date, head, body = begins, [], []
        elif body:
            body.append(line)
        elif line in _BLANK:
            body = [line, *_measured(stream, head)]
        else:
            head.append(line)
        was_blank = line in _BLANK


def _first_date(stream, file):
    """None if there is no message. Lines before the first one would be lost."""
    for number, line in enumerate(stream, start=1):
        line = line.removeprefix(codecs.BOM_UTF8)
        date = _date_of(line, True)
        if date is None and line.strip():
            raise MailserverError(
                f'{file} is no mbox: its line {number} is no "From " line with sender and date, as the first one of an mbox is.'
                " Mend the file, or choose another one."
            )
        if date is not None:
            return date
    return None


def _measured(stream, head):
    """[body] if there is a Content-Length, and where it ends a message or the end of the file follows, as Dovecot wants it.

    A body that is stored with its length may have lines that begin like a message.
    """
    length = b" ".join(value for name, value in _kept(_fields(head)) if name == b"content-length").strip()
    if not re.fullmatch(rb"\d{1,15}", length):
        return []
    start = stream.tell()
    stream.seek(start + int(length))
    blank, following = stream.readline(2), stream.readline(1000)
    stream.seek(start)
    is_right = blank in _BLANK and (not following or _date_of(following, True) is not None)
    return [stream.read(int(length))] if is_right and int(length) else []


def _date_of(line, is_after_blank):
    """Seconds since the epoch, or None if the line begins no message."""
    if not line.startswith(b"From "):
        return None
    forms = _FROM + _WORDY_FROM if is_after_blank else _FROM
    match = next((match for match in (form.match(line) for form in forms) if match and match["month"].lower() in _MONTHS), None)
    return _seconds(match) if match else None


def _seconds(match):
    """Without a zone it is the machine's time. What is in no calendar is 0."""
    month, day = _MONTHS[match["month"].lower()], int(match["day"]) or 1
    moment = (int(match["year"]), month, day, int(match["hour"]), int(match["minute"]), int(match["second"] or 0), 0, 0, -1)
    zone = match["before"] or match["zone"]
    try:
        if not zone:
            return int(time.mktime(moment))
        minutes = int(zone[1:3]) * 60 + int(zone[3:5])
        return calendar.timegm(moment) - (minutes if zone.startswith(b"+") else -minutes) * 60
    except (ValueError, OverflowError):
        return 0


def _fields(head):
    """The header's lines, each with those that continue it."""
    fields = []
    for line in head:
        if fields and line.startswith((b" ", b"\t")):
            fields[-1].append(line)
        else:
            fields.append([line])
    return [b"".join(lines) for lines in fields]


def _is_notes(fields):
    """Nobody sent them."""
    has_notes, has_header, is_received = (any(map(form.match, fields)) for form in (_NOTES, _NOTES_HEADER, _RECEIVED))
    return has_notes and has_header and not is_received


def _kept(fields):
    """[(name, value)]"""
    matches = [_KEEPING.match(field) for field in fields]
    return [(match[1].lower(), match[2]) for match in matches if match]


def _message(date, fields, body):
    if body and body[-1] in _BLANK:
        body = body[:-1]  # it ends the message in the file
    text = b"".join([field for field in fields if not _KEEPING.match(field)] + body)
    flags = set()
    for name, value in _kept(fields):
        if name == b"x-keywords":
            words = [word for word in value.split() if not word.startswith(b"\\")]
            flags |= {word.decode("utf-8", "replace") for word in words[:_MOST_KEYWORDS]}
        flags |= {flag for letter, flag in _FLAGS.get(name, {}).items() if letter in value}
    return flags, date, text
