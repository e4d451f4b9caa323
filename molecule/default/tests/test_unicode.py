# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every byte of a message, and every letter of a folder's name, comes back as it went in."""

import base64
import email.header
import uuid

import mail
import pytest
import wire

KOREAN = "한국어 제목 ✉"


def encoded_word(text):
    return email.header.Header(text, "utf-8").encode().encode()


@pytest.mark.parametrize(
    ("subject", "body"),
    [
        pytest.param(encoded_word(KOREAN), f"{KOREAN}\r\n둘째 줄\r\n".encode(), id="encoded subject"),
        pytest.param(KOREAN.encode(), f"{KOREAN}\r\n".encode(), id="raw UTF-8 subject"),
        pytest.param(b"caf\xe9", b"na\xefve \xa4\r\n", id="raw Latin-1"),
        pytest.param(b"All bytes", bytes(b for b in range(1, 256) if b not in b"\r\n") + b"\r\n", id="every byte"),
        pytest.param(b"Dots", b".\r\n..\r\n.dot\r\nFrom me\r\n\r\n\r\n", id="dots, From and empty lines"),
    ],
)
@pytest.mark.parametrize("service", [wire.SMTP, wire.SUBMISSION], ids=str)
def test_a_message_is_not_changed(machine, wait_for, service, subject, body):
    message_id, text = mail.message(body, subject)
    sender = mail.SENDER if service is wire.SMTP else "alice@example.test"
    with mail.smtp(machine, service, None if service is wire.SMTP else sender) as client:
        client.sendmail(sender, "bob@example.test", text, ["BODY=8BITMIME"])
    assert mail.wait_for_message(machine, wait_for, "bob@example.test", message_id).endswith(text)


def in_imap_utf7(text):
    """A folder's name as IMAP wants it (RFC 3501, 5.1.3), for text without ASCII."""
    return "&" + base64.b64encode(text.encode("utf-16-be")).decode().rstrip("=").replace("/", ",") + "-"


def test_a_korean_folder_keeps_its_name_and_its_mail(machine, wait_for):
    name = in_imap_utf7("보관함") + "-" + uuid.uuid4().hex[:8]
    message_id, text = mail.message()
    with mail.imap(machine, "bob@example.test", None) as client:
        assert client.create(name)[0] == "OK"
        assert client.append(name, None, None, text)[0] == "OK"
    with mail.imap(machine, "bob@example.test", None) as client:
        dummy, folders = client.list()
        assert any(folder.endswith((f" {name}".encode(), f' "{name}"'.encode())) for folder in folders)
        assert mail.wait_for_message(machine, wait_for, "bob@example.test", message_id, name) == text
        assert client.delete(name)[0] == "OK"


def test_a_domain_in_korean_receives_mail(machine, wait_for):
    address = "kim@" + "한국.test".encode("idna").decode()
    message_id = mail.deliver(machine, address)
    with wire.secured(machine, wire.IMAPS) as client:
        assert wire.let_in(client.login(address, machine.passwords["kim@한국.test"]))
        client.ask("a SELECT INBOX")
        search = f'a SEARCH HEADER Message-ID "{message_id}"'
        wait_for(lambda: "* SEARCH " in client.ask(search), message="kim's mail never came")
