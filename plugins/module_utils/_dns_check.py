# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""The records that ought to be published against what name servers answer."""

from __future__ import annotations

import time
from functools import partial
from typing import NamedTuple

from ansible_collections.virtmail.mailserver.plugins.module_utils import _dns_compare, _dns_spf
from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import MailserverError
from ansible_collections.virtmail.mailserver.plugins.module_utils._dns_ask import Resolver, Unanswered, in_parallel


class Questions(NamedTuple):
    """Whom to ask, how long to wait for one answer and for all, and what has to be as ours."""

    nameservers: list
    nameserver_port: int
    authoritative: bool
    timeout: int
    time_limit: int
    overwrite: list


class Report(NamedTuple):
    """What asking for all records has shown, [Difference] and [(Wanted, why it is unknown)], and what that took."""

    differences: list
    unanswered: list
    questions: int
    seconds: float


def check(site, records, questions):
    """Report. Fails if not even the first question, about the host, gets an answer in time."""
    start = time.monotonic()
    first = Resolver(questions.nameservers, questions.nameserver_port, questions.timeout)
    published = _ask_for_addresses(first, site.hostname)
    site = site._replace(addresses=site.addresses or published)
    parts = in_parallel(partial(_check_domain, site, questions), _dns_compare.group(records).values(), questions.time_limit)
    return Report(
        [difference for differences, dummy, dummy in parts for difference in differences],
        [each for dummy, unanswered, dummy in parts for each in unanswered],
        first.questions + sum(number for dummy, dummy, number in parts),
        round(time.monotonic() - start, 1),
    )


def _ask_for_addresses(resolver, hostname):
    try:
        return tuple(resolver.values(hostname, "A") + resolver.values(hostname, "AAAA"))
    except Unanswered as exc:
        if not exc.is_timeout:
            return ()
    servers = ", ".join(resolver.nameservers)
    raise MailserverError(f"No answer about {hostname} from {servers}: check that a resolver is there, or give other nameservers.")


def _check_domain(site, questions, wanted, is_late):
    """[Difference], [(Wanted, reason)], number of questions. After a silence the rest of the domain is not asked for."""
    resolver = Resolver(questions.nameservers, questions.nameserver_port, questions.timeout)
    differences, unanswered = [], []
    server = reason = None
    for each in wanted:
        if is_late():
            reason = "not asked for, as time_limit was over"
        if reason:
            unanswered.append((each, reason))
            continue
        try:
            server = server or _server_for(resolver, each.domain, questions)
            published = (resolver if each.type == "PTR" else server).values(each.name, each.type)
            differences += _dns_compare.compare(each, published, questions.overwrite, partial(_is_enough, site, resolver))
        except Unanswered as exc:
            unanswered.append((each, str(exc)))
            reason = "not asked for, as another answer about the domain did not come in time" if exc.is_timeout else None
    return differences, unanswered, resolver.questions + (server.questions if server not in (None, resolver) else 0)


def _server_for(resolver, domain, questions):
    if not questions.authoritative:
        return resolver
    return resolver.authoritative_for(domain, questions.nameserver_port, questions.timeout)


def _is_enough(site, resolver, wanted, values):
    """Whether a user's own records do what ours would do."""
    if wanted.purpose == "spf":
        return _dns_spf.lets_send(values[0], wanted.domain, site.hostname, site.addresses, resolver)
    return _dns_compare.is_enough(site.addresses, wanted, values)
