# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second message inside of a first one, behind what one server might take for its end and another not."""

import wire

ENDS = {
    "LF.LF": b"\n.\n",
    "LF.CRLF": b"\n.\r\n",
    "CRLF.LF": b"\r\n.\n",
    "CR.CR": b"\r.\r",
    "CR.CRLF": b"\r.\r\n",
    "CRLF.CR": b"\r\n.\r",
    "LF.CR": b"\n.\r",
    "CR.LF": b"\r.\n",
    "CRLF.CRCRLF": b"\r\n.\r\r\n",
    "CRCRLF.CRLF": b"\r\r\n.\r\n",
    "LFLF.LF": b"\n\n.\n",
    "CRLF NUL.CRLF": b"\r\n\0.\r\n",
}


def smuggle(client, end, sender, recipient, outer, inner):
    """Send a message with a second one inside, behind a doubtful end; the code of the answer to the whole."""
    envelope = f"MAIL FROM:<{sender}>\r\nRCPT TO:<{recipient}>\r\nDATA\r\n".encode()
    client.ask(f"MAIL FROM:<{sender}>")
    client.ask(f"RCPT TO:<{recipient}>")
    assert wire.code_of(client.ask("DATA")) == 354
    client.send(outer.removesuffix(b"\r\n") + end + envelope + inner + b".\r\n")
    code = wire.code_of(client.hear())
    assert code != 0, "no answer"
    return code
