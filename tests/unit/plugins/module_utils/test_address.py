# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest

from ansible_collections.virtmail.mailserver.plugins.module_utils import _address

LONGEST_LABEL = "a" * 63


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (" Example.COM ", "example.com"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("한국.example", "xn--3e0b707e.example"),
        (f"{LONGEST_LABEL}.example", f"{LONGEST_LABEL}.example"),
    ],
)
def test_domain_has_one_spelling(given, stored):
    assert _address.domain(given) == stored
    assert _address.domain(stored) == stored


@pytest.mark.parametrize(
    "given",
    ["", " ", ".", "example..com", ".example.com", "example.com.", "-a.example", "a-.example", "exa mple.com", "a_b.example"]
    + ["a@b.example", "192.0.2.1", "[192.0.2.1]", "a" * 64 + ".example", ".".join([LONGEST_LABEL] * 4) + ".a", "ex\nample.com"]
    + ["ü" * 64 + ".example", "straße.example", "a\u200db.example"],
)
def test_malformed_domain_is_refused(given):
    with pytest.raises(ValueError, match=r"\w"):
        _address.domain(given)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        (" Alice.Smith@Example.com", "alice.smith@example.com"),
        ("o'hara+lists@example.com", "o'hara+lists@example.com"),
        ("info@bücher.example", "info@xn--bcher-kva.example"),
        ("a" * 64 + "@example.com", "a" * 64 + "@example.com"),
    ],
)
def test_address_has_one_spelling(given, stored):
    assert _address.address(given) == stored
    assert _address.address(stored) == stored


@pytest.mark.parametrize(
    "given",
    ["", "alice", "@example.com", "alice@", "a@b@example.com", "a..b@example.com", ".a@example.com", "a.@example.com"]
    + ["a b@example.com", '"a b"@example.com', "älice@example.com", "a" * 65 + "@example.com", "a\0@example.com", "a,b@example.com"]
    + ["a" * 64 + "@" + ".".join([LONGEST_LABEL] * 2 + ["a" * 62]), "<alice@example.com>"],
)
def test_malformed_address_is_refused(given):
    with pytest.raises(ValueError, match=r"\w"):
        _address.address(given)


def test_longest_address():
    domain = ".".join([LONGEST_LABEL] * 2 + ["a" * 61])
    assert len(_address.address("a" * 64 + "@" + domain)) == 254


def test_sub_address_is_no_account():
    with pytest.raises(ValueError, match="alice@example.com receives this mail already"):
        _address.account("alice+lists@example.com")


@pytest.mark.parametrize("given", ["a/b@example.com", "o'hara@example.com", "a!b@example.com"])
def test_account_is_a_name_that_dovecot_takes(given):
    with pytest.raises(ValueError, match="an account's name"):
        _address.account(given)


def test_whole_domain():
    assert _address.address_or_domain(" @Example.com") == "@example.com"
    assert _address.address_or_domain("A@example.com") == "a@example.com"


@pytest.mark.parametrize(
    ("given", "box"),
    [
        ("a+b@example.com", "a@example.com"),
        ("a+b+c@example.com", "a@example.com"),
        ("a@example.com", "a@example.com"),
        ("+b@example.com", "+b@example.com"),
    ],
)
def test_without_extension(given, box):
    assert _address.without_extension(given) == box
