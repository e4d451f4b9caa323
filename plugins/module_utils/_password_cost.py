# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""What the verification of a stored hash costs: too much at each login, or too little for a thief."""

from __future__ import annotations

import re
import string
from collections import Counter
from typing import Callable, NamedTuple

from ansible_collections.virtmail.mailserver.plugins.module_utils._password import CRYPT64, PREFIXED, STORED_SCHEMES, is_weak

_CRYPT64_DIGITS = "./" + string.digits + string.ascii_uppercase + string.ascii_lowercase

# Milliseconds of CPU that a verification takes: more than the first holds up everybody who logs in meanwhile; less than the
# second is next to nothing for who tries passwords on a stolen hash.
SLOW, CHEAP = 100, 1


class _Method(NamedTuple):
    """How the hashes of one method begin, as expressions for its name and for its cost, and what a verification takes.

    The groups of the cost are the arguments of the function, which returns milliseconds of CPU.
    """

    name: str
    cost: str
    milliseconds: Callable


def _rounds(milliseconds_of_thousand, default=0, always=0):
    """Rounds that a hash has where it says nothing of them, and rounds beside those that it says."""
    return lambda number: milliseconds_of_thousand / 1000 * (always + int(number or default))


def _argon2(kibibytes, passes):
    return 0.6 / 1024 * int(kibibytes) * int(passes)


def _bcrypt(cost):
    return 59 * 2.0 ** (int(cost) - 10)


def _yescrypt(log_n, r):
    """Of the logarithm and of r, one less is written."""
    return 1.5 / 1024**2 * _scrypt_memory(_CRYPT64_DIGITS.index(log_n) + 1, _CRYPT64_DIGITS.index(r) + 1)


def _scrypt(log_n, r):
    return 2 / 1024**2 * _scrypt_memory(_CRYPT64_DIGITS.index(log_n), _CRYPT64_DIGITS.index(r))


def _scrypt_memory(log_n, r):
    """Bytes; the time goes with them."""
    return 128 * r * 2.0**log_n


# From what one verification took Dovecot's auth process on a virtual machine with two cores, in milliseconds of CPU:
# SHA512-CRYPT 1.8 with 5,000 rounds and 208 with 656,000, SCRAM-SHA-256 5.5 with 4,096 iterations, bcrypt 59 with cost 10,
# argon2id 25 with 19 MiB and two passes, and 107 with 64 MiB and three. The other methods were measured in libcrypt, beside
# SHA512-CRYPT. Another machine has other figures: they are for comparison only.
_METHODS = (
    _Method(r"\$argon2id?\$v=19\$", r"m=(\d{1,10}),t=(\d{1,10}),p=\d{1,10}\$", _argon2),
    _Method(r"\$2[abxy]\$", r"(\d\d)\$", _bcrypt),
    _Method(r"\$6\$", r"(?:rounds=(\d{1,10})\$)?", _rounds(0.32, default=5000)),
    _Method(r"\$5\$", r"(?:rounds=(\d{1,10})\$)?", _rounds(0.47, default=5000)),
    _Method(r"\$sha1\$", r"(\d{1,10})\$", _rounds(0.71)),
    _Method(r"\$md5", r"(?:,rounds=(\d{1,10}))?\$", _rounds(1.4, always=4096)),
    _Method(r"\$g?y\$", rf"{CRYPT64}({CRYPT64})({CRYPT64}){CRYPT64}{{0,8}}\$", _yescrypt),
    _Method(r"\$7\$", rf"({CRYPT64})({CRYPT64}){CRYPT64}{{9}}", _scrypt),
    _Method(r"\$1\$", "", lambda: 0.1),
    _Method("", r"(\d{1,10}),", _rounds(5.5 / 4.096)),  # SCRAM, which has no name there
)
_METHOD_FORMS = [(method, re.compile(f"(?P<name>{method.name})(?P<cost>{method.cost})")) for method in _METHODS]

# The last one is read by Dovecot, though no module of ours takes it
COSTED_SCHEMES = (*STORED_SCHEMES, "SCRAM-SHA-256")


class Verification(NamedTuple):
    """What the verification of a hash takes: the scheme, its cost as the hash has it, and milliseconds of CPU, estimated.

    The scheme is empty if it is none that is known. CRYPT's cost has the method in front, which the scheme does not tell.
    """

    scheme: str
    cost: str
    milliseconds: float


def verification(stored):
    """What the verification of a hash takes; the beginning of the hash suffices."""
    prefixed = PREFIXED.fullmatch(stored)
    if not prefixed or prefixed[1] not in COSTED_SCHEMES:
        return Verification("", "", 0.0)
    scheme, text = prefixed.groups()
    for method, form in _METHOD_FORMS:
        match = form.match(text)
        if match:
            cost = match[0] if scheme == "CRYPT" else match["cost"]
            return Verification(scheme, cost.rstrip("$,"), round(method.milliseconds(*match.groups()[2:]), 1))
    return Verification(scheme, "", 0.0)  # a digest, or DES


def judge(stored):
    """'weak' if Dovecot 2.4 refuses the hash, or a thief finds its password fast; 'slow' if logins hold others up; or 'ok'."""
    scheme, dummy, milliseconds = verification(stored)
    if not scheme or is_weak(stored) or milliseconds < CHEAP:
        return "weak"
    return "slow" if milliseconds > SLOW else "ok"


def summarize(users):
    """Schemes and costs, from {the beginning of hashes: how many users have such}: a dict for each, the most frequent first."""
    counts, judgements = Counter(), {}
    for start, number in users.items():
        counts[verification(start)] += number
        judgements[verification(start)] = judge(start)
    return [
        {**found._asdict(), "users": counts[found], "judgement": judgements[found]}
        for found in sorted(counts, key=lambda each: (-counts[each], each))
    ]
