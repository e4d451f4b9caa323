# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sslyze finds on a port that speaks TLS."""

import sslyze

START_TLS = {
    "smtp": sslyze.ProtocolWithOpportunisticTlsEnum.SMTP,
    "imap": sslyze.ProtocolWithOpportunisticTlsEnum.IMAP,
    "pop3": sslyze.ProtocolWithOpportunisticTlsEnum.POP3,
}
# Postfix takes fifty connections of a client at a time.
AT_ONCE = 10


def scan(machine, service):
    """Ask a port for everything."""
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
    (found,) = scanner.get_results()
    return found
