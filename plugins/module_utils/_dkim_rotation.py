# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""The steps that are due of the rotation of DKIM keys, domain by domain. A step is one change of a domain's table, DOMAIN/selectors."""

from __future__ import annotations

import contextlib
import os
import tempfile
from datetime import datetime, timezone
from functools import partial
from typing import NamedTuple

from ansible_collections.virtmail.mailserver.plugins.module_utils import _dkim_table, _dns_host, _dns_records
from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import MailserverError
from ansible_collections.virtmail.mailserver.plugins.module_utils._dkim_sight import NameServers
from ansible_collections.virtmail.mailserver.plugins.module_utils._dns_ask import Unanswered, in_parallel


class Turn(NamedTuple):
    """What has come of a domain: its table before and after, what to say of it, and the records of removed keys."""

    domain: str
    before: list
    after: list
    text: str
    removed: list


class Questions(NamedTuple):
    """Whom to ask about name servers, and how long to wait for one answer and for all."""

    nameservers: list
    nameserver_port: int
    timeout: int
    time_limit: int


def rotate(directory, domains, rules, questions, is_check):
    """[Turn] of each domain."""
    work = partial(_turn, directory, rules, questions, is_check)
    return in_parallel(work, sorted(domains), questions.time_limit)


def _turn(directory, rules, questions, is_check, domain, is_late):
    path = os.path.join(directory, domain)
    before = _read_table(path)
    if not before:
        return Turn(domain, [], [], f"{domain}: has no keys. On the mail server, journalctl -u mail-dkim-keys tells why.", [])
    now = datetime.now(timezone.utc)
    sight = _Sight(path, domain, questions, is_late)
    keys, obstacle, ttl = before, "they are new", 0
    coming = _dkim_table.in_state(keys, _dkim_table.NEXT, _dkim_table.SHOWN)
    if coming:
        obstacle, ttl = sight.of_coming(coming)
        keys = _dkim_table.see(keys, not obstacle, ttl, now)
    removed = _dkim_table.in_state(keys, _dkim_table.REMOVED)
    if removed and sight.is_gone(removed):
        keys = [key for key in keys if key not in removed]
    keys = _dkim_table.retire(keys, rules, now)
    keys = _dkim_table.begin(keys, rules, _selectors_in(path), now)
    records = [_record(domain, key, value) for key, value in _removed_values(path, keys)]
    if not is_check:
        _write(path, before, keys)
    return Turn(domain, before, keys, _dkim_table.explain(domain, keys, rules, obstacle, ttl), records)


class _Sight:
    """What the domain's name servers show of keys."""

    def __init__(self, path, domain, questions, is_late):
        self._path, self._domain, self._questions, self._is_late = path, domain, questions, is_late

    def of_coming(self, keys):
        """Why others may not be able to verify with these keys, or else how long they may remember what was there before."""
        missing = [key.selector for key in keys if not os.path.exists(_file(self._path, key, "key"))]
        if missing:
            return f"{missing[0]} is not made yet", 0
        records = {_name(self._domain, key): _dns_host.read_key_record(_file(self._path, key, "txt")) for key in keys}
        try:
            servers = self._servers()
            return servers.obstacle(records), servers.memory(records)
        except Unanswered as exc:
            return str(exc), 0

    def is_gone(self, keys):
        """Whether no name server shows the records of removed keys any more."""
        try:
            return not self._servers().shows_any({_name(self._domain, key): value for key, value in _removed_values(self._path, keys)})
        except Unanswered:
            return False

    def _servers(self):
        if self._is_late():
            raise Unanswered("nobody was asked, as time_limit was over")
        whom, port, timeout, dummy = self._questions
        return NameServers(self._domain, whom, port, timeout)


def _name(domain, key):
    return f"{key.selector}._domainkey.{domain}"


def _record(domain, key, value):
    return _dns_records.Record(domain, _name(domain, key), "TXT", 0, value, "dkim")


def _file(path, key, ending):
    return os.path.join(path, f"{key.selector}.{ending}")


def _read_table(path):
    """[Key], empty where there is no table."""
    table = os.path.join(path, "selectors")
    try:
        with open(table, encoding="ascii") as stream:
            return _dkim_table.parse(stream.read())
    except (FileNotFoundError, NotADirectoryError):
        return []
    except ValueError as exc:
        raise MailserverError(f"{table} is not as it was written, SELECTOR ALGORITHM STATE SINCE in each line: {exc}.") from exc


def _selectors_in(path):
    return {os.path.splitext(name)[0] for name in os.listdir(path)}


def _removed_values(path, keys):
    """(key, value of its record) of the removed ones."""
    for key in _dkim_table.in_state(keys, _dkim_table.REMOVED):
        for ending in ("txt", "removed"):
            if os.path.exists(_file(path, key, ending)):
                yield key, _dns_host.read_key_record(_file(path, key, ending))


def _write(path, before, after):
    """The table first: what it says of files is made true by a further run, too."""
    if before != after:
        _replace(os.path.join(path, "selectors"), _dkim_table.render(after))
    for key in _dkim_table.in_state(after, _dkim_table.REMOVED):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(_file(path, key, "key"))
        with contextlib.suppress(FileNotFoundError):  # the record is no longer one to publish
            os.rename(_file(path, key, "txt"), _file(path, key, "removed"))
    kept = {key.selector for key in after}
    for key in before:
        if key.selector not in kept:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(_file(path, key, "removed"))


def _replace(file, text):
    handle, temporary = tempfile.mkstemp(prefix=".", dir=os.path.dirname(file))
    with os.fdopen(handle, "w", encoding="ascii") as stream:
        os.fchmod(stream.fileno(), 0o644)
        stream.write(text)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(temporary, file)
