# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""Whether a domain's SPF record lets this server send, as a receiving server would find."""

from __future__ import annotations

from ansible.module_utils.basic import missing_required_lib

from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import MailserverError
from ansible_collections.virtmail.mailserver.plugins.module_utils._dns_ask import Unanswered

PYSPF_IMPORT_ERROR = None
try:
    import spf
except ImportError as exc:
    spf = None
    PYSPF_IMPORT_ERROR = str(exc)


def need_library():
    """A fault that names the library, where it is missing."""
    if spf is None:
        reason = f"to judge SPF records: {PYSPF_IMPORT_ERROR}"
        raise MailserverError(missing_required_lib("pyspf (Debian package python3-spf)", reason=reason))


def lets_send(record, domain, hostname, addresses, resolver):
    """Whether the record passes mail from each address. Unanswered if that depends on an answer that did not come."""
    results = {_judge(record, domain, hostname, address, resolver) for address in addresses}
    if "temperror" in results or not results:
        raise Unanswered("the SPF record cannot be followed to its end" if results else "no address of the host is known")
    return results == {"pass"}


def _judge(record, domain, hostname, address, resolver):
    query = spf.query(i=address, s=f"postmaster@{domain}", h=hostname)

    def lookup(name, kind, cnames=None, ignore_void=False):
        """In place of pyspf's own, which asks the system's resolvers only."""
        found = _ask(resolver, str(name).rstrip("."), kind)
        if not found and not ignore_void:
            query.void_lookups += 1
            if query.void_lookups > spf.MAX_VOID_LOOKUPS:
                raise spf.PermError(f"more than {spf.MAX_VOID_LOOKUPS} lookups found nothing")
        return found

    query.dns = lookup
    return query.check(spf=record)[0]


def _ask(resolver, name, kind):
    """Answers in pyspf's own form."""
    if not all(0 < len(label) < 64 for label in name.split(".")):
        return []
    try:
        rdatas = resolver.answer(name, kind)
    except Unanswered as exc:
        raise spf.TempError(str(exc)) from exc
    form = {
        "MX": lambda rdata: (rdata.preference, rdata.exchange.to_text()),
        "TXT": lambda rdata: list(rdata.strings),
        "PTR": lambda rdata: rdata.target.to_text().rstrip("."),
    }.get(kind, lambda rdata: rdata.address)
    return [form(rdata) for rdata in rdatas]
