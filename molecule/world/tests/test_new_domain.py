# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A domain gets its keys when it appears, however it does."""

import pytest

DKIM = "/var/lib/mailserver/dkim"


def sql(machine, statement):
    machine.host.check_output("runuser -u postgres -- psql -qv ON_ERROR_STOP=1 mailserver -c %s", statement)


@pytest.fixture
def domain(machine):
    name = "new.test"
    sql(machine, f"INSERT INTO virtual_domains (name) VALUES ('{name}')")
    yield name
    sql(machine, f"DELETE FROM virtual_domains WHERE name = '{name}'")
    machine.host.check_output(f"rm -r {DKIM}/{name}")


def test_a_new_domain_gets_keys_by_itself(machine, wait_for, domain):
    for selector, kind in (("rsa-1", "rsa"), ("ed25519-1", "ed25519")):
        key, record = (machine.host.file(f"{DKIM}/{domain}/{selector}.{kind}") for kind in ("key", "txt"))
        wait_for(lambda key=key: key.exists, message=f"there is no key {selector}")
        assert (key.user, key.group, key.mode) == ("root", "_rspamd", 0o640)
        assert (record.mode, record.content_string.count("\n")) == (0o644, 1)
        assert record.content_string.startswith(f"v=DKIM1; k={kind}; p=")


def test_keys_stay_what_they_are(machine, wait_for, domain):
    wait_for(lambda: machine.host.file(f"{DKIM}/{domain}/ed25519-1.key").exists)
    before = machine.host.check_output(f"sha256sum {DKIM}/*/*")
    machine.host.check_output("systemctl start mail-dkim-keys")
    assert machine.host.check_output(f"sha256sum {DKIM}/*/*") == before
