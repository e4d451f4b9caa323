# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""What cannot be allowed, or deserves a warning, once wanted and stored rows are seen together. Pure.

Only rows that the call names, or changes, are judged: what was odd before does not stand in anybody's way.
"""

from __future__ import annotations

from ansible_collections.virtmail.mailserver.plugins.module_utils._address import domain_part, without_extension
from ansible_collections.virtmail.mailserver.plugins.module_utils._entities import (
    ALIAS,
    DOMAIN,
    KINDS,
    USER,
    Fault,
)
from ansible_collections.virtmail.mailserver.plugins.module_utils._routes import Routes, find_loops


def find_faults(desired, changes, after):
    present = {plural: [row for row in rows if row.present] for plural, rows in desired.items()}
    routes = Routes(after)
    return [
        *_homeless(present, after),
        *_new_users_without_password(present, after),
        *_unreachable_users(present, after),
        *_self_aliases(present),
        *_loops(present, routes),
        *_domains_in_use(desired, changes, after),
    ]


def find_purge_faults(desired, changes, purge, limit):
    for kind in KINDS:
        if kind.plural not in purge:
            continue
        if not any(row.present for row in desired[kind.plural]):
            reason = f"{kind.plural} is an empty list, and all would be deleted: give the list, or do not purge it"
            yield Fault("purge", reason)
        keys = [change.key for change in changes if change.kind is kind and change.purged]
        if len(keys) > limit:
            reason = f"{len(keys)} {kind.plural} would be deleted ({_some(keys)}), and purge_limit is {limit}"
            yield Fault("purge", f"{reason}: raise it if they shall go")


def find_warnings(desired, changes, after):
    """Destinations of ours where no mail can arrive: in aliases of this call, or behind users that it takes away."""
    routes = Routes(after)
    named = {row.key for row in desired["aliases"] if row.present}
    lost = {change.key for change in changes if change.kind is USER and _is_lost(change)}
    for source, alias in after["aliases"].items():
        for destination in alias["destination"]:
            if source not in named and without_extension(destination) not in lost:
                continue
            if not destination.startswith("@") and routes.leads_nowhere(destination):
                yield f"alias {source}: mail to {destination} arrives nowhere, as no active user is there."


def _is_lost(change):
    return change.before is not None and (change.after is None or not change.after["active"])


def _homeless(present, after):
    for row in present["users"] + present["aliases"]:
        domain = domain_part(row.key)
        if domain not in after["domains"]:
            yield Fault(row.label, f"the domain {domain} does not exist: add it to the domains first")
    for row in present["aliases"]:
        for destination in row.values.get("destination", ()):
            if destination.startswith("@") and destination[1:] not in after["domains"]:
                reason = f"the domain of destination {destination} does not exist: add it to the domains first"
                yield Fault(row.label, reason)


def _new_users_without_password(present, after):
    for row in present["users"]:
        if after["users"][row.key].get("password") is None:
            yield Fault(row.label, "a new user needs a password: give password or password_hash")


def _unreachable_users(present, after):
    """A user whose alias sends all mail elsewhere has a mailbox that stays empty."""
    labels = {row.key: row.label for row in present["users"] + present["aliases"]}
    for address, label in labels.items():
        user, alias = after["users"].get(address), after["aliases"].get(address)
        if user and user["active"] and alias and address not in alias["destination"]:
            reason = (
                f"{address} is a user and an alias, so the user would get no mail: add {address} to the"
                " alias's destinations to keep a copy, make the user inactive, or remove one of the two"
            )
            yield Fault(label, reason)


def _self_aliases(present):
    for row in present["aliases"]:
        if row.values.get("destination", ()) == (row.key,):
            yield Fault(row.label, "the alias leads only to itself: give another destination, or remove it")


def _loops(present, routes):
    labels = {row.key: row.label for row in present["aliases"] if row.values.get("destination", ()) != (row.key,)}
    for start, loop in find_loops(routes, labels):
        way = " -> ".join(loop)
        if len(loop) == 2:
            reason = f"mail to {loop[0]} leads back to itself, and only a user can keep a copy: remove that destination"
        else:
            reason = f"the alias leads into a loop ({way}): change one of these"
        yield Fault(labels[start], reason)


def _domains_in_use(desired, changes, after):
    removed = {change.key: change for change in changes if change.kind is DOMAIN and change.after is None}
    labels = {row.key: row.label for row in desired["domains"]}
    left = {name: [] for name in removed}
    for kind in (USER, ALIAS):
        for key in sorted(after[kind.plural]):
            if domain_part(key) in left:
                left[domain_part(key)].append(f"{kind.name} {key}")
    for name, rows in left.items():
        if rows:
            label = labels.get(name, f"purge of domain {name}")
            yield Fault(label, f"the domain still has {_some(rows)}: remove them in the same call")


def _some(names, cap=5):
    more = len(names) - cap
    return ", ".join(names[:cap]) + (f" and {more} more" if more > 0 else "")
