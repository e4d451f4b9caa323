# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scanner finds on each port that speaks TLS."""

import pytest
import wire
from sslyze.mozilla_tls_profile import tls_config_checker as mozilla

# ManageSieve is none of the protocols that it knows.
EVERY_PORT = pytest.mark.parametrize("service", [service for service in wire.ALL if service is not wire.SIEVE], ids=str)


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
