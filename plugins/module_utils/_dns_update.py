# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""Records into the zones of a name server, by dynamic updates (RFC 2136) signed with a shared key (RFC 8945)."""

from __future__ import annotations

import binascii
import ipaddress
import socket
from functools import partial
from typing import NamedTuple

from ansible_collections.virtmail.mailserver.plugins.module_utils import _dns_compare, _dns_zone
from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import MailserverError
from ansible_collections.virtmail.mailserver.plugins.module_utils._dns_ask import PAYLOAD, in_parallel, values_of

try:
    import dns.exception
    import dns.flags
    import dns.message
    import dns.name
    import dns.query
    import dns.rcode
    import dns.rdatatype
    import dns.tsig
    import dns.tsigkeyring
    import dns.update
except ImportError:
    dns = None  # reported by need_library

# Of the longest keys, so many may be replaced by others in a message of 64 KiB
_CHANGES_IN_A_MESSAGE = 25


class Published(NamedTuple):
    """What the server has: {value: (type, the value in a zone file, with the strings that TXT is divided into)}."""

    values: dict
    ttl: int
    alias: str
    zone: str


class Change(NamedTuple):
    """(type, value in a zone file) that go, and of what comes, if anything, at a name of a zone."""

    zone: str
    name: str
    ttl: int
    remove: tuple
    add: tuple


class Plan(NamedTuple):
    """[Change], [Difference] that are others' own, and names that the server has no zone of."""

    changes: list
    left_alone: list
    unserved: list


class Server:
    """The primary server of the zones."""

    def __init__(self, params):
        self.place = f"{params['server']} port {params['port']}"
        self._key = {"keyname": params["tsig_name"], "keyalgorithm": params["tsig_algorithm"]}
        try:
            self._key["keyring"] = dns.tsigkeyring.from_text({params["tsig_name"]: params["tsig_secret"]})
        except binascii.Error:
            raise MailserverError("tsig_secret is no base64: give the secret as the name server's configuration has it.") from None
        self._where = {"where": _resolve(params["server"]), "port": params["port"], "timeout": params["timeout"]}

    def published(self, name, kind):
        """Published, or None where the server has no zone with the name."""
        response = self._ask(name, kind)
        if response is None:
            return None
        own = {dns.rdatatype.to_text(rrset.rdtype): rrset for rrset in response.answer if rrset.name == dns.name.from_text(name)}
        alias = own["CNAME"][0].to_text() if "CNAME" in own and kind != "CNAME" else ""
        values, ttl = {}, None
        for rrset in response.answer if alias else [own[kind]] if kind in own else []:
            if rrset.rdtype == dns.rdatatype.from_text(kind):
                values.update(zip(values_of(rrset, kind), ((kind, rdata.to_text()) for rdata in rrset)))
                ttl = rrset.ttl
        return Published(values, ttl, alias, _zone_in(response, name))

    def zone_of(self, name):
        """The zone that the name is in, or None where the server has none."""
        response = self._ask(name, "SOA")
        if response is None:
            return None
        return _zone_in(response, name) or self.zone_of(name.partition(".")[2])  # an alias speaks for what it leads to

    def _ask(self, name, kind):
        question = dns.message.make_query(f"{name}.", kind, use_edns=0, payload=PAYLOAD)
        question.flags &= ~dns.flags.RD
        try:
            response = self._exchange(question)
        except (dns.exception.DNSException, OSError) as exc:
            raise self._silent(exc) from exc
        is_ours = response.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN) and response.flags & dns.flags.AA
        return response if is_ours else None

    def _exchange(self, question):
        try:
            return dns.query.udp_with_fallback(question, **self._where)[0]
        except dns.exception.Timeout as exc:
            try:
                return dns.query.tcp(question, **self._where)  # a packet may get lost
            except OSError:
                raise exc from None

    def rehearse(self, zone):
        """An update that changes nothing tells whether the server takes those that do."""
        self._send(dns.update.UpdateMessage(zone, **self._key), zone)

    def change(self, zone, changes):
        for start in range(0, len(changes), _CHANGES_IN_A_MESSAGE):
            message = dns.update.UpdateMessage(zone, **self._key)
            for change in changes[start : start + _CHANGES_IN_A_MESSAGE]:
                for kind, value in change.remove:
                    message.delete(f"{change.name}.", kind, value)
                if change.add:
                    message.add(f"{change.name}.", change.ttl, *change.add)
            self._send(message, zone)

    def _send(self, message, zone):
        try:
            code = dns.query.tcp(message, **self._where).rcode()
        except dns.tsig.PeerBadKey as exc:
            raise self._refused(zone, "it has no such key of this algorithm: check tsig_name and tsig_algorithm") from exc
        except dns.tsig.PeerBadSignature as exc:
            raise self._refused(zone, "its key of this name is another one: check tsig_secret and tsig_algorithm") from exc
        except dns.tsig.PeerBadTime as exc:
            raise self._refused(zone, "its clock shows another time than this machine's: set both") from exc
        except (dns.exception.DNSException, OSError) as exc:
            raise self._silent(exc) from exc
        if code != dns.rcode.NOERROR:
            reason = {
                dns.rcode.REFUSED: "it does not let this key change the zone, or not so: look at allow-update or update-policy there, and at its log",
                dns.rcode.NOTAUTH: "it is not the primary server of the zone: give that one",
            }.get(code, f"it answers {dns.rcode.to_text(code)}")
            raise self._refused(zone, reason)

    def _refused(self, zone, reason):
        key = f"{self._key['keyname']} ({self._key['keyalgorithm']})"
        return MailserverError(f"Name server {self.place} refuses updates of zone {zone} with key {key}: {reason}.")

    def _silent(self, exc):
        reason = "it does not answer" if isinstance(exc, dns.exception.Timeout) else str(exc).rstrip(".")
        return MailserverError(f"Name server {self.place} cannot be used: {reason}. Check server and port, and what is between.")


def _zone_in(response, name):
    """The zone of the name, where a response says it: all negative ones do, and those about the zone itself."""
    for rrset in (*response.answer, *response.authority):
        if rrset.rdtype == dns.rdatatype.SOA and dns.name.from_text(name).is_subdomain(rrset.name):
            return rrset.name.to_text(omit_final_dot=True)
    return None


def _resolve(server):
    try:
        return str(ipaddress.ip_address(server))
    except ValueError:
        pass
    try:
        return socket.getaddrinfo(server, None)[0][4][0]
    except OSError as exc:
        raise MailserverError(f"server: {server} has no address ({exc.strerror}): correct it, or give an IP address.") from exc


def make_plan(server, records, overwrite):
    """Plan of what brings the records into the server's zones."""
    addresses = [record.value for record in records if record.purpose == "address"]
    work = partial(_plan_domain, server, overwrite, partial(_dns_compare.is_enough, addresses))
    plan = Plan([], [], [])
    for part in in_parallel(work, _dns_compare.group(records).values(), None):
        for whole, found in zip(plan, part):
            whole.extend(found)
    return plan


def _plan_domain(server, overwrite, is_enough, wanted, is_failed):
    plan = Plan([], [], [])
    if is_failed() or server.zone_of(wanted[0].domain) is None:
        plan.unserved.append(wanted[0].domain)
        return plan
    for each in wanted:
        published = _look_at(server, each.name, each.type)
        if published is None:
            plan.unserved.append(each.name)
            continue
        differences = _dns_compare.compare(each, published.values, overwrite, is_enough)
        if differences and _is_from_wildcard(server, each, published):
            published = published._replace(values={}, ttl=None, alias="")
            differences = _dns_compare.compare(each, (), overwrite, is_enough)
        for difference in differences:
            if _is_ours_to_change(difference, published, overwrite):
                plan.changes.append(_change(server, published, difference))
            else:
                plan.left_alone.append(difference._replace(found=(published.alias,)) if published.alias else difference)
    return plan


def _look_at(server, name, kind):
    """A name that ought to be an alias may have addresses of its own instead."""
    published = server.published(name, kind)
    if kind == "CNAME" and published and not published.values:
        for other in ("A", "AAAA"):
            published.values.update(server.published(name, other).values)
    return published


def _is_from_wildcard(server, wanted, published):
    """Whether the records are those that a wildcard makes up for all names that have none, so that ours take their place."""
    if not published.values and not published.alias:
        return False
    zone = published.zone or server.zone_of(wanted.name)
    labels = wanted.name.split(".")
    parents = [".".join(labels[number:]) for number in range(1, len(labels) - zone.count("."))]
    return published[:3] in [_look_at(server, f"*.{parent}", wanted.type)[:3] for parent in parents]


def _is_ours_to_change(difference, published, overwrite):
    """What is behind an alias is somebody else's, and a name with an alias takes no record of ours."""
    purpose = difference.wanted.purpose
    return not published.alias and (difference.kind == "missing" or purpose in _dns_compare.OWN or purpose in overwrite)


def _change(server, published, difference):
    wanted, dummy, value, found = difference
    kept = {_dns_compare.normal_form(wanted.purpose, each) for each in published.values if each not in found}
    is_there = _dns_compare.normal_form(wanted.purpose, value) in kept
    return Change(
        published.zone or server.zone_of(wanted.name),
        wanted.name,
        published.ttl or wanted.ttl,  # all records of a name and type have the same
        tuple(published.values[each] for each in found),
        () if is_there else (wanted.type, _dns_zone.zone_value(wanted.type, value)),
    )


def plan_removal(server, records):
    """[Change] that takes away records that are as ours. Whatever else is at their names is somebody's own."""
    return [change for change in in_parallel(partial(_removal, server), records, None) if change]


def _removal(server, record, is_failed):
    published = None if is_failed() else server.published(record.name, record.type)
    if not published or published.alias:
        return None
    ours = _dns_compare.normal_form(record.purpose, record.value)
    found = tuple(text for value, text in published.values.items() if _dns_compare.normal_form(record.purpose, value) == ours)
    return found and Change(published.zone or server.zone_of(record.name), record.name, published.ttl, found, ())


def publish(server, changes, is_check):
    """One message for each zone, once the server has let us know that it would take all of them."""
    zones = {}
    for change in changes:
        zones.setdefault(change.zone, []).append(change)
    for zone in zones:
        server.rehearse(zone)
    for number, zone in enumerate([] if is_check else zones):
        try:
            server.change(zone, zones[zone])
        except MailserverError as exc:
            raise MailserverError(f"{exc} {number} of {len(zones)} zones are done; a further run does the rest.") from exc


def diff(changes):
    """Lines of zone files, before and after."""
    before = {_dns_zone.line(each.name, each.ttl, *value) for each in changes for value in each.remove}
    after = {_dns_zone.line(each.name, each.ttl, *each.add) for each in changes if each.add}
    return {"before": "".join(sorted(before)), "after": "".join(sorted(after))}
