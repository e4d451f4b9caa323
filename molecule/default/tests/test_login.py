# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who gets in, on every port that asks for a password."""

import pytest
import wire

BEFORE_TLS = [service for service in wire.LOGIN if not service.implicit_tls]


@pytest.mark.parametrize("service", wire.LOGIN, ids=str)
@pytest.mark.parametrize("user", ["alice@example.test", "bob@example.test", "carol@other.test"])
def test_the_right_password_lets_in_whatever_its_hash(machine, service, user):
    assert wire.let_in(wire.login(machine, service, user, machine.passwords[user]))


@pytest.mark.parametrize("service", wire.LOGIN, ids=str)
def test_a_wrong_password_does_not(machine, service):
    assert not wire.let_in(wire.login(machine, service, "alice@example.test", "not-her-password"))


@pytest.mark.parametrize("service", wire.LOGIN, ids=str)
@pytest.mark.parametrize("user", ["asleep@example.test", "eve@dormant.test"], ids=["user", "domain"])
def test_who_is_inactive_stays_outside(machine, service, user):
    assert not wire.let_in(wire.login(machine, service, user, machine.passwords[user]))


def test_the_login_name_may_be_in_capitals(machine):
    password = machine.passwords["alice@example.test"]
    assert wire.let_in(wire.login(machine, wire.IMAPS, "Alice@Example.TEST", password))


def test_an_address_with_an_extension_is_no_account(machine):
    password = machine.passwords["alice@example.test"]
    assert not wire.let_in(wire.login(machine, wire.IMAPS, "alice+lists@example.test", password))


@pytest.mark.parametrize("service", BEFORE_TLS, ids=str)
def test_no_password_is_taken_before_tls(machine, service):
    with wire.Wire(machine, service) as client:
        answer = client.login("alice@example.test", machine.passwords["alice@example.test"])
    assert answer and not wire.let_in(answer)


def test_imap_says_beforehand_that_it_takes_no_password_before_tls(machine):
    with wire.Wire(machine, wire.IMAP) as client:
        assert "LOGINDISABLED" in client.ask("a CAPABILITY")


def test_port_25_is_not_for_logins(machine):
    with wire.secured(machine, wire.SMTP) as client:
        assert "AUTH" not in client.ask("EHLO client.test")
        answer = client.login("alice@example.test", machine.passwords["alice@example.test"])
    assert wire.code_of(answer) >= 500


def test_submission_offers_no_login_before_tls(machine):
    with wire.Wire(machine, wire.SUBMISSION) as client:
        assert "AUTH" not in client.ask("EHLO client.test")
