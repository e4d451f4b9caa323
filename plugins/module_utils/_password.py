# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""Passwords in the forms that Dovecot reads: {SCHEME} and a hash.

Schemes: https://doc.dovecot.org/main/core/config/auth/schemes.html
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import logging
import os
import re
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

from ansible.module_utils.basic import missing_required_lib

PASSLIB_IMPORT_ERROR = None
try:
    from passlib import exc as passlib_exc
    from passlib import hash as passlib_hash
except ImportError as exc:
    passlib_hash = None
    PASSLIB_IMPORT_ERROR = str(exc)

# passlib 1.7.4 complains at length, and without need, that it can't tell the version of newer bcrypt packages
logging.getLogger("passlib").setLevel(logging.ERROR)

MIN_LENGTH = 8
MAX_LENGTH = 1024
BCRYPT_MAX_BYTES = 72
DEFAULT_SCHEME = "ARGON2ID"

# Hashes between two words of progress
_BATCH = 200

_ARGON2_FORM = r"\$v=19\$m=\d+,t=\d+,p=\d+\$[A-Za-z0-9+/]+\$[A-Za-z0-9+/]+"
CRYPT64 = "[A-Za-z0-9./]"


class Scheme:
    """A scheme that new hashes can have: how passlib makes them, and what its cost may be."""

    def __init__(self, handler, package, settings, default_cost, costs):
        self.handler = handler
        self.package = package
        self.settings = settings
        self.default_cost = default_cost
        self.costs = costs

    def hasher(self, cost):
        return getattr(passlib_hash, self.handler).using(**self.settings, rounds=cost or self.default_cost)


# Argon2id with 19 MiB, two passes and one lane is OWASP's recommendation. SHA512-CRYPT stays far below passlib's own
# 656,000 rounds: they cost 0.2 s of CPU at each login.
SCHEMES = {
    "ARGON2ID": Scheme(
        "argon2", "python3-argon2", {"type": "ID", "memory_cost": 19456, "parallelism": 1}, 2, range(1, 101)
    ),
    # 5000 rounds are left out of the hash by passlib; every other number is written into it
    "SHA512-CRYPT": Scheme("sha512_crypt", "python3-passlib", {}, 100000, range(5001, 10000001)),
    "BLF-CRYPT": Scheme("bcrypt", "python3-bcrypt", {"ident": "2y"}, 10, range(4, 18)),
}

# What a stored hash may look like, and passlib's handler that verifies it, if there is one
_FORMS = {
    "ARGON2ID": [("argon2", r"\$argon2id" + _ARGON2_FORM)],
    "ARGON2I": [("argon2", r"\$argon2i" + _ARGON2_FORM)],
    "BLF-CRYPT": [("bcrypt", rf"\$2[abxy]\$\d\d\${CRYPT64}{{53}}")],
    "SHA512-CRYPT": [("sha512_crypt", rf"\$6\$(?:rounds=\d+\$)?{CRYPT64}{{1,16}}\${CRYPT64}{{86}}")],
    "SHA256-CRYPT": [("sha256_crypt", rf"\$5\$(?:rounds=\d+\$)?{CRYPT64}{{1,16}}\${CRYPT64}{{43}}")],
    "MD5-CRYPT": [("md5_crypt", rf"\$1\${CRYPT64}{{1,8}}\${CRYPT64}{{22}}")],
    # The inner state of HMAC-MD5, which no library gives out
    "CRAM-MD5": [(None, "[0-9a-fA-F]{64}")],
}
# crypt(3) tells its methods apart by the beginning of the hash; see crypt(5)
_FORMS["CRYPT"] = [
    *(form for scheme in ("BLF-CRYPT", "SHA512-CRYPT", "SHA256-CRYPT", "MD5-CRYPT") for form in _FORMS[scheme]),
    # 64 bits in eleven letters: the last one has four of them
    ("des_crypt", rf"{CRYPT64}{{12}}[.26AEIMQUYcgkosw]"),
    ("bsdi_crypt", rf"_{CRYPT64}{{19}}"),
    ("sha1_crypt", rf"\$sha1\$\d+\${CRYPT64}{{1,64}}\${CRYPT64}{{28}}"),
    ("sun_md5_crypt", rf"\$md5(?:,rounds=\d+)?\${CRYPT64}{{1,8}}\$\$?{CRYPT64}{{22}}"),
    (None, rf"\$(?:y|gy)\${CRYPT64}+\${CRYPT64}{{1,86}}\${CRYPT64}{{43}}"),
    (None, rf"\$7\${CRYPT64}{{11,97}}\${CRYPT64}{{43}}"),
]
_FORMS = {scheme: [(handler, re.compile(form)) for handler, form in forms] for scheme, forms in _FORMS.items()}
# Digests in base64, those without salt also in hexadecimal digits: the hash function, and whether a salt follows the digest
_DIGESTS = {
    "PLAIN-MD5": ("md5", False),
    "LDAP-MD5": ("md5", False),
    "SMD5": ("md5", True),
    "SHA": ("sha1", False),
    "SSHA": ("sha1", True),
    "SHA256": ("sha256", False),
    "SSHA256": ("sha256", True),
    "SHA512": ("sha512", False),
    "SSHA512": ("sha512", True),
}
STORED_SCHEMES = (*_FORMS, *_DIGESTS)
PREFIXED = re.compile(r"\{([A-Z0-9-]+)\}(.*)", re.DOTALL)

# Dovecot 2.4 refuses these unless it is told otherwise, and {CRYPT} of the last forms as well
_WEAK_SCHEMES = ("MD5-CRYPT", "PLAIN-MD5", "LDAP-MD5", "SMD5")
_WEAK_CRYPT = re.compile(r"\$1\$|[^$]")


class Password:
    """A password in plain text, which is to be hashed. Never shows itself."""

    __slots__ = ("_cost", "_plaintext", "_scheme")

    def __init__(self, plaintext, scheme=DEFAULT_SCHEME, cost=None):
        self._plaintext = plaintext
        self._scheme = scheme
        self._cost = cost

    def __repr__(self):
        return "Password(…)"

    def matches(self, stored):
        """Is the stored hash one of this password? A new hash of the same password would always differ."""
        return _verify(self._plaintext, stored)

    def stored_form(self, salt=None):
        """A new hash; salt has at least 8 bytes, and is made up where none is given."""
        hasher = SCHEMES[self._scheme].hasher(self._cost)
        return f"{{{self._scheme}}}{(hasher.using(salt=salt) if salt else hasher).hash(self._plaintext)}"

    def missing_library(self):
        """What has to be installed before this password can be hashed; None if all is there."""
        return _missing_library(self._scheme)


def spread(work, items, progress):
    """Results of work, which hashes, for each item, on all cores; calls progress(done, total) now and then.

    Threads suffice for Argon2 and bcrypt, whose libraries let go of Python's lock, and leave nothing behind when the
    module is killed.
    """
    results = []
    with ThreadPoolExecutor(max_workers=len(os.sched_getaffinity(0))) as pool:
        for start in range(0, len(items), _BATCH):
            results += pool.map(work, items[start : start + _BATCH])
            progress(len(results), len(items))
    return results


def is_weak(stored):
    """Does Dovecot 2.4 refuse this hash unless auth_allow_weak_schemes is set?"""
    scheme, text = PREFIXED.fullmatch(stored).groups()
    return scheme in _WEAK_SCHEMES or (scheme == "CRYPT" and bool(_WEAK_CRYPT.match(text)))


def _verify(plaintext, stored):
    verify = _verifier(stored)
    try:
        return verify is not None and verify(plaintext)
    except (ValueError, passlib_exc.MissingBackendError):
        return False  # a hash that nothing here can read is not of this password


def _verifier(stored):
    """A function that tells whether the hash is one of a plain text; None if the hash has no known form."""
    prefixed = PREFIXED.fullmatch(stored)
    if not prefixed:
        return None
    scheme, text = prefixed.groups()
    if scheme in _DIGESTS:
        return _digest_verifier(*_DIGESTS[scheme], text)
    for handler, form in _FORMS.get(scheme, ()):
        if form.fullmatch(text):
            return lambda plaintext: handler is not None and getattr(passlib_hash, handler).verify(plaintext, text)
    return None


def _digest_verifier(algorithm, is_salted, text):
    size = hashlib.new(algorithm, usedforsecurity=False).digest_size
    try:
        raw = bytes.fromhex(text) if not is_salted and len(text) == 2 * size else base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return None
    if len(raw) <= size if is_salted else len(raw) != size:
        return None
    digest, salt = raw[:size], raw[size:]

    def verify(plaintext):
        made = hashlib.new(algorithm, plaintext.encode("utf-8") + salt, usedforsecurity=False).digest()
        return hmac.compare_digest(made, digest)

    return verify


@lru_cache(maxsize=None)
def _missing_library(scheme):
    if passlib_hash is None:
        return missing_required_lib("passlib (Debian package python3-passlib)", reason=f"for passwords: {PASSLIB_IMPORT_ERROR}")
    try:
        # Only a first hash shows whether the library behind a scheme is there and of a version that passlib can use
        SCHEMES[scheme].hasher(SCHEMES[scheme].costs[0]).hash("probe")
    except (ValueError, TypeError, AttributeError, passlib_exc.MissingBackendError) as exc:
        return (
            f"passlib cannot make {scheme} hashes here: {' '.join(str(exc).split()).rstrip('.')}."
            f" Install Debian's {SCHEMES[scheme].package}, or libpass from PyPI instead of passlib."
        )
    return None


def check_plaintext(text, scheme):
    """ValueError says why the password is refused."""
    if not text:
        raise ValueError("the password is empty: give one, or leave the option out to keep the stored one")
    if not MIN_LENGTH <= len(text) <= MAX_LENGTH:
        raise ValueError(f"the password must have {MIN_LENGTH} to {MAX_LENGTH} characters")
    if any(ord(character) < 32 or ord(character) == 127 for character in text):
        raise ValueError("the password has control characters, such as a line end: remove them")
    if any("\ud800" <= character <= "\udfff" for character in text):  # how Python keeps bytes that it can't decode
        raise ValueError("the password has bytes that are not UTF-8: check the encoding of the file that it comes from")
    if scheme == "BLF-CRYPT" and len(text.encode("utf-8")) > BCRYPT_MAX_BYTES:
        raise ValueError(f"BLF-CRYPT ignores what follows {BCRYPT_MAX_BYTES} bytes of a password: choose another scheme")


def check_hash(text):
    """ValueError says why the hash is refused."""
    if _verifier(text) is None:
        raise ValueError(
            "password_hash is not in a form that Dovecot reads: write {SCHEME} and the whole hash, with one of the"
            f" schemes {', '.join(STORED_SCHEMES)}"
        )


def check_scheme(text):
    """The scheme's name, with or without braces, in capitals; ValueError if it is unknown."""
    scheme = text.strip().strip("{}").upper()
    if scheme not in SCHEMES:
        raise ValueError(f"password_scheme {text!r} is unknown: use one of {', '.join(SCHEMES)}")
    return scheme


def check_cost(cost, scheme):
    costs = SCHEMES[scheme].costs
    if cost is not None and cost not in costs:
        raise ValueError(f"password_cost {cost} does not fit {scheme}: use {costs[0]} to {costs[-1]}")
