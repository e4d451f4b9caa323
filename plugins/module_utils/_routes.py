# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""Where mail goes in a directory. Says in Python what the lookup functions of the database say in SQL."""

from __future__ import annotations

from ansible_collections.virtmail.mailserver.plugins.module_utils._address import (
    domain_part,
    local_part,
    without_extension,
)


class Routes:
    def __init__(self, directory):
        self._domains = directory["domains"]
        self._users = directory["users"]
        self._aliases = directory["aliases"]

    def is_hosted(self, address):
        return domain_part(address) in self._domains

    def is_active_user(self, address):
        user = self._users.get(address)
        return bool(user and user.active and self._is_active_domain(domain_part(address)))

    def keeps_copy(self, address):
        """Is this a user's alias that also delivers to the user?"""
        return address in self._users and address in self._destinations(address)

    def next_addresses(self, address):
        """One step of rewriting; empty if mail stays here, or has nowhere to go."""
        domain = domain_part(address)
        if not self._is_active_domain(domain):
            return ()
        if address in self._aliases:
            return self._destinations(address)
        if address.startswith("@"):
            return ()
        box = without_extension(address)
        if self._is_taken(box):
            return self._destinations(box)
        behind = [f"{local_part(address)}@{name}" for name in self._domains_behind(domain)]
        accepted = [there for there in behind if self._accepts(without_extension(there))]
        return tuple(accepted) or self._catch_all(domain)

    def is_dead_end(self, source, destination):
        """Would this copy of mail to the source be lost? One for the source itself goes nowhere else than to its user."""
        if without_extension(destination) == source:
            return not self.is_active_user(source)
        return self.leads_nowhere(destination)

    def leads_nowhere(self, address):
        """Would mail to this address end neither at an active user nor outside?"""
        seen, to_visit = {address}, [address]
        while to_visit:
            step = to_visit.pop()
            if self.is_active_user(without_extension(step)) or not self.is_hosted(step):
                return False
            following = [there for there in self.next_addresses(step) if there not in seen]
            seen.update(following)
            to_visit += following
        return True

    def _is_active_domain(self, name):
        return bool(name in self._domains and self._domains[name].active)

    def _destinations(self, source):
        return self._aliases[source].destination if source in self._aliases else ()

    def _catch_all(self, domain):
        return tuple(there for there in self._destinations(f"@{domain}") if not there.startswith("@"))

    def _is_taken(self, address):
        return address in self._users or address in self._aliases

    def _accepts(self, address):
        if self.is_active_user(address) or address in self._aliases:
            return True
        return not self._is_taken(address) and bool(self._catch_all(domain_part(address)))

    def _domains_behind(self, domain):
        """The domains that stand in for this one, nearest first."""
        found, visited = [domain], 0
        while visited < len(found):
            for there in self._destinations(f"@{found[visited]}"):
                behind = there[1:]
                if there.startswith("@") and behind not in found and self._is_active_domain(behind):
                    found.append(behind)
            visited += 1
        return found[1:]


def find_loops(routes, starts):
    """Each loop that can be reached from the starts: the start, and the addresses from the loop's first back to it."""
    finished = set()
    for start in starts:
        path, branches = [start], [iter(_onward(routes, start))]
        while branches:
            there = next(branches[-1], None)
            if there is None:
                branches.pop()
                finished.add(path.pop())
            elif there in path:
                yield start, [*path[path.index(there) :], there]
            elif there not in finished:
                path.append(there)
                branches.append(iter(_onward(routes, there)))


def _onward(routes, address):
    # Who keeps a copy has the mail, whatever becomes of the rest
    return () if routes.keeps_copy(without_extension(address)) else routes.next_addresses(address)
