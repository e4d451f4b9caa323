# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""What is published against what ought to be. Pure.

DKIM keys, TLSA records and the id of an MTA-STS policy follow from files of this server: nobody but us knows them. All else
may be a user's own, such as an SPF record that lets more servers send: it is as good as ours if it does not take from us what
ours would give.
"""

from __future__ import annotations

import re
from typing import NamedTuple

# Purposes of records whose values are known to us alone
OWN = frozenset({"dkim", "mta-sts", "tlsa"})
# Purposes of records that a user may have in his own way, until he lets us overwrite them
SHARED = ("address", "ptr", "mx", "spf", "dmarc", "dmarc-report", "tls-rpt", "srv", "web", "caa")

# The others that a name may have of the same type are none of our business
_BEGINNINGS = {
    "spf": re.compile(r"v=spf1(\s|$)", re.IGNORECASE),
    "dmarc": re.compile(r"v\s*=\s*DMARC1\s*(;|$)"),
    "dmarc-report": re.compile(r"v\s*=\s*DMARC1\s*(;|$)"),
    "mta-sts": re.compile(r"v\s*=\s*STSv1\s*;"),
    "tls-rpt": re.compile(r"v\s*=\s*TLSRPTv1\s*;"),
}
_TAG_LISTS = ("dkim", "dmarc", "dmarc-report", "mta-sts", "tls-rpt")
# Two of these and readers take neither, or any
SINGLE = ("spf", "dmarc", "dmarc-report", "tls-rpt")
# One more is somewhere that clients, or other servers, should not go
_HARMFUL_EXTRAS = ("address", "srv")
_STRICTNESS = ("none", "quarantine", "reject")


class Wanted(NamedTuple):
    """The records of ours that share a name, a type and a purpose."""

    domain: str
    name: str
    type: str
    ttl: int
    purpose: str
    values: tuple


class Difference(NamedTuple):
    """Kind is missing, different or surplus. Found has what is there and ought not to be."""

    wanted: Wanted
    kind: str
    value: str
    found: tuple


def group(records):
    """{domain: [Wanted]} in the order of the records."""
    groups = {}
    for record in records:
        key = (record.domain, record.name, record.type, record.ttl, record.purpose)
        groups.setdefault(key, []).append(record.value)
    domains = {}
    for key, values in groups.items():
        domains.setdefault(key[0], []).append(Wanted(*key, tuple(values)))
    return domains


def compare(wanted, published, overwrite, is_enough):
    """[Difference]. is_enough(wanted, values) judges what is not as ours; what is to be overwritten has to be as ours."""
    is_exact = wanted.purpose in OWN or wanted.purpose in overwrite
    forms = {value: normal_form(wanted.purpose, value) for value in (*wanted.values, *published)}
    relevant = [value for value in published if is_relevant(wanted.purpose, value)]
    extra = tuple(value for value in relevant if forms[value] not in {forms[each] for each in wanted.values})
    lacking = [value for value in wanted.values if forms[value] not in {forms[each] for each in relevant}]
    if wanted.purpose in SINGLE and len(relevant) > 1:
        ours = [value for value in relevant if value not in extra][:1]
        return [Difference(wanted, "surplus", wanted.values[0], tuple(value for value in relevant if value not in ours))]
    if lacking and extra and not is_exact and is_enough(wanted, extra):
        return []
    if lacking:
        return [Difference(wanted, "different" if extra else "missing", value, extra) for value in lacking]
    if extra and (is_exact or wanted.purpose in _HARMFUL_EXTRAS):
        return [Difference(wanted, "surplus", wanted.values[0], extra)]
    return []


def is_relevant(purpose, value):
    beginning = _BEGINNINGS.get(purpose)
    return beginning is None or beginning.match(value) is not None


def normal_form(purpose, value):
    """Equal for values that mean the same."""
    if purpose in _TAG_LISTS:
        return tuple(sorted(tags(value).items()))
    return " ".join(value.lower().split())


def tags(text):
    """{tag: value} of a tag list (RFC 6376, section 3.2), in which no space counts."""
    pairs = (part.partition("=") for part in "".join(text.split()).split(";") if part)
    return {name: value for name, dummy, value in pairs}


def is_as_strict(value, policy):
    """Whether a DMARC record asks for at least this policy, for all mail of the domain and of what is below it."""
    found = tags(value)
    percentage = found.get("pct", "100")
    strictness = [found.get("p", ""), found.get("sp", found.get("p", ""))]
    return percentage == "100" and all(
        each in _STRICTNESS and _STRICTNESS.index(each) >= _STRICTNESS.index(policy) for each in strictness
    )


def is_enough(addresses, wanted, values):
    """Whether records that are not as ours do what ours would do, on a server with these addresses."""
    ours = wanted.values[0]
    if wanted.purpose == "dmarc":
        return is_as_strict(values[0], tags(ours).get("p", "none"))
    if wanted.purpose == "mx":
        return ours.split()[-1] in [value.split()[-1] for value in values]
    if wanted.purpose == "web":
        return set(values) <= set(addresses)
    return wanted.purpose == "tls-rpt" and bool(tags(values[0]).get("rua"))


def explain(difference):
    """One sentence."""
    wanted, kind, value, found = difference
    there = " and ".join(found)
    if kind == "missing":
        return f"{wanted.name} has no {wanted.type} record {value}."
    if kind == "different":
        return f"{wanted.name} has the {wanted.type} record {there} instead of {value}."
    if wanted.purpose in SINGLE:
        return f"{wanted.name} has more than one {wanted.purpose} record, so that none counts: {there}{_beside(difference)}."
    return f"{wanted.name} has the {wanted.type} record {there} beside {' and '.join(wanted.values)}, which leads others astray."


def _beside(difference):
    return f" beside {difference.value}" if len(difference.found) == 1 else ""
