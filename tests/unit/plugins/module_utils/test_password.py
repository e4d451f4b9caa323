# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from passlib import hash as passlib_hash

from ansible_collections.virtmail.mailserver.plugins.module_utils import _password
from ansible_collections.virtmail.mailserver.plugins.module_utils._password import Password

CHEAP = {"ARGON2ID": 1, "SHA512-CRYPT": 5001, "BLF-CRYPT": 4}


@pytest.mark.parametrize("scheme", _password.SCHEMES)
def test_hash_is_known_and_verifies(scheme):
    password = Password("correct horse", scheme, CHEAP[scheme])
    stored = password.stored_form()
    assert stored.startswith(f"{{{scheme}}}$")
    _password.check_hash(stored)
    assert password.matches(stored)
    assert Password("correct horse", "ARGON2ID").matches(stored)
    assert not Password("wrong horse", scheme).matches(stored)
    assert password.missing_library() is None


@pytest.mark.parametrize(
    ("scheme", "cost", "start"),
    [
        ("ARGON2ID", None, "{ARGON2ID}$argon2id$v=19$m=19456,t=2,p=1$"),
        ("ARGON2ID", 3, "{ARGON2ID}$argon2id$v=19$m=19456,t=3,p=1$"),
        ("SHA512-CRYPT", None, "{SHA512-CRYPT}$6$rounds=100000$"),
        ("SHA512-CRYPT", 5001, "{SHA512-CRYPT}$6$rounds=5001$"),
        ("BLF-CRYPT", None, "{BLF-CRYPT}$2y$10$"),
        ("BLF-CRYPT", 5, "{BLF-CRYPT}$2y$05$"),
    ],
)
def test_cost_shows_in_the_hash(scheme, cost, start):
    assert Password("correct horse", scheme, cost).stored_form().startswith(start)


@pytest.mark.parametrize("stored", ["", "plain", "{PLAIN}correct horse", "{ARGON2ID}$argon2id$broken", "{BLF-CRYPT}$2y$99$x"])
def test_what_cannot_be_read_does_not_match(stored):
    assert not Password("correct horse").matches(stored)


def test_password_never_shows_itself():
    assert "horse" not in f"{Password('correct horse')!r} {Password('correct horse')}"


@pytest.mark.parametrize("text", ["", "short77", "line\nend99", "nul\0l byte", "x" * 1025, "latin \udce9 in the file"])
def test_bad_plaintext_is_refused(text):
    with pytest.raises(ValueError, match="password"):
        _password.check_plaintext(text, "ARGON2ID")


def test_bcrypt_refuses_what_it_would_ignore():
    _password.check_plaintext("ü" * 36, "BLF-CRYPT")
    with pytest.raises(ValueError, match="72 bytes"):
        _password.check_plaintext("ü" * 37, "BLF-CRYPT")


@pytest.mark.parametrize(
    "text", ["", "secret", "$6$salt$hash", "{PLAIN}secret", "{SHA512-CRYPT}", "{SHA512-CRYPT}secret", "{ARGON2ID}$6$x$y"]
)
def test_unknown_hash_is_refused(text):
    with pytest.raises(ValueError, match="password_hash") as caught:
        _password.check_hash(text)
    assert "secret" not in str(caught.value)


def test_scheme():
    assert _password.check_scheme("{argon2id}") == "ARGON2ID"
    with pytest.raises(ValueError, match="ARGON2ID, SHA512-CRYPT, BLF-CRYPT"):
        _password.check_scheme("MD5")


@pytest.mark.parametrize(("scheme", "cost"), [("ARGON2ID", 0), ("SHA512-CRYPT", 5000), ("BLF-CRYPT", 3), ("BLF-CRYPT", 18)])
def test_cost_out_of_range_is_refused(scheme, cost):
    with pytest.raises(ValueError, match=f"password_cost {cost} does not fit {scheme}"):
        _password.check_cost(cost, scheme)


@pytest.mark.parametrize(
    "stored",
    [
        # doveadm pw of Dovecot 2.3.19
        "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$MXJwP8EVy2RYTc94/+YH/g$tTgyqwebm0CG3iUuyA1sFxQxC1XEk3x/u16ybTjs+io",
        "{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$/i1Xc5oqrBpBFnc1IuXQIA$ietFVPBBSGq85x/A6aoi/vSH9AsMO1p9vzejgJb9NLU",
        "{BLF-CRYPT}$2y$05$to.jwd6Sthgozi38EybygOWGiIsCS11NGg1BkO2Ddvz5MoFC6boJm",
        "{SHA512-CRYPT}$6$Uy5WvaeGeQqIKU83"
        "$1brFOrrY0C3nMzM.yY9ENUzdTViEw8nxXcrv1jZJ96GicM2ClbvhLi9WzdjR70DW5p7SymFdQzs4sUwqN1NwS0",
        "{SHA256-CRYPT}$5$.HxXxkecq6bjo2I3$uRvG6GYj86Dt3LeFTdAknPSnLBc4QoxBXmMLfE.Ykt0",
        "{MD5-CRYPT}$1$gd3S2hsi$6QSPljZgOwcZs2/iQ09720",
        # doveadm pw of Dovecot 2.4.1
        "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$CYVXtZPCy9A9Gj7upyyn1g$+AA+DYBVJGYklHJ/1PvFZx7X6yXRTpELxWf4Ch74CMc",
        "{BLF-CRYPT}$2y$05$pns59zJXbnyVk9D6yrXQze13t25xojbatsoQmX7/U0/VoJuVCGZkG",
        "{SHA512-CRYPT}$6$kNGZ4T3r5WDf84Nm"
        "$CGx0l3F3X1SwcnTDbYzT7ZpD.AHb50v23hqNtJkCl2byz5hz0/93I8X250dkLEk4EKHZUPXP0cIDsX39X10QR.",
        # openssl passwd -6 -salt saltsalt 'correct horse'
        "{SHA512-CRYPT}$6$saltsalt"
        "$hRM5XZ86KXEw9UOmjigeVqFgULtFB2sgpC9lXQDfMib3Zgw7mEiUvBJI2EplzfAqxL5Vvwp2scFtv/uamSo5z0",
    ],
)
def test_hash_of_another_program(stored):
    _password.check_hash(stored)
    assert Password("correct horse").matches(stored)
    assert not Password("wrong horse").matches(stored)


def test_hash_with_a_given_salt():
    first, second, other = (Password("correct horse", cost=1).stored_form(salt=salt) for salt in (b"12345678", b"12345678", b"87654321"))
    assert first == second != other
    assert Password("correct horse").matches(first)


def made_by_passlib():
    made = passlib_hash
    yield "{PLAIN-MD5}" + made.hex_md5.hash("correct horse")
    yield "{LDAP-MD5}" + made.ldap_md5.hash("correct horse").partition("}")[2]
    yield made.ldap_salted_md5.hash("correct horse")
    yield made.ldap_salted_md5.using(salt_size=16).hash("correct horse")
    yield made.ldap_sha1.hash("correct horse")
    yield "{SHA}" + made.hex_sha1.hash("correct horse")
    yield made.ldap_salted_sha1.hash("correct horse")
    yield made.ldap_salted_sha256.hash("correct horse")
    yield made.ldap_salted_sha512.hash("correct horse")
    yield "{SHA256}" + made.hex_sha256.hash("correct horse")
    yield "{SHA512}" + made.hex_sha512.hash("correct horse")
    for handler in (made.des_crypt, made.bsdi_crypt, made.md5_crypt):
        yield "{CRYPT}" + handler.hash("correct horse")
    for handler in (made.sha1_crypt, made.sha256_crypt, made.sha512_crypt):
        yield "{CRYPT}" + handler.using(rounds=1000).hash("correct horse")
    yield "{CRYPT}" + made.sun_md5_crypt.using(rounds=5).hash("correct horse")
    for ident in ("2a", "2b", "2y"):
        yield "{CRYPT}" + made.bcrypt.using(rounds=4, ident=ident).hash("correct horse")


@pytest.mark.parametrize("stored", list(made_by_passlib()), ids=lambda stored: stored[:5])
def test_hash_of_an_old_server(stored):
    _password.check_hash(stored)
    assert Password("correct horse").matches(stored)
    assert not Password("wrong horse").matches(stored)


@pytest.mark.parametrize(
    "stored",
    [
        # mkpasswd of Debian 13, methods yescrypt, gost-yescrypt and scrypt
        "{CRYPT}$y$j9T$45FLnS.R8RiFPvA2yLf7e1$9lgONHjZUomscll/wc2g854w4cOpOe7qCP7EhaG0fU0",
        "{CRYPT}$gy$j9T$iL2jRqnWaIsCHROquRxuP.$pScyZcyNdsKL3Z1O18qBH6EShhCUdlElg8wHl7SwO19",
        "{CRYPT}$7$CU..../....qP8RdQEBbUaEeviSOyyx0.$j/dBmwbjHa1h5VdXTd3QEKzMy9h71rKiokTsEsNQ.M4",
        # doveadm pw of Dovecot 2.4.1
        "{CRAM-MD5}38b57fd1a0c4b46c814aa05f20318edd71c455380655f2c0ac35c5b359528d29",
    ],
)
def test_hash_that_nothing_here_can_verify(stored):
    _password.check_hash(stored)
    assert not Password("correct horse").matches(stored)


@pytest.mark.parametrize(
    "text",
    [
        "{CLEARTEXT}secret",
        "{CRYPT}",
        "{CRYPT}secret",
        "{CRYPT}secret7890123",  # no DES hash ends so
        "{CRYPT}$y$j9T$45FLnS.R8RiFPvA2yLf7e1$9lgONHjZUomscll",
        "{PLAIN-MD5}3cb4e732631f47e6eb961f34554b7c",
        "{SSHA}L55TUjtiq8FBorTWAZ0jy6g129A=",  # no salt
        "{SHA}Mbh9iwbtGAnmL/+DWztaNLNuXUk/R8hZ",  # one too many
        "{SHA}ü",
        "{CRAM-MD5}38b5",
    ],
)
def test_broken_hash_of_an_old_server_is_refused(text):
    with pytest.raises(ValueError, match="password_hash"):
        _password.check_hash(text)


@pytest.mark.parametrize(
    ("start", "weak"),
    [
        # what auth_allow_weak_schemes of Dovecot 2.4.1 decides about
        ("{MD5-CRYPT}$1$", True),
        ("{CRYPT}$1$", True),
        ("{CRYPT}CAiN38py6J0Fc", True),
        ("{CRYPT}_7C/..d3MNB9tWs/L9.k", True),
        ("{PLAIN-MD5}3c", True),
        ("{LDAP-MD5}PL", True),
        ("{SMD5}B5", True),
        ("{CRYPT}$y$", False),
        ("{CRYPT}$md5,rounds=5$", False),
        ("{CRYPT}$sha1$", False),
        ("{CRYPT}$2y$", False),
        ("{SHA}L5", False),
        ("{SSHA}L5", False),
        ("{CRAM-MD5}38", False),
        ("{ARGON2ID}$argon2id$", False),
    ],
)
def test_weak_schemes(start, weak):
    assert _password.is_weak(start) == weak
