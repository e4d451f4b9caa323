# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""The difference between what the caller wants and what is stored. Pure: reads and writes nothing.

A directory is {plural of the kind: {key: {column: value}}}. Users also have 'password': the stored hash, or a Password
that is still to be written.
"""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.virtmail.mailserver.plugins.module_utils._entities import KINDS, Kind

VERBS = ("created", "updated", "deleted")


@dataclass(frozen=True)
class Change:
    """One row that becomes another. None stands for no row."""

    kind: Kind
    key: str
    before: dict | None
    after: dict | None
    purged: bool = False

    @property
    def verb(self):
        if self.before is None:
            return "created"
        return "deleted" if self.after is None else "updated"

    @property
    def columns(self):
        """Names of the columns that change: all, where a row comes or goes."""
        if self.before is None or self.after is None:
            return list(self.after or self.before)
        return [name for name, value in self.after.items() if value != self.before[name]]


def make_plan(desired, stored, purge=(), compare_passwords=True):
    """All changes that lead from the stored directory to the desired rows, in the order of kinds and keys.

    Comparing passwords is expensive; without it stored users are taken to have theirs already.
    """
    changes = []
    for kind in KINDS:
        rows = stored[kind.plural]
        for row in desired[kind.plural]:
            before = rows.get(row.key)
            after = _wanted(row, before, compare_passwords)
            if before != after:
                changes.append(Change(kind, row.key, before, after))
        if kind.plural in purge:
            keep = {row.key for row in desired[kind.plural]}
            changes += [Change(kind, key, rows[key], None, purged=True) for key in rows if key not in keep]
    return sorted(changes, key=lambda change: (KINDS.index(change.kind), change.key))


def _wanted(row, before, compare_passwords):
    if not row.present:
        return None
    if before is None:
        return {**{column.name: column.default for column in row.kind.columns}, **row.values}
    values = dict(row.values)
    password = values.pop("password", None)
    after = {**before, **values}
    if password and compare_passwords and not row.keeps_password and not password.matches(before["password"]):
        after["password"] = password
    return after


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
            value = column.give(values[column.name])
            for part in value if isinstance(value, list) else [value]:
                yield f"{start} {column.option}: {_as_yaml(part)}\n"


def _as_yaml(value):
    return str(value).lower() if isinstance(value, bool) else value


def as_input(stored, with_hashes):
    """The stored directory as the bulk module takes it."""
    lists = {}
    for kind in KINDS:
        rows = lists[kind.plural] = []
        for key, values in sorted(stored[kind.plural].items()):
            row = {kind.key: key, **{column.option: column.give(values[column.name]) for column in kind.columns}}
            if with_hashes and "password" in values:
                row["password_hash"] = values["password"]
            rows.append(row)
    return lists
