# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client may say, and when; the system's own addresses."""

import pytest
import wire


def test_a_refused_message_leaves_no_envelope_behind(machine):
    with wire.Wire(machine, wire.SMTP, timeout=120) as client:
        offers = client.ask("EHLO client.test")
        limit = int(next(line.split()[1] for line in offers.splitlines() if line[4:].startswith("SIZE ")))
        client.ask("MAIL FROM:<stranger@elsewhere.test>")
        client.ask("RCPT TO:<bob@example.test>")
        client.ask("DATA")
        line = b"x" * 998 + b"\r\n"
        client.send(line * (limit // len(line) + 1) + b".\r\n")
        assert wire.code_of(client.hear()) == 552
        assert wire.code_of(client.ask("RCPT TO:<bob@example.test>")) == 503
        assert wire.code_of(client.ask("DATA")) == 503


@pytest.mark.parametrize("service", [wire.SMTP, wire.SUBMISSION], ids=str)
def test_chunking_is_offered_only_where_it_is_safe(machine, service):
    # Debian 12's Postfix takes commands for a message that nobody began after a chunk that it refused.
    with wire.secured(machine, service) as client:
        assert ("CHUNKING" in client.ask("EHLO client.test")) == (machine.release > 12)


@pytest.mark.parametrize("recipient", ["root@{hostname}", "postmaster@[{address}]", "postmaster"])
def test_the_system_itself_can_be_written_to(machine, recipient):
    assert wire.rcpt(machine, recipient.format(hostname=machine.hostname, address=machine.address)).startswith("250")


def test_nobody_unknown_lives_at_the_systems_name(machine):
    assert wire.rcpt(machine, f"nobody-here@{machine.hostname}").startswith("550 5.1.1")
