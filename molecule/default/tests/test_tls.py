# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What TLS each port agrees to, asked by a client that itself agrees to anything."""

import contextlib
import socket
import ssl
import threading
import warnings

import pytest
import wire

EVERY_PORT = pytest.mark.parametrize("service", wire.ALL, ids=str)
OLD = {"TLS 1.0": ssl.TLSVersion.TLSv1, "TLS 1.1": ssl.TLSVersion.TLSv1_1}


def careless(version=ssl.TLSVersion.TLSv1_2, ciphers="ALL:COMPLEMENTOFALL"):
    """A client that speaks only this version and these ciphers, and trusts everybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    return context


def agreed(machine, service, context):
    """Protocol and cipher that both sides agreed on, or None."""
    try:
        with wire.secured(machine, service, context) as client:
            return client.socket.version(), client.socket.cipher()[0]
    except (ssl.SSLError, ConnectionError):
        return None


@EVERY_PORT
def test_the_certificate_is_for_the_name_of_the_machine(machine, service):
    with wire.secured(machine, service) as client:
        assert client.socket.version() == "TLSv1.3"


@EVERY_PORT
def test_the_certificate_is_not_for_any_other_name(machine, service):
    context = wire.verifying(machine)
    context.name = "mail.elsewhere.test"
    with pytest.raises(ssl.SSLCertVerificationError):
        wire.secured(machine, service, context)


@EVERY_PORT
def test_tls_1_2_is_spoken_with_an_ecdsa_certificate(machine, service):
    version, cipher = agreed(machine, service, careless())
    assert version == "TLSv1.2"
    assert "ECDHE-ECDSA" in cipher


@EVERY_PORT
@pytest.mark.parametrize("version", OLD)
def test_old_tls_is_refused(machine, service, version):
    assert agreed(machine, service, careless(OLD[version])) is None


@EVERY_PORT
@pytest.mark.parametrize("ciphers", ["aNULL", "eNULL", "kRSA", "RC4:3DES:SEED:IDEA:CAMELLIA"])
def test_bad_ciphers_are_refused(machine, service, ciphers):
    try:
        context = careless(ciphers=ciphers)
    except ssl.SSLError:
        pytest.skip(f"the OpenSSL of this host has no {ciphers} to offer")
    assert agreed(machine, service, context) is None


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("offer", [*OLD, "aNULL"])
def test_this_host_could_have_got_what_is_refused(offer):
    """Without this, a client whose OpenSSL can't speak old TLS would prove nothing."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.set_ciphers("aNULL:@SECLEVEL=0")
    server.minimum_version = ssl.TLSVersion.TLSv1
    client = careless(OLD.get(offer, ssl.TLSVersion.TLSv1_2), "aNULL")
    ours, theirs = socket.socketpair()

    def serve():
        with contextlib.suppress(OSError):
            server.wrap_socket(theirs, server_side=True).recv(1)

    threading.Thread(target=serve, daemon=True).start()
    with client.wrap_socket(ours, server_hostname="anonymous.test") as connection:
        assert connection.version() == {"TLS 1.0": "TLSv1", "TLS 1.1": "TLSv1.1"}.get(offer, "TLSv1.2")
