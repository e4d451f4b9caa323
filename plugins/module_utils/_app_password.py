# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""App passwords: what they look like, and what is stored of them.

Dovecot looks one up by its digest. That is no slow hash, so only a long random secret may have one; and it tells such a secret
from a password that somebody has thought up by its beginning, so that no digest of the latter is ever made.
"""

from __future__ import annotations

import hashlib
import re

# Dovecot's configuration knows this form, too
_FORM = re.compile(r"app-[!-~]{20,1020}")
_DIGEST_OF_NOTHING = hashlib.sha256(b"").hexdigest()
_HASH = re.compile(r"\{SHA256\}[0-9a-f]{64}", re.IGNORECASE)


def stored_form(plaintext):
    """ValueError says why the password is refused."""
    if not _FORM.fullmatch(plaintext):
        raise ValueError(
            "an app password is app- with at least 20 random letters, digits or signs behind it, such as"
            " echo app-$(openssl rand -hex 16) makes it"
        )
    return "{SHA256}" + hashlib.sha256(plaintext.encode("ascii")).hexdigest()


def parse_hash(text):
    """The hash as it is stored; ValueError says why it is refused."""
    if not _HASH.fullmatch(text):
        raise ValueError("password_hash of an app password is {SHA256} with the 64 hexadecimal digits of its digest behind it")
    if text[-64:].lower() == _DIGEST_OF_NOTHING:
        raise ValueError("password_hash of an app password is the digest of an empty text; was the variable that it was made from empty?")
    return "{SHA256}" + text[-64:].lower()
