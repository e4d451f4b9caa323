# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""Records as zone files write them (RFC 1035, section 5.1). Pure."""

from __future__ import annotations

# A string has one octet for its length
_MAX_STRING = 255
_QUOTED = {ord('"'): '\\"', ord("\\"): "\\\\"}


def zone_value(kind, value):
    """A value of ours as a zone file has it."""
    return quote_text(value) if kind == "TXT" else value


def quote_text(text):
    """As many quoted strings as it takes; who reads the record puts them together without a space."""
    octets = text.encode("utf-8")
    parts = [octets[start : start + _MAX_STRING] for start in range(0, len(octets), _MAX_STRING)] or [b""]
    return " ".join('"' + "".join(map(_escape, part)) + '"' for part in parts)


def _escape(octet):
    if octet in _QUOTED:
        return _QUOTED[octet]
    return chr(octet) if 0x20 <= octet < 0x7F else f"\\{octet:03d}"


def line(name, ttl, kind, text):
    """A line, of a value as a zone file has it."""
    return f"{name}. {ttl} IN {kind} {text}\n"


def zone_texts(records):
    """{domain: lines for its zone}. A PTR record is in the zone of whoever gave the address, and so only a comment."""
    texts = {}
    for record in records:
        mark = "; " if record.type == "PTR" else ""
        text = line(record.name, record.ttl, record.type, zone_value(record.type, record.value))
        texts.setdefault(record.domain, []).append(mark + text)
    return {domain: "".join(lines) for domain, lines in texts.items()}
