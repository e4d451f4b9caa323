# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificate of an ACME server: used by both daemons, renewed by its timer's service with its key, and nobody hung up on."""

import contextlib
import imaplib
import smtplib
import socket
import ssl
import time

import pytest
import wire
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa

USER = "alice@example.test"
KINDS = {"ECDSA": ec.EllipticCurvePublicKey, "RSA": rsa.RSAPublicKey}
PORTS = {"smtp": 25, "submissions": 465, "imaps": 993}


@pytest.fixture(scope="session")
def trust(machine, tmp_path_factory):
    """Trusts the root of the ACME server's authority, and nothing else."""
    root = tmp_path_factory.mktemp(machine.name) / "root.pem"
    root.write_text(machine.run("cat /etc/ssl/pebble-root.pem").stdout)
    return ssl.create_default_context(cafile=root)


def served(machine, trust, port):
    """The certificate that the port serves, once it has been verified."""
    with contextlib.ExitStack() as connections:
        plain = connections.enter_context(socket.create_connection((machine.address, port), 20))
        if port == 25:
            smtp = connections.enter_context(smtplib.SMTP())
            smtp.sock = plain
            smtp.getreply()
            smtp.ehlo("client.test")
            smtp.docmd("STARTTLS")
        return connections.enter_context(trust.wrap_socket(plain, server_hostname=machine.hostname)).getpeercert()


def serials(machine, trust):
    return {name: served(machine, trust, port)["serialNumber"] for name, port in PORTS.items()}


def main_processes(machine):
    return machine.run("cat /var/spool/postfix/pid/master.pid; systemctl show --property MainPID --value dovecot").stdout


def key(machine):
    """The public half of the key in use on port 25."""
    return machine.host.check_output("openssl pkey -pubout -in /etc/ssl/mailserver/mx.pem")


@contextlib.contextmanager
def certificate_due(machine, name):
    """Lets certbot find that the certificate of this name ends soon."""
    settings = f"/etc/letsencrypt/renewal/{name}.conf"
    machine.run("sed -i '1i renew_before_expiry = 36500 days' %s", settings)
    try:
        yield
    finally:
        machine.run("sed -i '/^renew_before_expiry/d' %s", settings)


class MailClient(imaplib.IMAP4_SSL):
    """Verifies the certificate against the machine's name, though the connection goes to its address."""

    def __init__(self, machine, trust):
        self.machine = machine
        super().__init__(machine.address, ssl_context=trust)

    def _create_socket(self, timeout):
        plain = socket.create_connection((self.host, self.port), 20)
        return self.ssl_context.wrap_socket(plain, server_hostname=self.machine.hostname)


@pytest.mark.parametrize("service", PORTS)
def test_daemon_serves_the_certificate_of_the_authority(machine, trust, service):
    certificate = served(machine, trust, PORTS[service])
    issuer = dict(pair for part in certificate["issuer"] for pair in part)
    assert "Pebble" in issuer["commonName"]
    assert {name for dummy, name in certificate["subjectAltName"]} == {
        machine.hostname,
        *machine.variables["certbot_extra_names"],
    }


def test_key_is_elliptic_and_private(machine):
    text = machine.run("openssl x509 -noout -text -in /etc/ssl/mailserver/fullchain.pem").stdout
    assert "prime256v1" in text
    assert machine.run("runuser -u nobody -- cat /etc/ssl/mailserver/privkey.pem").rc != 0


def test_timer_of_renewals_runs(machine):
    timer = machine.host.service("certbot.timer")
    assert timer.is_running
    assert timer.is_enabled


def test_renewal_reaches_both_daemons_and_disturbs_nobody(machine, trust, wait_for):
    before, old_key, processes = serials(machine, trust), key(machine), main_processes(machine)
    client = MailClient(machine, trust)
    client.login(USER, machine.passwords[USER])
    client.select("INBOX")

    with certificate_due(machine, machine.hostname):
        renewal = machine.run("systemctl start certbot.service")
    assert renewal.rc == 0, machine.run("journalctl --unit certbot.service").stdout

    wait_for(
        lambda: all(serial != before[name] for name, serial in serials(machine, trust).items()),
        message="a daemon goes on serving the old certificate",
    )
    assert len(set(serials(machine, trust).values())) == 1
    assert key(machine) == old_key
    assert client.noop()[0] == "OK"
    assert client.select("INBOX")[0] == "OK"
    client.logout()
    assert main_processes(machine) == processes


def test_a_new_key_is_used_everywhere_as_no_record_tells_of_the_old_one(machine, trust, wait_for):
    before, old_key = serials(machine, trust), key(machine)
    renew = f"certbot renew --cert-name {machine.hostname} --force-renewal --new-key --no-random-sleep-on-renew"
    machine.host.check_output(f"REQUESTS_CA_BUNDLE={machine.variables['certbot_ca_bundle']} {renew}")
    wait_for(lambda: not set(serials(machine, trust).values()) & set(before.values()), message="a daemon has the old certificate")
    assert key(machine) != old_key
    assert "reuse_key = True" in machine.host.file(f"/etc/letsencrypt/renewal/{machine.hostname}.conf").content_string


def test_nothing_is_renewed_before_its_time(machine, trust):
    before = serials(machine, trust)
    assert machine.run("systemctl start certbot.service").rc == 0
    time.sleep(2)
    assert serials(machine, trust) == before


def knowing(machine, kind):
    """A client that knows certificates of this kind only."""
    context = wire.verifying(machine)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(f"ECDHE-{kind}-AES128-GCM-SHA256")
    return context


def served_to(machine, kind, service):
    """The certificate that a client gets which knows this kind only."""
    with wire.secured(machine, service, knowing(machine, kind)) as client:
        return x509.load_der_x509_certificate(client.socket.getpeercert(binary_form=True))


def talk_early(machine, kind):
    """TLS with port 25 for who is never let in, as it does not wait for the greeting to end."""
    with socket.create_connection((machine.address, 25), 30) as plain:
        plain.sendall(b"EHLO client.test\r\n")
        answers = plain.makefile("rb")
        assert any(line.startswith(b"250 ") for line in answers)
        plain.sendall(b"STARTTLS\r\n")
        assert answers.readline().startswith(b"220 ")
        knowing(machine, kind).wrap_socket(plain).close()


@pytest.mark.parametrize("service", wire.ALL, ids=str)
@pytest.mark.parametrize("kind", KINDS)
def test_a_client_gets_the_certificate_whose_kind_it_knows(machine, kind, service):
    assert isinstance(served_to(machine, kind, service).public_key(), KINDS[kind])


@pytest.fixture
def rsa_waits(machine):
    """Port 25 has the ECDSA key alone, and knows nobody."""
    machine.host.check_output("systemctl stop mail-mx-certificate.timer")
    machine.host.check_output("rm --force /var/lib/postfix/postscreen_cache.* && postfix reload")
    machine.host.check_output("python3 /usr/local/libexec/mail-mx-certificate /etc/ssl/mailserver %s", machine.hostname)
    yield
    machine.host.check_output("systemctl start mail-mx-certificate.timer mail-mx-certificate.service")


def test_a_key_that_waits_is_shown_to_nobody_on_port_25(machine, rsa_waits):
    talk_early(machine, "ECDSA")
    for talk in (lambda: talk_early(machine, "RSA"), lambda: served_to(machine, "RSA", wire.SMTP)):
        with pytest.raises(ssl.SSLError):
            talk()
    assert served_to(machine, "RSA", wire.SUBMISSION)


def test_the_operator_is_told_when_the_rsa_certificate_ends(play):
    report = " ".join(play("check").output.split())
    for port in ("465 submissions", "993 imaps"):
        assert f"ok port {port} with RSA: certificate expires" in report


def test_the_rsa_certificate_is_renewed_with_its_key(machine, wait_for):
    before = served_to(machine, "RSA", wire.SMTP)
    with certificate_due(machine, f"{machine.hostname}-rsa"):
        machine.host.check_output("systemctl start certbot.service")
    for service in (wire.SMTP, wire.IMAPS):
        wait_for(lambda service=service: served_to(machine, "RSA", service).serial_number != before.serial_number)
    assert served_to(machine, "RSA", wire.SMTP).public_key() == before.public_key()


def test_rsa_comes_and_goes(machine, play):
    tags = ("--tags", "certbot,postfix,dovecot")
    assert play("site", *tags, mail_certificate_rsa=False).code == 0
    try:
        for service in wire.ALL:
            assert served_to(machine, "ECDSA", service)
            with pytest.raises(ssl.SSLError):
                served_to(machine, "RSA", service)
    finally:
        assert play("site", *tags).code == 0
    for service in wire.ALL:
        assert served_to(machine, "RSA", service)
