# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""The difference between what the caller wants and what is stored. Pure: reads and writes nothing.

A directory is {plural of the kind: {key: record}}. The password in a user's record is the stored hash, or a Password
that is still to be hashed.
"""

from __future__ import annotations

from operator import attrgetter
from typing import NamedTuple

from ansible_collections.virtmail.mailserver.plugins.module_utils._entities import (
    APP_PASSWORD,
    KINDS,
    LISTED_KINDS,
    OMITTED,
    USER,
    Kind,
    split_app_key,
)
from ansible_collections.virtmail.mailserver.plugins.module_utils._password import Password

VERBS = ("created", "updated", "deleted")


class Change(NamedTuple):
    """One row that becomes another. None stands for no row."""

    kind: Kind
    key: str
    before: tuple | None
    after: tuple | None
    purged: bool = False

    @property
    def verb(self):
        if self.before is None:
            return "created"
        return "deleted" if self.after is None else "updated"

    @property
    def columns(self):
        """Names of the columns that change: all, where a row comes or goes."""
        names = self.kind.record._fields
        if self.before is None or self.after is None:
            return list(names)
        return [name for name, old, new in zip(names, self.before, self.after) if old != new]

    @property
    def is_to_hash(self):
        return self.kind is USER and self.after is not None and isinstance(self.after.password, Password)


def find_comparisons(desired, stored):
    """The passwords in plain text that decide whether a stored user changes: [(key, password, stored hash)]."""
    users = stored["users"]
    return [
        (row.key, row.values.password, users[row.key].password)
        for row in desired["users"].values()
        if row.present and isinstance(row.values.password, Password) and not row.keeps_password and row.key in users
    ]


def make_plan(desired, stored, purge=(), other_passwords=frozenset()):
    """All changes that lead from the stored directory to the desired rows, in the order of kinds and keys.

    Comparing passwords is expensive and done elsewhere: other_passwords are the keys of users whose password in plain
    text is not the stored one.
    """
    changes = []
    for kind in KINDS:
        wanted, rows = desired[kind.plural], stored[kind.plural]
        mine = []
        for row in wanted.values():
            before = rows.get(row.key)
            after = _wanted(row, before, other_passwords)
            if before != after:
                mine.append(Change(kind, row.key, before, after))
        if kind.plural in purge:
            mine += [
                Change(kind, key, before, None, purged=True)
                for key, before in rows.items()
                if before.managed and key not in wanted
            ]
        if kind is APP_PASSWORD:
            mine += _left_by_users(rows, changes, mine)
        changes += sorted(mine, key=attrgetter("key"))
    return changes


def _left_by_users(rows, changes, mine):
    """The app passwords that go with their users, and are not among my changes yet."""
    gone = {change.key for change in changes if change.kind is USER and change.after is None}
    if not gone:
        return []
    known = {change.key for change in mine}
    return [
        Change(APP_PASSWORD, key, before, None)
        for key, before in rows.items()
        if split_app_key(key)[0] in gone and key not in known
    ]


def _wanted(row, before, other_passwords):
    if not row.present:
        return None
    record = row.kind.record
    if before is None:
        return record._make([default if given is OMITTED else given for given, default in zip(row.values, record())])
    after = record._make([old if given is OMITTED else given for given, old in zip(row.values, before)])
    if row.kind is USER and _keeps_password(row, after.password, other_passwords):
        after = after._replace(password=before.password)
    return after


def _keeps_password(row, password, other_passwords):
    return row.keeps_password or (isinstance(password, Password) and row.key not in other_passwords)


def apply_plan(stored, changes):
    """The directory as it is after the changes."""
    after = {plural: dict(rows) for plural, rows in stored.items()}
    for change in changes:
        if change.after is None:
            del after[change.kind.plural][change.key]
        else:
            after[change.kind.plural][change.key] = change.after
    return after


def summary(changes, cap=20):
    """How many rows of each kind change in which way, and the names of the first of them."""
    counts = {kind.plural: dict.fromkeys(VERBS, 0) for kind in KINDS}
    names = {kind.plural: {verb: [] for verb in VERBS} for kind in KINDS}
    for change in changes:
        counts[change.kind.plural][change.verb] += 1
        listed = names[change.kind.plural][change.verb]
        if len(listed) < cap:
            listed.append(change.key)
    return {"counts": counts, "names": names}


def diff(changes):
    """The changes as two texts, one line for each value that changes."""
    return {
        "before": "".join(line for change in changes for line in _lines(change, change.before, "set")),
        "after": "".join(line for change in changes for line in _lines(change, change.after, _password_word(change))),
    }


def _password_word(change):
    return "set" if change.before is None else "changed"


def _lines(change, values, password_word):
    if values is None:
        return
    changing = change.columns
    start = f"{change.kind.name} {change.key}"
    if "password" in changing:
        yield f"{start} password: {password_word}\n"
    for column in change.kind.columns:
        if column.name in changing:
            value = column.give(getattr(values, column.name))
            for part in value if isinstance(value, list) else [value]:
                yield f"{start} {column.option}: {_as_yaml(part)}\n"


def _as_yaml(value):
    return str(value).lower() if isinstance(value, bool) else value


def as_input(stored, with_hashes):
    """The stored directory as the bulk module takes it."""
    lists = {kind.plural: [] for kind in LISTED_KINDS}
    for kind in LISTED_KINDS:
        for key, values in sorted(stored[kind.plural].items()):
            lists[kind.plural].append(_as_row(kind, key, values, with_hashes))
    users = {}
    for user in lists["users"]:
        users[user["email"]] = user["app_passwords"] = []
    for key, values in sorted(stored["app_passwords"].items()):
        email, name = split_app_key(key)
        users[email].append(_as_row(APP_PASSWORD, name, values, with_hashes))
    return lists


def _as_row(kind, key, values, with_hashes):
    row = {kind.key: key, **{column.option: column.give(getattr(values, column.name)) for column in kind.columns}}
    if with_hashes and "password" in kind.record._fields:
        row["password_hash"] = values.password
    return row
