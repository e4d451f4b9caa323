# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.virtmail.mailserver.plugins.module_utils import _password, _password_cost
from ansible_collections.virtmail.mailserver.plugins.module_utils._password import Password


@pytest.mark.parametrize(
    ("start", "measured"),
    [
        # milliseconds of CPU of one login, in Dovecot's auth process
        ("{SHA512-CRYPT}$6$saltsalt$", 1.8),
        ("{SHA512-CRYPT}$6$rounds=656000$saltsalt$", 208),
        ("{SCRAM-SHA-256}4096,salt,", 5.5),
        ("{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$", 25),
        ("{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$", 107),
        ("{BLF-CRYPT}$2y$10$", 59),
        # of one crypt() of libcrypt, on the same machine
        ("{CRYPT}$6$rounds=656000$saltsalt$", 209),
        ("{SHA256-CRYPT}$5$saltsalt$", 2.5),
        ("{CRYPT}$5$rounds=656000$saltsalt$", 309),
        ("{CRYPT}$sha1$40000$saltsalt$", 28),
        ("{CRYPT}$md5$saltsalt$$", 5.8),
        ("{CRYPT}$md5,rounds=4096$saltsalt$", 10.6),
        ("{CRYPT}$y$j9T$45FLnS.R8RiFPvA2yLf7e1$", 24),
        ("{CRYPT}$gy$jBT$45FLnS.R8RiFPvA2yLf7e1$", 89),
        ("{CRYPT}$7$CU..../....qP8RdQEBbUaEeviSOyyx0.$", 131),
    ],
)
def test_estimate_comes_close_to_what_was_measured(start, measured):
    assert _password_cost.verification(start).milliseconds == pytest.approx(measured, rel=0.15)


@pytest.mark.parametrize(
    ("stored", "scheme", "cost", "judgement"),
    [
        ("{SHA512-CRYPT}$6$saltsalt$x", "SHA512-CRYPT", "", "ok"),
        ("{SHA512-CRYPT}$6$rounds=300000$saltsalt$x", "SHA512-CRYPT", "rounds=300000", "ok"),
        ("{SHA512-CRYPT}$6$rounds=320000$saltsalt$x", "SHA512-CRYPT", "rounds=320000", "slow"),
        ("{SHA512-CRYPT}$6$rounds=1000$saltsalt$x", "SHA512-CRYPT", "rounds=1000", "weak"),
        ("{SHA256-CRYPT}$5$rounds=535000$saltsalt$x", "SHA256-CRYPT", "rounds=535000", "slow"),
        ("{CRYPT}$6$saltsalt$x", "CRYPT", "$6", "ok"),
        ("{CRYPT}$6$rounds=656000$saltsalt$x", "CRYPT", "$6$rounds=656000", "slow"),
        ("{CRYPT}$y$j9T$saltsalt$x", "CRYPT", "$y$j9T", "ok"),
        ("{CRYPT}$y$jCT$saltsalt$x", "CRYPT", "$y$jCT", "slow"),
        ("{CRYPT}$7$CU..../....saltsalt$x", "CRYPT", "$7$CU..../....", "slow"),
        ("{CRYPT}$md5,rounds=5$saltsalt$x", "CRYPT", "$md5,rounds=5", "ok"),
        ("{CRYPT}$1$saltsalt$x", "CRYPT", "$1", "weak"),
        ("{CRYPT}CAiN38py6J0Fc", "CRYPT", "", "weak"),
        ("{CRYPT}_7C/..d3MNB9tWs/L9.k", "CRYPT", "", "weak"),
        ("{MD5-CRYPT}$1$saltsalt$x", "MD5-CRYPT", "", "weak"),
        ("{BLF-CRYPT}$2y$04$saltsalt", "BLF-CRYPT", "04", "weak"),
        ("{BLF-CRYPT}$2a$05$saltsalt", "BLF-CRYPT", "05", "ok"),
        ("{BLF-CRYPT}$2b$11$saltsalt", "BLF-CRYPT", "11", "slow"),
        ("{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$saltsalt$x", "ARGON2ID", "m=19456,t=2,p=1", "ok"),
        ("{ARGON2I}$argon2i$v=19$m=65536,t=3,p=4$saltsalt$x", "ARGON2I", "m=65536,t=3,p=4", "slow"),
        ("{SSHA512}saltsalt", "SSHA512", "", "weak"),
        ("{SHA}L55TUjtiq8FBorTWAZ0jy6g129A=", "SHA", "", "weak"),
        ("{CRAM-MD5}38b57fd1", "CRAM-MD5", "", "weak"),
        ("{SCRAM-SHA-256}4096,saltsalt,x,x", "SCRAM-SHA-256", "4096", "ok"),
        ("{PLAIN}saltsalt", "", "", "weak"),
        ("saltsalt", "", "", "weak"),
    ],
)
def test_judgement(stored, scheme, cost, judgement):
    found = _password_cost.verification(stored)
    assert (found.scheme, found.cost, _password_cost.judge(stored)) == (scheme, cost, judgement)


def test_no_cost_is_too_large():
    argon2 = "{ARGON2ID}$argon2id$v=19$m=9999999999,t=9999999999,p=1$"
    for start in ("{SHA512-CRYPT}$6$rounds=9999999999$", "{BLF-CRYPT}$2y$99$", argon2):
        assert _password_cost.judge(start) == "slow"
    assert _password_cost.verification(f"{{SHA512-CRYPT}}$6$rounds={'9' * 5000}$").milliseconds < 5


@pytest.mark.parametrize("scheme", _password.SCHEMES)
def test_what_is_made_here_is_neither_slow_nor_weak(scheme):
    assert _password_cost.judge(Password("correct horse", scheme).stored_form()) == "ok"


def test_summary():
    starts = {"{SHA}": 2, "{BLF-CRYPT}$2y$10$": 1, "{BLF-CRYPT}$2a$10$": 2, "": 4}
    assert [tuple(found.values()) for found in _password_cost.summarize(starts)] == [
        ("", "", 0.0, 4, "weak"),
        ("BLF-CRYPT", "10", 59.0, 3, "ok"),
        ("SHA", "", 0.0, 2, "weak"),
    ]
