# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate that the site brings in files of its own: served by both daemons, and nothing worse in its place."""

import pytest
import wire

LINKS = "readlink -e /etc/ssl/mailserver/fullchain.pem /etc/ssl/mailserver/privkey.pem"
OTHER_KEY = "/etc/ssl/site/other.key"


@pytest.fixture(autouse=True)
def _files(machine):
    if machine.variables.get("mail_certificate") != "files":
        pytest.skip("this machine has a certificate of its own")


@pytest.fixture
def other_key(machine):
    machine.host.check_output(f"umask 077; openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out {OTHER_KEY}")
    yield OTHER_KEY
    machine.host.check_output(f"rm {OTHER_KEY}")


def served(machine):
    """The authority behind the certificate that each daemon serves; the certificate fits the machine's name."""
    issuers = []
    for service in (wire.SMTP, wire.IMAPS):
        with wire.secured(machine, service) as client:
            issuers += [name for ((dummy, name),) in client.socket.getpeercert()["issuer"]]
    return issuers


def test_both_daemons_serve_it(machine):
    assert served(machine) == ["Authority of the site"] * 2
    files = [machine.variables["certbot_files_certificate"], machine.variables["certbot_files_key"]]
    assert machine.host.check_output(LINKS).split() == files


def test_a_key_that_does_not_fit_is_refused(machine, play, other_key):
    before = machine.host.check_output(LINKS)
    run = play("site", "--tags", "certbot", certbot_files_key=other_key)
    assert run.code != 0
    assert f"{other_key} is not the key of the certificate in" in run.output
    assert machine.host.check_output(LINKS) == before
    machine.host.check_output("/usr/local/libexec/mail-certificate-reload")
    assert served(machine) == ["Authority of the site"] * 2
