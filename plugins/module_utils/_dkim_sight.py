# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""What all name servers of a domain show of the records of its DKIM keys. A resolver would tell what it remembers."""

from __future__ import annotations

from ansible_collections.virtmail.mailserver.plugins.module_utils import _dns_compare
from ansible_collections.virtmail.mailserver.plugins.module_utils._dns_ask import Resolver, Unanswered, values_of


class NameServers:
    """The name servers of a domain, each asked on its own: a secondary one may lag behind."""

    def __init__(self, domain, nameservers, port, timeout):
        self._zone, addresses = Resolver(nameservers, port, timeout).name_servers_of(f"_domainkey.{domain}")
        self._servers = {name: Resolver(each, port, timeout) for name, each in sorted(addresses.items()) if each}
        unknown = sorted(addresses.keys() - self._servers.keys())
        if unknown or not self._servers:
            raise Unanswered(f"the name server {unknown[0]} has no address" if unknown else "the domain has no name servers")

    def obstacle(self, records):
        """Why somebody may not find {name: value}; empty if each server shows them all, and nothing beside them."""
        for server in self._servers:
            for name, value in records.items():
                found = self._values(server, name)
                if not found:
                    return f"{server} has no TXT record {name}"
                if {_form(each) for each in found} != {_form(value)}:
                    return f"{server} has another TXT record {name}"
        return ""

    def memory(self, records):
        """How many seconds others may remember what was there before: another record, or none."""
        return max(max(self._ttl(server, name) for name in records) for server in self._servers)

    def shows_any(self, records):
        """Whether a server has one of {name: value}."""
        return any(
            _form(value) in {_form(each) for each in self._values(server, name)}
            for server in self._servers
            for name, value in records.items()
        )

    def _values(self, server, name):
        return values_of(self._ask(server, name, "TXT") or (), "TXT")

    def _ttl(self, server, name):
        """RFC 2308: that there is no record may be remembered as long as the SOA record says."""
        zone = self._ask(server, self._zone, "SOA")
        record = self._ask(server, name, "TXT")
        return max(min(zone.ttl, zone[0].minimum) if zone else 0, record.ttl if record else 0)

    def _ask(self, server, name, kind):
        try:
            return self._servers[server].answer_with_ttl(name, kind)
        except Unanswered as exc:
            raise Unanswered(f"{server} gives {exc}", exc.is_timeout) from exc


def _form(value):
    return _dns_compare.normal_form("dkim", value)
