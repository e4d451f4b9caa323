# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""Mail addresses and domains: one spelling for each, and a reason for each that is refused.

Syntax and lengths: RFC 5321, sections 4.1.2 and 4.5.3.1. Internationalised domains are kept as A-labels
(RFC 5891, section 4); quoted and non-ASCII local parts are not served.
"""

from __future__ import annotations

import re
from functools import lru_cache

MAX_LOCAL_PART = 64
MAX_DOMAIN = 255
MAX_ADDRESS = 254  # a path has 256 octets, two of them are < and >

_ATOM = r"[a-z0-9!#$%&'*+/=?^_`{|}~-]+"
_DOT_STRING = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
_LABEL = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
# What Dovecot takes as a login name, and what is safe as the name of a directory
_ACCOUNT = re.compile(r"[a-z0-9._-]+")
# Python's codec follows the older RFC 3490, which turns these letters into others: the domain would not be the one meant
_AMBIGUOUS = re.compile("[\u00df\u1e9e\u03c2\u200c\u200d]")


@lru_cache(maxsize=4096)  # a directory has few of them beside its addresses
def domain(text):
    """The domain in lower case and A-labels; ValueError says what is wrong with it."""
    name = text.strip()
    if not name:
        raise ValueError("the domain is empty")
    if not name.isascii():
        name = _to_a_labels(name)
    name = name.lower()
    if len(name) > MAX_DOMAIN:
        raise ValueError(f"the domain has more than {MAX_DOMAIN} characters")
    labels = name.split(".")
    for label in labels:
        if not _LABEL.fullmatch(label):
            raise ValueError(f"{label!r} is no label of a domain: write 1 to 63 letters, digits and inner hyphens")
    if labels[-1].isdigit():
        raise ValueError("the domain ends in a number: write a name, not an IP address")
    return name


def _to_a_labels(name):
    if _AMBIGUOUS.search(name):
        raise ValueError("the domain has letters that old and new IDNA rules read differently: write it as xn--…")
    try:
        return name.encode("idna").decode("ascii")
    except UnicodeError as exc:
        raise ValueError("the domain has letters that IDNA does not allow: correct it, or write it as xn--…") from exc


def address(text):
    """The address in its one spelling; ValueError says what is wrong with it."""
    local_part, at, domain_part = text.strip().rpartition("@")
    if not at:
        raise ValueError("there is no @: write it as name@domain")
    if not local_part:
        raise ValueError("there is nothing before the @: write it as name@domain")
    if not local_part.isascii():
        raise ValueError("letters before the @ must be ASCII")
    if len(local_part) > MAX_LOCAL_PART:
        raise ValueError(f"there are more than {MAX_LOCAL_PART} characters before the @")
    local_part = local_part.lower()
    if not _DOT_STRING.fullmatch(local_part):
        raise ValueError("the part before the @ must be letters, digits and signs without spaces, single dots between them")
    whole = f"{local_part}@{domain(domain_part)}"
    if len(whole) > MAX_ADDRESS:
        raise ValueError(f"the address has more than {MAX_ADDRESS} characters")
    return whole


def account(text):
    """The address of a mailbox that somebody logs in to."""
    whole = address(text)
    name = local_part(whole)
    if "+" in name:
        raise ValueError(f"'+' begins a sub-address, not an account: {without_extension(whole)} receives this mail already")
    if not _ACCOUNT.fullmatch(name):
        raise ValueError("an account's name may have only letters, digits, '.', '_' and '-' before the @")
    return whole


def address_or_domain(text):
    """An address, or '@domain' for all addresses of a domain."""
    stripped = text.strip()
    return "@" + domain(stripped[1:]) if stripped.startswith("@") else address(stripped)


def local_part(whole):
    return whole.rpartition("@")[0]


def domain_part(whole):
    return whole.rpartition("@")[2]


def without_extension(whole):
    """alice+lists@example.com is delivered to alice@example.com."""
    name, dummy, domain_name = whole.rpartition("@")
    box = name.split("+", 1)[0]
    return f"{box}@{domain_name}" if box else whole
