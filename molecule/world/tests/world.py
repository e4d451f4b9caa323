# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Mail between our servers and the rest of the world, and what other programs think of it."""

import contextlib
import email
import email.utils
import json
import smtplib
import uuid

import mail
import wire

FRIEND = "friend@outside.test"
REDIS_SOCKET = "/run/redis-rspamd/redis-server.sock"

# Spam for sure
GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"

# How it begins and how it ends
NO_WAY_TO_DNS = ("ip route add blackhole 198.18.5.53", "ip route del blackhole 198.18.5.53")

# Whether a machine's own resolver has verified the records of a name and a type
VERIFIED = """
import sys, dns.flags, dns.resolver
resolver = dns.resolver.Resolver()
resolver.use_edns(0, dns.flags.DO, 1232)
print(bool(resolver.resolve(*sys.argv[1:]).response.flags & dns.flags.AD))
"""

# dkimpy's opinion of messages, a line for each: of each of its signatures, and of its ARC chain
VERIFY = """
import json, sys, dkim
for file in sys.argv[1:]:
    with open(file, "rb") as stream:
        message = stream.read()
    headers = [(name.lower(), value.strip().decode()) for name, value in dkim.rfc822_parse(message)[0]]
    signatures = {}
    for index in range(sum(name == b"dkim-signature" for name, value in headers)):
        verifier = dkim.DKIM(message)
        try:
            good = verifier.verify(idx=index)
        except dkim.DKIMException as exc:
            good = str(exc)
        signatures[verifier.signature_fields[b"s"].decode() + "@" + verifier.signature_fields[b"d"].decode()] = good
    chain, seals, reason = dkim.arc_verify(message)
    verdict = {"signatures": signatures, "chain": (chain or b"none").decode(), "seals": len(seals or []), "reason": reason}
    print(json.dumps({"id": dict(headers)[b"message-id"], **verdict}))
"""


def address(machine, name):
    """The address of this name on a server of ours."""
    return f"{name}@{domain(machine)}"


def domain(machine):
    return machine.variables["mail_domains"][0]["name"]


def said(run):
    """What a playbook said, on one line: long ones are broken anywhere."""
    return " ".join(run.output.split())


def selectors(machine, state):
    """Those of the domain's DKIM keys that are in this state."""
    table = machine.host.file(f"/var/lib/mailserver/dkim/{domain(machine)}/selectors").content_string
    return {line.split()[0] for line in table.splitlines() if line.split()[2] == state}


def forget_who_waited(machine):
    """Whoever connects to port 25 has to wait for the greeting, as the first time."""
    machine.host.check_output("rm --force /var/lib/postfix/postscreen_cache.* && postfix reload")


def compose(sender, recipient, subject="A test", body="Hello."):
    """A message that only this run of this test knows, and the ID to find it by."""
    message_id = f"<{uuid.uuid4()}@client.elsewhere.test>"
    lines = [
        f"From: {sender}",
        f"To: {recipient}",
        f"Subject: {subject}",
        f"Date: {email.utils.formatdate()}",
        f"Message-ID: {message_id}",
        "MIME-Version: 1.0",
        "Content-Type: text/plain; charset=us-ascii",
        "",
        body,
        "",
    ]
    return message_id, "\r\n".join(lines).encode()


def arrive(machine, sender, recipient, **parts):
    """Hand a message to a server of ours from the address of the tests; returns its ID."""
    message_id, data = compose(sender, recipient, **parts)
    mail.deliver(machine, recipient, data=data, sender=sender)
    return message_id


def submit(machine, user, recipient, sender=None, author=None):
    """Send as a user of ours does; returns the ID of the message."""
    message_id, data = compose(author or sender or user, recipient)
    with mail.smtp(machine, wire.SUBMISSION, user) as client:
        client.sendmail(sender or user, [recipient], data)
    return message_id


def answer(send, *arguments, **options):
    """The answer by which mail was refused; (250, "") when it was not."""
    try:
        send(*arguments, **options)
    except smtplib.SMTPResponseException as exc:
        return exc.smtp_code, exc.smtp_error.decode()
    return 250, ""


@contextlib.contextmanager
def out_of_order(machine, wait_for, begin, end):
    """Something is broken by one command and mended by another. Whoever comes afterwards finds the filter at work."""
    machine.host.check_output(begin)
    try:
        yield
    finally:
        machine.host.check_output(end)
        ping = "rspamc --connect /run/rspamd/controller.sock stat"
        wait_for(lambda: machine.run(ping).rc == 0, 60, "the filter does not come back")


class Outside:
    """The mail server that is not ours."""

    def __init__(self, machine):
        self.machine = machine

    def send(self, sender, recipient, **parts):
        """Leave a message with it, which it brings to the recipient, now or later; returns the ID."""
        message_id, data = compose(sender, recipient, **parts)
        with smtplib.SMTP(self.machine.address, 25, "client.elsewhere.test", timeout=60) as client:
            client.sendmail(sender, [recipient], data)
        return message_id

    def files(self, message_id):
        """What it has kept with this ID."""
        return self.machine.run("grep -rlF %s /var/mail/kept/new", message_id).stdout.splitlines()

    def wait_for_message(self, wait_for, message_id, timeout=20):
        """The file of a message that it has got."""
        found = wait_for(lambda: self.files(message_id), timeout, f"{message_id} has not arrived outside")
        assert len(found) == 1, f"{message_id} arrived {len(found)} times"
        return found[0]

    def verify(self, file):
        return json.loads(self.machine.host.check_output("python3 -c %s %s", VERIFY, file))

    def verify_all(self, text):
        """The verdicts on all messages with this text."""
        command = "grep -rlF %s /var/mail/kept/new | xargs --no-run-if-empty python3 -c %s"
        return [json.loads(line) for line in self.machine.host.check_output(command, text, VERIFY).splitlines()]

    def headers(self, file, name):
        """The values of all headers of this name, each on one line."""
        text = self.machine.host.check_output("sed -e '/^$/q' %s", file)
        return [value for each, value in email.message_from_string(text).items() if each.lower() == name.lower()]


class NameServer:
    """The DNS server of this world."""

    def __init__(self, machine):
        self.machine = machine

    def ask(self, name, kind):
        """The values that it has."""
        return self.machine.host.check_output("dig +short @localhost %s %s", name, kind).splitlines()

    def update(self, change):
        self.machine.host.check_output("printf 'update %%s\\nsend\\n' %s | nsupdate -l", change)

    def dkim_selectors(self, machine, selectors):
        """Those among the selectors that have a record for a server of ours."""
        return {each for each in selectors if self.ask(f"{each}._domainkey.{domain(machine)}", "TXT")}
