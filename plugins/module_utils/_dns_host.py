# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""What the records take from the machine: its addresses, the DKIM keys' records, the digests of its TLS keys."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import ipaddress
import os
import re
import socket

from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import MailserverError

# Documentation addresses, so that they are never on the way to anybody; nothing is sent to them either
_OUTSIDE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
_PRIVATE_KEY = re.compile("-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----", re.DOTALL)
_SELECTOR = re.compile(r"[a-z0-9](?:[a-z0-9.-]{0,61}[a-z0-9])?")


def public_addresses():
    """Those that connections to the outside come from, if they are not private ones behind a router."""
    found = []
    for family, outside in _OUTSIDE:
        with contextlib.suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
            probe.connect((outside, 9))
            found.append(probe.getsockname()[0])
    return [address for address in found if ipaddress.ip_address(address).is_global]


def read_dkim(directory, domains):
    """{domain: {selector: value}}, of the files directory/domain/selector.txt."""
    found = {}
    try:
        for domain in sorted(domains & set(_names(directory))):
            names = [name[:-4] for name in _names(os.path.join(directory, domain)) if name.endswith(".txt")]
            found[domain] = {name: _read_record_of(directory, domain, name) for name in names}
    except OSError as exc:
        raise MailserverError(f"The DKIM records in {directory} cannot be read: {exc.filename}: {exc.strerror}.") from exc
    return found


def _names(directory):
    try:
        return os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _read_record_of(directory, domain, selector):
    path = os.path.join(directory, domain, f"{selector}.txt")
    if not _SELECTOR.fullmatch(selector):
        raise MailserverError(f"{path}: the name is no selector of a DKIM key: rename the file.")
    return read_key_record(path)


def read_key_record(path):
    """The value of the record that a file has for a DKIM key."""
    with open(path, encoding="ascii", errors="replace") as stream:
        lines = stream.read().split("\n")
    if len([line for line in lines if line.strip()]) != 1 or not re.match(r"\s*v=DKIM1\s*;", lines[0]):
        raise MailserverError(f"{path} is no DKIM record: it must have one line, which begins with v=DKIM1;.")
    return lines[0].strip()


def key_digests(run_command, paths):
    """SHA-256 of each public key, as TLSA records of the form 3 1 1 have it; a key that two files have counts once."""
    return tuple(dict.fromkeys(digest for path in paths for digest in _digests_in(run_command, path)))


def _digests_in(run_command, path):
    """Of the private keys in a file, or else of its first certificate."""
    try:
        with open(path, encoding="ascii", errors="replace") as stream:
            text = stream.read()
    except OSError as exc:
        raise MailserverError(f"tlsa_files: {path} cannot be read: {exc.strerror}.") from exc
    keys = _PRIVATE_KEY.findall(text)
    if keys:
        return [_digest(run_command, path, ["pkey", "-pubout"], key) for key in keys]
    return [_digest(run_command, path, ["x509", "-noout", "-pubkey"], text)]


def _digest(run_command, path, arguments, text):
    code, printed, dummy = run_command(["openssl", *arguments], data=text)
    pem = re.search("-----BEGIN PUBLIC KEY-----(.*?)-----END", printed, re.DOTALL)
    if code != 0 or not pem:
        raise MailserverError(f"tlsa_files: {path} is neither a certificate nor a private key in PEM that openssl can read.")
    try:
        return hashlib.sha256(base64.b64decode(pem[1])).hexdigest()
    except binascii.Error as exc:
        raise MailserverError(f"tlsa_files: openssl printed no public key of {path}.") from exc
