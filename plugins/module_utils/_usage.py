# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""What organizations have, and what is more than they may have. Says in Python what the database enforces in SQL. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.virtmail.mailserver.plugins.module_utils._address import domain_part
from ansible_collections.virtmail.mailserver.plugins.module_utils._entities import ORGANIZATION, format_quota


@dataclass
class Usage:
    """Sums over all domains of an organization; an alias counts once for each destination, as it is stored."""

    domains: int = 0
    users: int = 0
    aliases: int = 0
    quota_bytes: int = 0
    users_without_quota: int = 0
    boundless: str = ""  # the first of these


def usage(directory):
    """{name of the organization: Usage}"""
    found = {name: Usage() for name in sorted(directory["organizations"])}
    if not found:
        return found
    owners = {name: found[domain.organization] for name, domain in directory["domains"].items() if domain.organization in found}
    for owner in owners.values():
        owner.domains += 1
    for email, user in directory["users"].items():
        owner = owners.get(domain_part(email))
        if owner:
            _count_user(owner, email, user)
    for source, alias in directory["aliases"].items():
        owner = owners.get(domain_part(source))
        if owner:
            owner.aliases += len(alias.destination)
    return found


def _count_user(owner, email, user):
    owner.users += 1
    if user.quota_bytes:
        owner.quota_bytes += user.quota_bytes
    else:
        owner.users_without_quota += 1
        owner.boundless = min(owner.boundless or email, email)


def report(directory):
    """The same for the user, beside the limits."""
    return {
        name: {
            "domains": used.domains,
            "users": used.users,
            "aliases": used.aliases,
            "quota": format_quota(used.quota_bytes),
            "users_without_quota": used.users_without_quota,
            **_limits(directory["organizations"][name]),
        }
        for name, used in usage(directory).items()
    }


def _limits(organization):
    limits = [column for column in ORGANIZATION.columns if column.option.startswith("max_")]
    return {column.option: column.give(getattr(organization, column.name)) for column in limits}


def find_surplus(directory):
    """Name of the organization and what it would have too much of, for each limit that would not be kept."""
    for name, used in usage(directory).items():
        limits = directory["organizations"][name]
        for what, allowed, there in (
            ("domains", limits.max_domains, used.domains),
            ("users", limits.max_users, used.users),
            ("destinations of aliases", limits.max_aliases, used.aliases),
        ):
            if allowed is not None and there > allowed:
                yield name, f"it may have {allowed} {what} and would have {there}"
        if limits.max_quota_bytes is None:
            continue
        allowed = format_quota(limits.max_quota_bytes)
        if used.quota_bytes > limits.max_quota_bytes:
            yield name, f"it may have a quota of {allowed} in all and would have {format_quota(used.quota_bytes)}"
        if used.boundless:
            yield name, f"it may have a quota of {allowed} in all, and user {used.boundless} has no quota of its own"
