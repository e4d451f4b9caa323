# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The criteria of internet.nl's mail test, one by one, in its order; docs/internet-nl.md lists them."""

import hashlib
import socket

import pytest
import wire
import world
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

VERSIONS = ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1", "tls_1_2", "tls_1_3"]


@pytest.fixture(scope="module")
def dig(neighbour):
    """What the name server answers, a line for each record."""

    def ask(name, record_type, *options):
        return neighbour("dns").host.check_output(f"dig +short {' '.join(options)} @localhost {name} {record_type}").splitlines()

    return ask


@pytest.fixture(scope="module")
def mx(machine, dig):
    (answer,) = dig(world.domain(machine), "MX")
    return answer.split()[1].rstrip(".")


@pytest.fixture(scope="module")
def port_25(scan):
    """What a scanner finds where other servers deliver."""
    return scan(wire.SMTP).scan_result


@pytest.fixture(scope="module")
def certificate(port_25):
    (deployment,) = port_25.certificate_info.result.certificate_deployments
    return deployment.received_certificate_chain[0]


def agreed_ciphers(port_25):
    """The cipher suites of each version that the server agrees to."""
    found = {version: getattr(port_25, f"{version}_cipher_suites").result.accepted_cipher_suites for version in VERSIONS}
    return {version: suites for version, suites in found.items() if suites}


# --- Modern address: IPv6


def test_mail_server_has_ipv6_addresses(dig, mx):
    assert dig(mx, "AAAA")


def test_mail_server_is_reachable_by_ipv6(dig, mx):
    with socket.create_connection((dig(mx, "AAAA")[0], 25), 30) as connection:
        assert connection.recv(3) == b"220"


# --- Signed domain names: DNSSEC


@pytest.mark.parametrize("record_type", ["MX", "A"], ids=["mail domain", "mail server"])
def test_names_are_signed_and_the_signatures_are_valid(machine, mx, record_type):
    name = world.domain(machine) if record_type == "MX" else mx
    assert machine.host.check_output("python3 -c %s %s %s", world.VERIFIED, name, record_type) == "True"


# --- Authentication marks against phishing: DMARC, DKIM, SPF


def test_dmarc_policy_is_strict_enough(machine, dig):
    (record,) = dig(f"_dmarc.{world.domain(machine)}", "TXT")
    assert record.startswith('"v=DMARC1;')
    assert "p=reject" in record or "p=quarantine" in record


def test_dkim_exists(machine, dig):
    # A domain with keys below this name answers that it exists and has nothing of its own.
    answer = "\n".join(dig(f"_domainkey.{world.domain(machine)}", "TXT", "+noshort", "+comments"))
    assert "status: NOERROR" in answer


def test_spf_policy_is_strict_enough(machine, dig):
    (record,) = [text for text in dig(world.domain(machine), "TXT") if "v=spf1" in text]
    assert record.rstrip('"').endswith(("-all", "~all"))


# --- Secure transport: STARTTLS


def test_starttls_is_available(port_25):
    assert agreed_ciphers(port_25)


def test_tls_versions(port_25):
    assert set(agreed_ciphers(port_25)) == {"tls_1_2", "tls_1_3"}


def test_ciphers_encrypt_and_authenticate_with_forward_secrecy(port_25):
    for suites in agreed_ciphers(port_25).values():
        for suite in suites:
            assert suite.ephemeral_key, suite.cipher_suite.name
            assert "GCM" in suite.cipher_suite.name or "CHACHA20" in suite.cipher_suite.name


def test_key_exchange_parameters(port_25):
    curves = {curve.name for curve in port_25.elliptic_curves.result.supported_curves}
    assert curves == {"X25519", "secp256r1", "secp384r1"}


def test_hash_function_for_key_exchange(machine, outside):
    command = "echo QUIT | openssl s_client -connect %s:25 -starttls smtp -tls1_2 -cipher ALL:@SECLEVEL=0 -sigalgs %s"
    assert outside.machine.run(command, machine.address, "ECDSA+SHA256").rc == 0
    assert outside.machine.run(command, machine.address, "ECDSA+SHA1").rc != 0


def test_tls_compression_is_off(port_25):
    assert not port_25.tls_compression.result.supports_compression


def test_renegotiation_is_secure(port_25):
    assert port_25.session_renegotiation.result.supports_secure_renegotiation


def test_clients_cannot_renegotiate(port_25):
    assert port_25.session_renegotiation.result.client_renegotiations_success_count == 0


def test_0_rtt_is_off(port_25):
    assert not port_25.tls_1_3_early_data.result.supports_early_data


def test_extended_master_secret_is_supported(port_25):
    assert port_25.tls_extended_master_secret.result.supports_ems_extension


# --- Secure transport: the certificate


def test_trust_chain_of_the_certificate(machine, port_25):
    (deployment,) = port_25.certificate_info.result.certificate_deployments
    assert [r for r in deployment.path_validation_results if r.trust_store.path == machine.ca_file][0].was_validation_successful


def test_public_key_of_the_certificate(certificate):
    assert isinstance(certificate.public_key().curve, ec.SECP256R1)


def test_signature_of_the_certificate(certificate):
    assert certificate.signature_hash_algorithm.name in ("sha256", "sha384", "sha512")


def test_domain_name_on_the_certificate(certificate, mx):
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert mx in names.get_values_for_type(x509.DNSName)


def test_caa_names_who_may_issue_certificates(dig, mx):
    assert any(record.split()[1] == "issue" for record in dig(mx, "CAA"))


# --- Secure transport: DANE


@pytest.fixture(scope="module")
def tlsa(dig, mx):
    return [record.lower().split(maxsplit=3) for record in dig(f"_25._tcp.{mx}", "TLSA")]


def test_dane_exists(machine, mx, tlsa):
    assert tlsa
    assert machine.host.check_output("python3 -c %s %s TLSA", world.VERIFIED, f"_25._tcp.{mx}") == "True"


def test_dane_is_valid(certificate, tlsa):
    public_key = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert {tuple(record[:3]) for record in tlsa} == {("3", "1", "1")}
    assert hashlib.sha256(public_key).hexdigest() in [record[3].replace(" ", "") for record in tlsa]
