# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""The directory of another mail server as rows of ours. What ours would refuse is left out, with a sentence for each.

PostfixAdmin's tables: https://github.com/postfixadmin/postfixadmin/blob/master/DOCUMENTS/DATABASE_STRUCTURE.TXT (and its
upgrade.php, which makes them). The tables of tutorials: virtual_domains, virtual_users and virtual_aliases.
"""

from __future__ import annotations

import hashlib
import re
from typing import NamedTuple

from ansible_collections.virtmail.mailserver.plugins.module_utils import (
    _address,
    _checks,
    _foreign_password,
    _password,
    _password_cost,
    _plan,
)
from ansible_collections.virtmail.mailserver.plugins.module_utils._entities import (
    ALIAS,
    DOMAIN,
    KINDS,
    OMITTED,
    USER,
    Desired,
    Fault,
    format_quota,
)

TABLES = {
    "postfixadmin": ("domain", "alias", "mailbox"),
    "tutorial": ("virtual_domains", "virtual_users", "virtual_aliases"),
}

_LIST = re.compile(r"[\s,]+")


class Directory(NamedTuple):
    """What was read: rows as _entities has them, what was left out and why, and users whose hashes are weak or slow.

    Weak are those that Dovecot 2.4 refuses; of the slow ones it has the milliseconds of CPU that a login takes.
    """

    rows: dict
    left_out: list
    weak: list
    slow: dict


class _Candidate(NamedTuple):
    kind: object
    given: dict
    origin: str


class Collector:
    """Takes the rows of one layout, and judges them by the rules of virtual_directory."""

    def __init__(self, cleartext_passwords, spread, known_users=()):
        self.faults = []
        self._known_users = known_users
        self._cleartext_passwords = cleartext_passwords
        self._spread = spread
        self._candidates = {kind.plural: [] for kind in KINDS}
        self._cleartext = []
        self._left_out = []

    def leave_out(self, row, reason):
        self._left_out.append(str(Fault(row, reason)))

    def add_domain(self, row, name, **values):
        self._add(DOMAIN, row, name=name, **values)

    def add_user(self, row, email, password, **values):
        form, text = _foreign_password.read(password or "")
        if form == "unreadable":
            self.leave_out(row, text)
        elif form == "hash":
            self._add(USER, row, email=email, password_hash=text, **values)
        elif self._cleartext_passwords:
            self._cleartext.append((len(self._candidates["users"]), email.strip().lower(), text))
            self._add(USER, row, email=email, **values)
        else:
            reason = "its password has no known form: if it is the password itself, in the clear, set cleartext_passwords to true"
            self.faults.append(Fault(row, reason))

    def add_alias(self, row, source, destinations):
        """Destinations that cannot be are left out one by one: the others still get their mail."""
        good = {}
        for text in destinations:
            try:
                good.setdefault(_address.address_or_domain(text), text)
            except ValueError as exc:
                self.leave_out(row, f"its destination {' '.join(text.split())[:100]}: {exc}")
        if good or not destinations:
            self._add(ALIAS, row, source=source, destination=list(good))

    def directory(self):
        self._hash_cleartext()
        desired = self._parse()
        self._drop_faulty(desired.rows)
        hashes = {row.key: row.values.password for row in desired.rows["users"].values()}
        weak = [email for email, stored in hashes.items() if _password.is_weak(stored)]
        slow = {
            email: _password_cost.verification(stored).milliseconds
            for email, stored in hashes.items()
            if _password_cost.judge(stored) == "slow"
        }
        rows = {kind.plural: desired.rows[kind.plural] for kind in (DOMAIN, USER, ALIAS)}
        return Directory(rows, self._left_out, weak, slow)

    def missing_libraries(self):
        """What has to be installed before passwords in the clear can be hashed."""
        missing = _password.Password("").missing_library() if self._cleartext else None
        return [Fault("passwords", missing.rstrip("."))] if missing else []

    def _add(self, kind, row, **values):
        given = {**dict.fromkeys(kind.options), "state": "present", **values}
        self._candidates[kind.plural].append(_Candidate(kind, given, row))

    def _hash_cleartext(self):
        """Salted with the address, so that a second run makes the same hash and changes nothing.

        A salt has to differ from user to user, which addresses do, and need not be secret. What is lost is that somebody
        who waits for the hashes of one address could prepare for it. A salt that came from the password too would be worse:
        it would be a digest of the password, fast to guess.
        """
        hashes = self._spread(_hash_of_cleartext, self._cleartext)
        for (number, *dummy), hashed in zip(self._cleartext, hashes):
            self._candidates["users"][number].given["password_hash"] = hashed

    def _parse(self):
        """All rows that are good by themselves. Of several with one key that one is taken which is written as we write it."""
        desired = Desired({})
        for kind in KINDS:
            for candidate in sorted(self._candidates[kind.plural], key=lambda each: _order(each, kind)):
                self._parse_one(desired, candidate)
        return desired

    def _parse_one(self, desired, candidate):
        kind, rows = candidate.kind, desired.rows[candidate.kind.plural]
        before = set(rows)
        desired.add(kind, candidate.given, candidate.origin.replace("{", "{{").replace("}", "}}"))
        if desired.faults:
            self._left_out += map(str, desired.faults)
            desired.faults.clear()
            for key in set(rows) - before:
                del rows[key]

    def _drop_faulty(self, rows):
        """Until nothing is wrong with what remains: a row may be good only as long as another one is there."""
        stored = {kind.plural: {} for kind in KINDS}
        stored["users"] = dict.fromkeys(self._known_users, USER.record())
        while True:
            changes = _plan.make_plan(rows, stored)
            faults = list(_checks.find_faults(rows, changes, _plan.apply_plan(stored, changes)))
            if not faults:
                return
            self._left_out += dict.fromkeys(map(str, faults))
            faulty = {fault.label for fault in faults}
            for plural in rows:
                rows[plural] = {key: row for key, row in rows[plural].items() if row.label not in faulty}


def _order(candidate, kind):
    key = candidate.given[kind.key]
    return key.lower(), key != key.lower(), key


def as_input(directory, with_hashes):
    """The rows as virtual_directory takes them."""
    return {plural: [_as_given(row, with_hashes) for dummy, row in sorted(rows.items())] for plural, rows in directory.rows.items()}


def _as_given(row, with_hashes):
    columns = [(column, getattr(row.values, column.name)) for column in row.kind.columns]
    given = {column.option: column.give(value) for column, value in columns if value is not OMITTED}
    if with_hashes and row.kind is USER:
        given["password_hash"] = row.values.password
    return {row.kind.key: row.key, **given}


def weak_warning(names):
    return (
        f"{len(names)} users have passwords in schemes that Dovecot 2.4 calls weak, and refuses unless the role dovecot has"
        f" dovecot_allow_weak_password_schemes: true: {_first(names)}."
    )


def slow_warning(milliseconds):
    """Takes the milliseconds of CPU of each user's login."""
    return (
        f"{len(milliseconds)} users have password hashes that are slow to verify, so that each of their logins takes up to about"
        f" {max(milliseconds.values()):.0f} ms of CPU, one after the other: {_first(list(milliseconds))}. Give"
        " virtual_user or virtual_directory new passwords for them in plain text, which are hashed anew; the same one keeps its hash."
    )


def _first(names, cap=20):
    more = len(names) - cap
    return f"{', '.join(names[:cap])}{f' and {more} more' if more > 0 else ''}"


def _hash_of_cleartext(item):
    dummy, email, text = item
    return _password.Password(text).stored_form(salt=hashlib.sha256(email.encode("utf-8")).digest()[:16])


def read_tutorial(query, collector):
    for (name,) in query("SELECT name FROM virtual_domains ORDER BY id"):
        collector.add_domain(f"virtual_domains {name}", name or "")
    for email, password in query("SELECT email, password FROM virtual_users ORDER BY id"):
        collector.add_user(f"virtual_users {email}", email or "", password)
    destinations = {}
    for source, destination in query("SELECT source, destination FROM virtual_aliases ORDER BY id"):
        source = (source or "").strip().lower()
        destinations.setdefault(source, []).extend(_split(destination))
    for source, texts in destinations.items():
        collector.add_alias(f"virtual_aliases {source}", source, texts)


def read_postfixadmin(query, collector, has_alias_domains):
    _read_domains(query, collector)
    users = _read_mailboxes(query, collector)
    aliases = _read_aliases(query, collector, users)
    if has_alias_domains:
        _read_alias_domains(query, collector, aliases)
    for source, (row, texts) in aliases.items():
        collector.add_alias(row, source, texts)


def _read_domains(query, collector):
    limited = 0
    columns = "domain, description, active, backupmx, aliases, mailboxes, maxquota"
    for name, description, active, backupmx, *limits in query(f"SELECT {columns} FROM domain ORDER BY domain"):
        if name == "ALL":  # stands for all domains, in the rights of administrators
            continue
        row = f"domain {name}"
        if backupmx:
            collector.leave_out(row, "this is a backup MX, which only passes mail on to another server")
            continue
        limited += any(limit and limit > 0 for limit in limits)
        collector.add_domain(row, name, description=_one_line(description), active=bool(active))
    if limited:
        reason = "their limits (aliases, mailboxes, maxquota) are not taken over: an organization can have such limits"
        collector.leave_out(f"{limited} domains", reason)


def _read_mailboxes(query, collector):
    """Addresses of all mailboxes, and whether they are active."""
    users = {}
    columns = "username, password, name, quota, active"
    for username, password, name, quota, active in query(f"SELECT {columns} FROM mailbox ORDER BY username"):
        users[username.strip().lower()] = bool(active)
        values = {"quota": format_quota(quota) if quota and quota > 0 else "0", "display_name": _one_line(name), "active": bool(active)}
        collector.add_user(f"mailbox {username}", username, password, **values)
    return users


def _read_aliases(query, collector, users):
    """{source: (row, destinations)}"""
    aliases = {}
    for address, goto, active in query("SELECT address, goto, active FROM alias ORDER BY address"):
        source, row = address.strip().lower(), f"alias {address}"
        destinations = list(_without_vacation(collector, row, source, _split(goto)))
        if source in users and {text.lower() for text in destinations} <= {source}:
            continue  # every mailbox has such a row
        if not active:
            collector.leave_out(row, "it is not active, and there are no such aliases here")
            continue
        if users.get(source) and source not in [text.lower() for text in destinations]:
            reason = "it sends all mail of a mailbox elsewhere: here the mailbox gets a copy, as one that gets no mail is refused"
            collector.leave_out(row, reason)
            destinations.append(source)
        if source in aliases:
            collector.leave_out(row, f"{aliases[source][0]} is the same alias: keep one of them")
            continue
        aliases[source] = (row, destinations)
    return aliases


def _without_vacation(collector, row, source, destinations):
    """PostfixAdmin's autoreply is a destination alice#example.com@autoreply.example.com of alice@example.com."""
    for text in destinations:
        if text.lower().startswith(source.replace("@", "#") + "@"):
            collector.leave_out(row, f"its destination {text} is a vacation message: the user can write one in Sieve")
        else:
            yield text


def _read_alias_domains(query, collector, aliases):
    columns = "alias_domain, target_domain, active"
    for name, target, active in query(f"SELECT {columns} FROM alias_domain ORDER BY alias_domain"):
        row = f"alias_domain {name}"
        if not active:
            collector.leave_out(row, "it is not active, and there are no such aliases here")
            continue
        source = f"@{name.strip().lower()}"
        # A catch-all of the same domain gets what the target domain has no address for
        aliases[source] = (row, [f"@{target}", *aliases.get(source, (row, []))[1]])


def _split(text):
    return [part for part in _LIST.split(text or "") if part]


def _one_line(text):
    """A name or a description, without what would make the whole row one that is refused."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text or "").split())
