# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scanner finds on each port that speaks TLS."""

import pytest
import sslyze
import wire
from sslyze.mozilla_tls_profile import tls_config_checker as mozilla

# ManageSieve is none of the protocols that it knows.
EVERY_PORT = pytest.mark.parametrize("service", [service for service in wire.ALL if service is not wire.SIEVE], ids=str)
START_TLS = {
    "smtp": sslyze.ProtocolWithOpportunisticTlsEnum.SMTP,
    "imap": sslyze.ProtocolWithOpportunisticTlsEnum.IMAP,
    "pop3": sslyze.ProtocolWithOpportunisticTlsEnum.POP3,
}
# Postfix takes fifty connections of a client at a time.
AT_ONCE = 10


@pytest.fixture(scope="module")
def scan(machine):
    """Ask a port for everything, once."""
    found = {}

    def result(service):
        if service not in found:
            request = sslyze.ServerScanRequest(
                server_location=sslyze.ServerNetworkLocation(machine.hostname, service.port, machine.address),
                network_configuration=sslyze.ServerNetworkConfiguration(
                    tls_server_name_indication=machine.hostname,
                    tls_opportunistic_encryption=None if service.implicit_tls else START_TLS[service.protocol],
                    network_timeout=30,
                ),
                scan_commands_extra_arguments=sslyze.ScanCommandsExtraArguments(
                    certificate_info=sslyze.CertificateInfoExtraArgument(custom_ca_file=machine.ca_file)
                ),
            )
            scanner = sslyze.Scanner(per_server_concurrent_connections_limit=AT_ONCE)
            scanner.queue_scans([request])
            (found[service],) = scanner.get_results()
        return found[service]

    return result


@EVERY_PORT
def test_mozillas_intermediate_profile_holds(scan, service):
    profile = mozilla.MozillaTlsConfiguration.get(mozilla.TlsConfigurationEnum.MOZILLA_INTERMEDIATE)
    mozilla.check_server_against_tls_configuration(scan(service), profile)


@EVERY_PORT
def test_nothing_can_be_sent_twice_before_the_handshake_ends(scan, service):
    assert not scan(service).scan_result.tls_1_3_early_data.result.supports_early_data


@EVERY_PORT
def test_a_session_belongs_to_its_handshake(scan, service):
    assert scan(service).scan_result.tls_extended_master_secret.result.supports_ems_extension


@EVERY_PORT
def test_a_client_cannot_ask_for_handshake_after_handshake(scan, service):
    renegotiation = scan(service).scan_result.session_renegotiation.result
    assert renegotiation.supports_secure_renegotiation
    assert not renegotiation.is_vulnerable_to_client_renegotiation_dos


@EVERY_PORT
def test_the_chain_of_the_certificate_is_complete(machine, scan, service):
    (deployment,) = scan(service).scan_result.certificate_info.result.certificate_deployments
    (ours,) = [result for result in deployment.path_validation_results if result.trust_store.path == machine.ca_file]
    assert ours.was_validation_successful, ours.validation_error
