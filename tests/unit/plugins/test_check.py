# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What check.yml says of password hashes and DNS records: of a real database and a real name server, while the parts of the mail
server are left out."""

from __future__ import annotations

import re

import psycopg
import pytest

NOT_ASKED = {
    "__check_services": [],
    "__check_ports": [],
    "__check_lookups": [],
    "__check_nameservers": {"stdout_lines": ["127.0.0.1"]},
    "__check_queue": {"rc": 0, "stdout_lines": []},
}
OK, SLOW, WEAK = "{BLF-CRYPT}$2y$10$secret", "{BLF-CRYPT}$2y$12$secret", "{SSHA}secret"
PUBLISHED = '''
mail A 192.0.2.10
mail TXT "v=spf1 a -all"
@ MX 10 mail
@ TXT "v=spf1 mx -all"
_dmarc TXT "v=DMARC1; p=reject"
'''


@pytest.fixture
def check(own_server, new_name_server, play):
    """Runs check.yml on this machine, and returns its exit code and what it printed."""

    def run(host=own_server["login_unix_socket"], published=PUBLISHED, **extra):
        reverse = {"2.0.192.in-addr.arpa": "10 PTR mail.example.com.\n"}
        with new_name_server({"example.com": published, **reverse}) as server:
            dns = {
                "mail_dns_resolvers": ["127.0.0.1"],
                "mail_dns_resolver_port": server.port,
                "mail_dns_addresses": ["192.0.2.10"],
                "mail_dns_services": [],
            }
            return play("check", mail_database_host=host, **NOT_ASKED, **{**dns, **extra})

    return run


@pytest.fixture
def add_users(own_server):
    """Adds users with this hash."""
    options = {"host": own_server["login_unix_socket"], "user": own_server["login_user"], "dbname": own_server["login_db"]}
    with psycopg.connect(**options, autocommit=True) as connection:
        connection.execute("INSERT INTO virtual_domains (id, name) VALUES (1, 'example.com')")

        def add(number, stored):
            insert = "INSERT INTO virtual_users (domain_id, email, password) SELECT 1, md5(random()::text) || '@example.com', %s"
            connection.execute(f"{insert} FROM generate_series(1, %s)", (stored, number))

        yield add


def line_of(printed, subject="password hashes"):
    return re.search(rf"\b(ok|hint|FAULT) +{subject}: ([^\"\n]*)", printed).groups()


def test_slow_and_weak_hashes_are_a_hint(check, add_users):
    add_users(4, OK)
    code, printed = check()
    assert (code, line_of(printed)) == (0, ("ok", "none is slow or weak")), printed

    add_users(3, SLOW)
    add_users(2, WEAK)
    code, printed = check()
    words = "3 users have slow ones, 2 have weak ones: see password_schemes of virtual_directory_info"
    assert (code, line_of(printed)) == (0, ("hint", words)), printed
    assert "changed=0" in printed and "secret" not in printed


def test_a_database_that_does_not_answer_is_a_hint(check, tmp_path):
    """The lines of services and lookups say that it is down."""
    code, printed = check(host=str(tmp_path))
    word, words = line_of(printed)
    assert (code, word) == (0, "hint"), printed
    assert words.startswith("not read: Cannot connect to database mailserver")


@pytest.mark.usefixtures("add_users")
def test_records_that_are_not_published_are_a_hint(check):
    code, printed = check()
    assert (code, line_of(printed, "DNS records")) == (0, ("ok", "as they ought to be")), printed

    code, printed = check(published=PUBLISHED.replace("@ MX 10 mail", "").replace("p=reject", "p=none"))
    words = "2 missing or different, 0 without an answer: example.com MX, _dmarc.example.com TXT; the playbook dns tells more"
    assert (code, line_of(printed, "DNS records")) == (0, ("hint", words)), printed


def test_a_resolver_that_does_not_answer_is_a_hint(check):
    code, printed = check(mail_dns_resolver_port=1)
    word, words = line_of(printed, "DNS records")
    assert (code, word) == (0, "hint"), printed
    assert words.startswith("not asked for: No answer about mail.example.com from 127.0.0.1: check that a resolver is there")
