# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""The life of a domain's DKIM keys, as its table on the mail server tells it. Pure.

A key is next until all name servers show its record, then shown until nobody can remember that it was not there, then signing until
others follow it, then retired as long as mail that it signed may be on its way, and then removed: the key is gone, and so is the line
once no name server shows the record.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from typing import NamedTuple

NEXT, SHOWN, SIGNING, RETIRED, REMOVED = STATES = ("next", "shown", "signing", "retired", "removed")
_TIME = "%Y-%m-%dT%H:%M:%SZ"


class Key(NamedTuple):
    """A line of the table."""

    selector: str
    algorithm: str
    state: str
    since: datetime


class Rules(NamedTuple):
    """Which keys a domain has, and how many days they sign, and stay published afterwards."""

    algorithms: tuple
    rotate_after: int
    retire_after: int


def parse(text):
    """[Key]; ValueError for a line that is none."""
    keys = []
    for line in filter(str.strip, text.splitlines()):
        selector, algorithm, state, since = line.split()
        if state not in STATES:
            raise ValueError(state)
        keys.append(Key(selector, algorithm, state, datetime.strptime(since, _TIME).replace(tzinfo=timezone.utc)))
    return keys


def render(keys):
    return "".join(f"{key.selector} {key.algorithm} {key.state} {key.since.strftime(_TIME)}\n" for key in keys)


def in_state(keys, *states):
    return [key for key in keys if key.state in states]


def move(keys, old, new, now):
    """All keys of one state into another."""
    return [key._replace(state=new, since=now) if key.state == old else key for key in keys]


def see(keys, all_shown, ttl, now):
    """What becomes of keys that are to sign, after a look at the name servers. Both kinds change places at once."""
    if not all_shown:
        return move(keys, SHOWN, NEXT, now)
    keys = move(keys, NEXT, SHOWN, now)
    if now < max(key.since for key in in_state(keys, SHOWN)) + timedelta(seconds=ttl):
        return keys
    return move(move(keys, SIGNING, RETIRED, now), SHOWN, SIGNING, now)


def retire(keys, rules, now):
    """Old keys whose time is over go all together."""
    old = in_state(keys, RETIRED)
    is_over = old and now >= retirement(keys, rules)
    return move(keys, RETIRED, REMOVED, now) if is_over else keys


def retirement(keys, rules):
    return max(key.since for key in in_state(keys, RETIRED)) + timedelta(days=rules.retire_after)


def begin(keys, rules, used, now):
    """Keys to follow those that have signed for long, or that are of other kinds than wanted. One rotation at a time.

    A selector that was ever used, as far as we know, is not used again: somebody may remember its record.
    """
    signing = in_state(keys, SIGNING)
    if not signing or in_state(keys, NEXT, SHOWN, RETIRED, REMOVED):
        return keys
    is_old = now >= min(key.since for key in signing) + timedelta(days=rules.rotate_after)
    if not is_old and {key.algorithm for key in signing} == set(rules.algorithms):
        return keys
    used = {*used, *(key.selector for key in keys)}
    return keys + [Key(_unused(algorithm, used), algorithm, NEXT, now) for algorithm in rules.algorithms]


def _unused(algorithm, used):
    numbers = [int(match[1]) for match in (re.fullmatch(rf"{algorithm}-(\d+)", selector) for selector in used) if match]
    return f"{algorithm}-{max(numbers, default=0) + 1}"


def explain(domain, keys, rules, obstacle, ttl):
    """How it stands with the keys, in a sentence each; nothing where they just sign."""
    names = {state: " and ".join(key.selector for key in in_state(keys, state)) for state in STATES}
    sentences = []
    if names[NEXT]:
        sentences.append(f"{names[NEXT]} wait to be shown by all name servers: {obstacle}.")
    if names[SHOWN]:
        start = max(key.since for key in in_state(keys, SHOWN)) + timedelta(seconds=ttl)
        sentences.append(f"{names[SHOWN]} are shown by all name servers, and sign when this is run after {_say(start)}.")
    if names[RETIRED]:
        end = retirement(keys, rules)
        sentences.append(
            f"{names[SIGNING]} sign, and {names[RETIRED]} stay published for mail that is on its way; they go when this is run after"
            f" {_say(end)}."
        )
    if names[REMOVED]:
        sentences.append(f"{names[REMOVED]} are removed, and their records are to go: remove them where that is not done here.")
    return f"{domain}: {' '.join(sentences)}" if sentences else ""


def _say(time):
    return time.strftime("%Y-%m-%d %H:%M UTC")
