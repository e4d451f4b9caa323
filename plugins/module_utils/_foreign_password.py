# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""Passwords as other mail servers and operating systems store them, in the forms that Dovecot reads. See also crypt(5)."""

from __future__ import annotations

import base64
import binascii
import re

from ansible_collections.virtmail.mailserver.plugins.module_utils import _password

_PREFIXED = re.compile(r"\{([A-Za-z0-9.-]+)\}(.*)", re.DOTALL)
_SCHEMES_BY_START = {
    "$1$": "MD5-CRYPT",
    "$2a$": "BLF-CRYPT",
    "$2b$": "BLF-CRYPT",
    "$2x$": "BLF-CRYPT",
    "$2y$": "BLF-CRYPT",
    "$5$": "SHA256-CRYPT",
    "$6$": "SHA512-CRYPT",
    "$argon2i$": "ARGON2I",
    "$argon2id$": "ARGON2ID",
}
# Other names of schemes, in Dovecot and in Courier's authlib
_SCHEMES_BY_ALIAS = {
    "DES-CRYPT": "CRYPT",
    "HMAC-MD5": "CRAM-MD5",
    "MD5RAW": "PLAIN-MD5",
    "SHA1": "SHA",
    "SHA512CRYPT": "SHA512-CRYPT",
}
_CLEARTEXT_SCHEMES = ("CLEAR", "CLEARTEXT", "PLAIN")
_HASH_START = re.compile(r"\$[a-z0-9-]+\$")
_DECODERS = {"": None, "HEX": bytes.fromhex, "B64": base64.b64decode, "BASE64": base64.b64decode}


def read(text):
    """('hash', the stored form), ('cleartext', the password), or ('unreadable', why)."""
    if not text:
        return "unreadable", "it has no password"
    prefixed = _PREFIXED.fullmatch(text)
    if prefixed:
        return _read_prefixed(prefixed[1].upper(), prefixed[2])
    for start, scheme in _SCHEMES_BY_START.items():
        if text.startswith(start):
            return _as_known(scheme, text)
    for scheme in ("PLAIN-MD5", "CRYPT"):  # 32 hexadecimal digits; what crypt(3) makes
        if (scheme != "PLAIN-MD5" or len(text) == 32) and _is_known(f"{{{scheme}}}{text}"):
            return "hash", f"{{{scheme}}}{text}"
    if _HASH_START.match(text):
        return "unreadable", "its password hash is not whole, or of a sort that Dovecot does not read: set a new password"
    return "cleartext", text


def _read_prefixed(name, text):
    scheme, dummy, encoding = name.partition(".")
    if scheme in _CLEARTEXT_SCHEMES and not encoding:
        return ("cleartext", text) if text else ("unreadable", "it has no password")
    if scheme == "MD5":
        scheme = _scheme_of_md5(text)
    scheme = _SCHEMES_BY_ALIAS.get(scheme, scheme)
    if scheme not in _password.STORED_SCHEMES or encoding not in _DECODERS:
        # What looks like a scheme may be the password itself, or a part of it, and is not repeated
        return "unreadable", "its password begins with braces, and what is in them is no scheme that is read here: set a new password"
    try:
        text = _decoded(_DECODERS[encoding], text)
    except (ValueError, binascii.Error):
        return "unreadable", f"its password has the scheme {name}, and cannot be read: set a new password"
    return _as_known(scheme, text)


def _decoded(decode, text):
    """Digests are kept in base64, hashes of crypt(3) as they are."""
    if decode is None:
        return text
    raw = decode(text)
    return raw.decode("ascii") if raw.startswith(b"$") else base64.b64encode(raw).decode("ascii")


def _scheme_of_md5(text):
    """Dovecot's {MD5} is a hash of crypt(3) or hexadecimal digits, Courier's is in base64."""
    if text.startswith("$1$"):
        return "MD5-CRYPT"
    return "PLAIN-MD5" if len(text) == 32 else "LDAP-MD5"


def _as_known(scheme, text):
    stored = f"{{{scheme}}}{text}"
    if _is_known(stored):
        return "hash", stored
    return "unreadable", f"its password hash of the scheme {scheme} is not whole, or is not read by Dovecot: set a new password"


def _is_known(stored):
    try:
        _password.check_hash(stored)
    except ValueError:
        return False
    return True
