# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Succeed if the resolver at an address finds the root's name servers, and has verified the answer."""

import socket
import sys

# With recursion, and whether it is verified; one question: . IN NS
QUESTION = b"\0\1\1\x20\0\1\0\0\0\0\0\0\0\0\2\0\1"
AUTHENTIC_DATA, ERROR = 0x20, 0x0F

with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asker:
    asker.settimeout(10)
    asker.connect((sys.argv[1], 53))
    asker.send(QUESTION)
    flags = asker.recv(4096)[3]
sys.exit(flags & (AUTHENTIC_DATA | ERROR) != AUTHENTIC_DATA)
