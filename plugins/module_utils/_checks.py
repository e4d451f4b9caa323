# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""What cannot be allowed, or deserves a warning, once wanted and stored rows are seen together. Pure.

Only rows that the call names, or changes, are judged: what was odd before does not stand in anybody's way.
"""

from __future__ import annotations

import re

from ansible_collections.virtmail.mailserver.plugins.module_utils._address import domain_part, without_extension
from ansible_collections.virtmail.mailserver.plugins.module_utils._entities import (
    ALIAS,
    DOMAIN,
    KINDS,
    OMITTED,
    ORGANIZATION,
    USER,
    Fault,
    split_app_key,
)
from ansible_collections.virtmail.mailserver.plugins.module_utils._routes import Routes, find_loops
from ansible_collections.virtmail.mailserver.plugins.module_utils._usage import find_surplus

_LIMIT = re.compile("[0-9]+%?")


def find_faults(desired, changes, after):
    present = {plural: [row for row in rows.values() if row.present] for plural, rows in desired.items()}
    routes = Routes(after)
    return [
        *_homeless(present, after),
        *_new_users_without_password(present, after),
        *_new_app_passwords_without_password(present, after),
        *_equal_app_passwords(present, after),
        *_unreachable_users(present, after),
        *_self_aliases(present),
        *_loops(present, routes),
        *_domains_in_use(desired, changes, after),
        *_organizations_in_use(desired, changes, after),
        *_unknown_organizations(present, after),
        *_shared_roles(present, after),
        *_surplus(desired, changes, after),
    ]


def find_purge_faults(desired, stored, changes, purge, limit):
    """Limit is a number of rows, or a percentage of those that are managed."""
    if not _LIMIT.fullmatch(limit):
        yield Fault("purge_limit", f"{limit!r} is no number of rows, such as 10, and no percentage, such as 5%")
        return
    for kind in KINDS:
        if kind.plural not in purge:
            continue
        if not any(row.present for row in desired[kind.plural].values()):
            reason = f"{kind.plural} is an empty list, and all would be deleted: give the list, or do not purge it"
            yield Fault("purge", reason)
        keys = [change.key for change in changes if change.kind is kind and change.purged]
        if len(keys) > _allowed(limit, stored[kind.plural]):
            reason = f"{len(keys)} {kind.plural} would be deleted ({_some(keys, 20)}), and purge_limit is {limit}"
            yield Fault("purge", f"{reason}: raise it if they shall go")


def _allowed(limit, rows):
    if not limit.endswith("%"):
        return int(limit)
    return sum(record.managed for record in rows.values()) * int(limit[:-1]) // 100


def find_warnings(desired, changes, after):
    """Destinations of ours where no mail can arrive: in aliases of this call, or behind users that it takes away."""
    routes = Routes(after)
    named = {row.key for row in desired["aliases"].values() if row.present}
    lost = {change.key for change in changes if change.kind is USER and _is_lost(change)}
    for source, alias in after["aliases"].items():
        for destination in alias.destination:
            if source not in named and without_extension(destination) not in lost:
                continue
            if not destination.startswith("@") and routes.is_dead_end(source, destination):
                yield f"alias {source}: mail to {destination} arrives nowhere, as no active user is there."


def _is_lost(change):
    return change.before is not None and (change.after is None or not change.after.active)


def _destinations(row):
    return () if row.values.destination is OMITTED else row.values.destination


def _homeless(present, after):
    for row in present["users"] + present["aliases"]:
        domain = domain_part(row.key)
        if domain not in after["domains"]:
            yield Fault(row.label, f"the domain {domain} does not exist: add it to the domains first")
    for row in present["aliases"]:
        for destination in _destinations(row):
            if destination.startswith("@") and destination[1:] not in after["domains"]:
                reason = f"the domain of destination {destination} does not exist: add it to the domains first"
                yield Fault(row.label, reason)


def _new_users_without_password(present, after):
    for row in present["users"]:
        if after["users"][row.key].password is None:
            yield Fault(row.label, "a new user needs a password: give password or password_hash")


def _new_app_passwords_without_password(present, after):
    for row in present["app_passwords"]:
        if after["app_passwords"][row.key].password is None:
            yield Fault(row.label, "a new app password needs password or password_hash: give one")


def _equal_app_passwords(present, after):
    """Which of them somebody has used would be a matter of chance."""
    owners = {}
    for key, app in after["app_passwords"].items() if present["app_passwords"] else ():
        owners.setdefault((split_app_key(key)[0], app.password), []).append(key)
    for row in present["app_passwords"]:
        password = after["app_passwords"][row.key].password
        others = [key for key in owners[split_app_key(row.key)[0], password] if password is not None and key != row.key]
        if others:
            yield Fault(row.label, f"the password is that of {others[0]}, too: give each app one of its own")


def _unreachable_users(present, after):
    """A user whose alias sends all mail elsewhere has a mailbox that stays empty."""
    places = {}
    for row in present["users"] + present["aliases"]:
        places.setdefault(row.key, []).append(row)
    for address, rows in places.items():
        user, alias = after["users"].get(address), after["aliases"].get(address)
        if user and user.active and alias and address not in alias.destination:
            other = f" (see {rows[0].label})" if len(rows) > 1 else ""
            reason = (
                f"{address} is a user and an alias{other}, so the user would get no mail: add {address} to the"
                " alias's destinations to keep a copy, make the user inactive, or remove one of the two"
            )
            yield Fault(rows[-1].label, reason)


def _self_aliases(present):
    for row in present["aliases"]:
        if _destinations(row) == (row.key,):
            yield Fault(row.label, "the alias leads only to itself: give another destination, or remove it")


def _loops(present, routes):
    rows = {row.key: row for row in present["aliases"] if _destinations(row) != (row.key,)}
    for start, loop in find_loops(routes, rows):
        way = " -> ".join(loop)
        if len(loop) == 2:
            reason = f"mail to {loop[0]} leads back to itself, and only a user can keep a copy: remove that destination"
        else:
            reason = f"the alias leads into a loop ({way}): change one of these"
        yield Fault(rows[start].label, reason)


def _domains_in_use(desired, changes, after):
    left = _removed(changes, DOMAIN)
    for kind in (USER, ALIAS) if left else ():
        for key in sorted(after[kind.plural]):
            if domain_part(key) in left:
                left[domain_part(key)].append(f"{kind.name} {key}")
    for name, rows in left.items():
        if rows:
            label = _label(desired, DOMAIN, name)
            yield Fault(label, f"the domain still has {_some(rows)}: remove them in the same call")


def _organizations_in_use(desired, changes, after):
    left = _removed(changes, ORGANIZATION)
    for key, domain in sorted(after["domains"].items()) if left else ():
        if domain.organization in left:
            left[domain.organization].append(f"domain {key}")
    for name, rows in left.items():
        if rows:
            label = _label(desired, ORGANIZATION, name)
            yield Fault(label, f"the organization still has {_some(rows)}: give them to another one, or to none, in the same call")


def _removed(changes, kind):
    """A list to fill for each row that goes."""
    return {change.key: [] for change in changes if change.kind is kind and change.after is None}


def _label(desired, kind, key):
    row = desired[kind.plural].get(key)
    return row.label if row else f"purge of {kind.name} {key}"


def _unknown_organizations(present, after):
    for row in present["domains"]:
        name = row.values.organization
        if name not in (None, OMITTED) and name not in after["organizations"]:
            yield Fault(row.label, f"the organization {name} does not exist: add it to the organizations first")


def _shared_roles(present, after):
    owners = {}
    for name, organization in after["organizations"].items():
        owners.setdefault(organization.database_role, []).append(name)
    for row in present["organizations"]:
        role = row.values.database_role
        others = [name for name in owners.get(role, ()) if role is not None and name != row.key]
        if others:
            yield Fault(row.label, f"database_role {role} is that of organization {others[0]} already: give another one")


def _surplus(desired, changes, after):
    """Who writes nothing is not to blame for what is stored."""
    for name, reason in find_surplus(after) if changes else ():
        row = desired["organizations"].get(name)
        yield Fault(row.label if row else f"organization {name}", f"{reason}: raise the limit, or declare less")


def _some(names, cap=5):
    more = len(names) - cap
    return ", ".join(names[:cap]) + (f" and {more} more" if more > 0 else "")
