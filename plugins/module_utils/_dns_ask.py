# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""Questions to name servers, many at a time: one domain that nobody answers for holds up no other."""

from __future__ import annotations

import concurrent.futures
import ipaddress
import threading

from ansible.module_utils.basic import missing_required_lib

from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import MailserverError

DNSPYTHON_IMPORT_ERROR = None
try:
    import dns.exception
    import dns.rdatatype
    import dns.resolver
except ImportError as exc:
    dns = None
    DNSPYTHON_IMPORT_ERROR = str(exc)

AT_ONCE = 32
# What passes every network in one packet (RFC 9715)
PAYLOAD = 1232


class Unanswered(Exception):
    """Nobody knows whether the record is there."""

    def __init__(self, reason, is_timeout=False):
        super().__init__(reason)
        self.is_timeout = is_timeout


def need_library():
    """A fault that names the library, where it is missing."""
    if dns is None:
        reason = f"to ask name servers: {DNSPYTHON_IMPORT_ERROR}"
        raise MailserverError(missing_required_lib("dnspython (Debian package python3-dnspython)", reason=reason))


def values_of(rdatas, kind):
    """Values as our records have them."""
    if kind == "TXT":
        return [b"".join(rdata.strings).decode("utf-8", "backslashreplace") for rdata in rdatas]
    return [rdata.to_text().lower() for rdata in rdatas]


class Resolver:
    """Resolvers, or the name servers of a domain. Counts its questions."""

    def __init__(self, nameservers, port, timeout):
        try:
            self._resolver = dns.resolver.Resolver(configure=not nameservers)
        except dns.resolver.NoResolverConfiguration as exc:
            raise MailserverError("/etc/resolv.conf names no resolver: give nameservers.") from exc
        self.nameservers = [_address(server) for server in nameservers] or self._resolver.nameservers
        self._resolver.nameservers = self.nameservers
        self._resolver.port = port
        self._resolver.timeout = timeout / 2  # a packet may get lost
        self._resolver.lifetime = timeout
        self._resolver.use_edns(0, 0, PAYLOAD)
        self.questions = 0

    def answer(self, name, kind):
        """The records that the name leads to, as dnspython has them; Unanswered if that cannot be said."""
        return list(self.answer_with_ttl(name, kind) or ())

    def answer_with_ttl(self, name, kind):
        """The same as a set that has a ttl; None if there are none."""
        self.questions += 1
        try:
            return self._resolver.resolve(f"{name}.", kind, raise_on_no_answer=False).rrset
        except dns.resolver.NXDOMAIN:
            return None
        except dns.exception.Timeout as exc:
            raise Unanswered("no answer in time", is_timeout=True) from exc
        except (dns.exception.DNSException, OSError) as exc:
            raise Unanswered(f"no answer but an error ({_cause(exc)})") from exc

    def values(self, name, kind):
        """Values as our records have them. A name that ought to be an alias may have addresses of its own instead."""
        if kind != "CNAME":
            return values_of(self.answer(name, kind), kind)
        alias = values_of(self.answer(name, "CNAME"), "CNAME")
        return alias or self.values(name, "A") + self.values(name, "AAAA")

    def authoritative_for(self, domain, port, timeout):
        """The domain's own name servers, whose answers nobody has kept from yesterday."""
        dummy, servers = self.name_servers_of(domain)
        addresses = [address for each in servers.values() for address in each]
        if not addresses:
            raise Unanswered("its name servers have no addresses")
        return Resolver(addresses, port, timeout)

    def name_servers_of(self, domain):
        """The zone that the domain is in, and {name server: its addresses}."""
        try:
            self.questions += 1
            zone = dns.resolver.zone_for_name(f"{domain}.", resolver=self._resolver).to_text(omit_final_dot=True)
        except dns.exception.Timeout as exc:
            raise Unanswered("its name servers cannot be found in time", is_timeout=True) from exc
        except (dns.exception.DNSException, OSError) as exc:
            raise Unanswered(f"its name servers cannot be found ({_cause(exc)})") from exc
        servers = [name.rstrip(".") for name in self.values(zone, "NS")]
        return zone, {server: self.values(server, "A") + self.values(server, "AAAA") for server in servers}


def _address(server):
    try:
        return str(ipaddress.ip_address(server))
    except ValueError as exc:
        raise MailserverError(f"nameservers: {server} is no IP address: give the address of a resolver.") from exc


def _cause(exc):
    """What each server said is long; the last is as good as any."""
    errors = exc.kwargs.get("errors") if isinstance(exc, dns.resolver.NoNameservers) else None
    return str(errors[-1][3] if errors else exc).rstrip(".") or type(exc).__name__


def in_parallel(work, items, time_limit):
    """[work(item, is_late)] in the order of the items; is_late() says that the time for all of them is over."""
    late = threading.Event()
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=AT_ONCE)
    try:
        jobs = [pool.submit(work, item, late.is_set) for item in items]
        concurrent.futures.wait(jobs, timeout=time_limit, return_when=concurrent.futures.FIRST_EXCEPTION)
        late.set()
        return [job.result() for job in jobs]
    finally:
        late.set()
        pool.shutdown()
