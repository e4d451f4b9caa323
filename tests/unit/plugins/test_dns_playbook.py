# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""dns.yml with a real database and a real name server."""

from __future__ import annotations

import psycopg
import pytest


@pytest.fixture
def dns(own_server, play):
    """Runs dns.yml for a directory with the domain example.com."""
    options = {"host": own_server["login_unix_socket"], "user": own_server["login_user"], "dbname": own_server["login_db"]}
    with psycopg.connect(**options, autocommit=True) as connection:
        connection.execute("INSERT INTO virtual_domains (name) VALUES ('example.com')")

    def run(server, *arguments, **extra):
        return play("dns", *arguments, **{
            "mail_database_host": own_server["login_unix_socket"],
            "mail_dns_addresses": ["192.0.2.10"],
            "mail_dns_resolvers": ["127.0.0.1"],
            "mail_dns_resolver_port": server.port,
            **extra,
        })

    return run


def key_of(server):
    return {"mail_dns_server": "127.0.0.1", "mail_dns_port": server.port, "mail_dns_tsig_name": "mail", "mail_dns_tsig_secret": server.secret}


def test_records_are_published(dns, new_name_server):
    with new_name_server({"example.com": '_dmarc TXT "v=DMARC1; p=none"\n'}, recursion=False) as server:
        code, predicted = dns(server, "--check", "--diff", **key_of(server))
        assert code == 0 and "changed=1" in predicted, predicted
        assert '+example.com. 3600 IN MX 10 mail.example.com.' in predicted
        assert server.ask("example.com", "MX") == []

        code, printed = dns(server, "-vvv", **key_of(server))
        assert code == 0 and "changed=1" in printed, printed
        assert server.ask("example.com", "MX") == ["10 mail.example.com."]
        assert server.ask("_imaps._tcp.example.com", "SRV") == ["0 1 993 mail.example.com."]
        assert "_dmarc.example.com has the TXT record v=DMARC1; p=none instead of v=DMARC1; p=quarantine;" in printed
        assert server.secret not in predicted + printed

        code, printed = dns(server, mail_dns_overwrite=["dmarc"], **key_of(server))
        assert code == 0 and "changed=1" in printed, printed
        assert server.ask("_dmarc.example.com", "TXT") == ['"v=DMARC1; p=quarantine; rua=mailto:postmaster@example.com"']

        code, printed = dns(server, **key_of(server))
        assert code == 0 and "changed=0" in printed, printed


def test_without_a_name_server_they_are_shown(dns, new_name_server):
    with new_name_server({"example.com": "@ MX 10 mail\n"}) as server:
        code, printed = dns(server)
        assert code == 0 and "changed=0" in printed, printed
        assert "example.com. 3600 IN MX 10 mail.example.com." in printed
        assert "_dmarc.example.com has no TXT record v=DMARC1; p=quarantine;" in printed
        assert "example.com has no MX record" not in printed


def test_a_name_server_needs_a_key(dns, new_name_server):
    with new_name_server({"example.com": ""}) as server:
        code, printed = dns(server, mail_dns_server="127.0.0.1", mail_dns_tsig_name="mail")
        assert code != 0
        assert "mail_dns_server 127.0.0.1 needs a key: set mail_dns_tsig_name and mail_dns_tsig_secret." in printed
