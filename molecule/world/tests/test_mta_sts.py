# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The MTA-STS policy of each domain, as other servers fetch it."""

import hashlib
import http.client
import socket
import ssl

import pytest
import world

POLICY = "/.well-known/mta-sts.txt"
DIRECTORY = "/var/lib/mailserver/mta-sts"


class Web:
    """The web server of a machine, by whatever name."""

    def __init__(self, machine, tmp_path_factory):
        self.machine = machine
        self.root = tmp_path_factory.mktemp(machine.name) / "root.pem"
        self.root.write_text(machine.host.check_output("cat /etc/ssl/pebble-root.pem"))

    def connect(self, name, version=None):
        """A connection whose certificate is good for the name."""
        context = ssl.create_default_context(cafile=self.root)
        if version:
            context.minimum_version = context.maximum_version = version
            context.set_ciphers("ALL:@SECLEVEL=0")
        connection = http.client.HTTPSConnection(name, timeout=20, context=context)
        connection.sock = context.wrap_socket(socket.create_connection((self.machine.address, 443), 20), server_hostname=name)
        return connection

    def ask(self, name, path=POLICY, method="GET", host=None):
        connection = self.connect(name)
        connection.request(method, path, headers={"Host": host or name})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer, text

    def has(self, name):
        try:
            return self.ask(name)[0].status == 200
        except (OSError, ssl.SSLError):
            return False


@pytest.fixture(scope="module")
def web(machine, tmp_path_factory):
    return Web(machine, tmp_path_factory)


@pytest.fixture(scope="module")
def point(machine, neighbour):
    """Lets mta-sts.DOMAIN lead to the machine, as its owner does."""
    server = neighbour("dns")

    def update(verb, domain):
        name = f"mta-sts.{domain}. {'60 ' if verb == 'add' else ''}CNAME"
        server.host.check_output("echo %s | nsupdate -l", f"update {verb} {name} {machine.hostname}.\nsend")

    domains = []
    yield lambda domain: domains.append(domain) or update("add", domain)
    for domain in domains:
        update("delete", domain)


@pytest.fixture(scope="module")
def name(machine, web, wait_for):
    """The name of the policy of the machine's domain."""
    name = f"mta-sts.{world.domain(machine)}"
    wait_for(lambda: machine.run("systemctl start mail-mta-sts").rc == 0 and web.has(name), 60, f"{name} is not served")
    return name


def test_the_policy_agrees_with_the_records(machine, web, name, neighbour):
    answer, policy = web.ask(name)
    assert (answer.status, answer.getheader("Content-Type")) == (200, "text/plain")
    assert policy == f"version: STSv1\r\nmode: testing\r\nmx: {machine.hostname}\r\nmax_age: 604800\r\n"

    def published(name, record_type):
        return neighbour("dns").host.check_output(f"dig +short @localhost {name} {record_type}")

    assert published(f"_mta-{name[4:]}", "TXT") == f'"v=STSv1; id={hashlib.sha256(policy.encode()).hexdigest()[:20]}"'
    assert published(world.domain(machine), "MX") == f"10 {machine.hostname}."
    assert published(name, "CNAME") == f"{machine.hostname}."


@pytest.mark.parametrize("path", ["/", "/.well-known/", "/.well-known/mta-sts.txt/", "/.well-known/../../servers.conf"])
def test_there_is_nothing_else(web, name, path):
    answer, text = web.ask(name, path)
    assert answer.status in (400, 404)
    assert "STSv1" not in text
    assert answer.getheader("Server") == "nginx"


def test_it_can_only_be_read(web, name):
    assert web.ask(name, method="POST")[0].status in (403, 405)


def test_another_name_has_no_policy(machine, web, name):
    with pytest.raises(ssl.SSLError):
        web.ask(machine.hostname)
    assert web.ask(name, host="mta-sts.unknown.test")[0].status == 404


def test_old_tls_is_refused(web, name):
    with pytest.raises((ssl.SSLError, OSError)):
        web.connect(name, ssl.TLSVersion.TLSv1_1)
    web.connect(name, ssl.TLSVersion.TLSv1_2).close()


def test_who_asked_is_not_written_down(machine, web, name):
    web.ask(name)
    web.ask(name, "/secret")
    assert machine.run("grep -rF %s /var/log/nginx", machine.variables["tests_address"]).stdout == ""


def test_port_80_is_left_to_certbot(machine, name):
    assert machine.host.check_output("ss --listening --tcp --no-header --numeric 'sport = 80'") == ""


@pytest.fixture
def new_domains(machine):
    """Two that appear in the directory, of which DNS knows neither yet."""
    names = [f"{name}.{world.domain(machine)}" for name in ("branch", "lost")]
    sql = "runuser -u postgres -- psql -qv ON_ERROR_STOP=1 mailserver -c %s"
    yield lambda: [machine.host.check_output(sql, f"INSERT INTO virtual_domains (name) VALUES ('{name}')") for name in names]
    machine.host.check_output(sql, f"DELETE FROM virtual_domains WHERE name LIKE '%.{world.domain(machine)}'")


def test_a_new_domain_gets_its_policy_without_a_run(machine, web, name, point, new_domains, wait_for, play):
    branch, lost = (f"mta-sts.{each}.{world.domain(machine)}" for each in ("branch", "lost"))
    point(branch.removeprefix("mta-sts."))
    new_domains()
    wait_for(lambda: web.has(branch), 90, "the new domain has no policy")
    assert web.has(name)
    wait_for(lambda: machine.host.file(f"{DIRECTORY}/unserved.txt").content_string == f"{lost}\n", 20)
    assert f"MTA-STS policies: 1 not served: {lost}" in play("check").output


def test_what_a_killed_certbot_leaves_is_in_nobodys_way(machine, web, name):
    machine.host.check_output(f": > {DIRECTORY}/certbot/renewal/{name}.conf")
    machine.host.check_output("systemctl start mail-mta-sts")
    assert web.has(name)


def test_keys_are_private(machine, name):
    key = f"{DIRECTORY}/certbot/live/{name}/privkey.pem"
    assert machine.host.file(f"{DIRECTORY}/certbot/archive").mode == 0o700
    assert machine.run("setpriv --reuid=www-data --regid=www-data --clear-groups cat %s", key).rc != 0
