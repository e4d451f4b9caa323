# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""What a domain, a user and an alias are: options, columns, and the way from one to the other."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ansible_collections.virtmail.mailserver.plugins.module_utils import _address, _password

MAX_QUOTA = 2**63 - 1
_UNITS = ("", "K", "M", "G", "T", "P")
_QUOTA = re.compile(r"(\d+)\s*(?:([KMGTP])(?:i?B)?)?", re.IGNORECASE)


@dataclass(frozen=True)
class Column:
    """A column of a table, the option that sets it, and what a new row gets where the option is omitted."""

    name: str
    option: str
    sql_type: str
    default: object
    parse: object
    show: object = str  # as text in the diff
    give: object = lambda value: value  # as the option takes it


@dataclass(frozen=True)
class Kind:
    """One of the three sorts of rows. A stored row is a dict of these columns, found by its key."""

    name: str
    plural: str
    table: str
    key: str
    parse_key: object
    columns: tuple
    options: dict
    # Generator of what is wrong with a row beyond single columns; may add values
    finish: object


@dataclass(frozen=True)
class Fault:
    """Why a call is refused: the row, or the option, and a sentence that says how to mend it."""

    label: str
    reason: str

    def __str__(self):
        return f"{self.label}: {self.reason}."


@dataclass(frozen=True)
class Row:
    """A row as the caller wants it. Values hold the columns that were given, and nothing for the others."""

    kind: Kind
    label: str
    key: str
    present: bool
    values: dict
    keeps_password: bool = False


def parse_quota(text):
    """'5G' as bytes, '0' as unlimited, 'default' as None: whatever the server gives to everybody."""
    stripped = text.strip()
    if stripped.lower() == "default":
        return None
    match = _QUOTA.fullmatch(stripped)
    if not match:
        raise ValueError(f"quota {text!r} is no size: write 500M or 5G, 0 for unlimited, or default")
    size = int(match[1]) * 1024 ** _UNITS.index((match[2] or "").upper())
    if size > MAX_QUOTA:
        raise ValueError(f"quota {text!r} is more than PostgreSQL can store: write 0 for unlimited")
    return size


def format_quota(size):
    """The shortest text that parse_quota reads as this size."""
    if size is None:
        return "default"
    exponent = 0
    while size and size % 1024 == 0 and exponent < len(_UNITS) - 1:
        size //= 1024
        exponent += 1
    return f"{size}{_UNITS[exponent]}"


def _parse_text(text):
    stripped = text.strip()
    if not stripped.isprintable():
        raise ValueError(f"{stripped!r} has control characters, such as a line end: remove them")
    return stripped


def _parse_bool(value):
    return value  # Ansible has made it one


def _parse_destinations(texts):
    """Sorted, each once. Has one argument in its ValueError for each fault."""
    destinations, reasons = set(), []
    for text in texts:
        try:
            destination = _address.address_or_domain(text)
        except ValueError as exc:
            reasons.append(f"destination {_short(text)}: {exc}")
            continue
        if destination in destinations:
            reasons.append(f"destination {destination} is there twice: keep one")
        destinations.add(destination)
    if reasons:
        raise ValueError(*reasons)
    return tuple(sorted(destinations))


def _finish_domain(given, key, values, defaults):
    yield from ()


def _finish_user(given, key, values, defaults):
    plaintext, hashed = given["password"], given["password_hash"]
    if plaintext is not None and hashed is not None:
        yield "password and password_hash exclude each other: remove one"
        return
    try:
        own = {option: given[option] for option in ("password_scheme", "password_cost") if given[option] is not None}
        # The common cost means something else for another scheme than the common one
        scheme, cost = parse_password_options(own if "password_scheme" in own else {**defaults, **own})
        if hashed is not None:
            _password.check_hash(hashed)
            values["password"] = _password.Password(hashed=hashed)
        elif plaintext is not None:
            _password.check_plaintext(plaintext, scheme)
            values["password"] = _password.Password(plaintext, scheme, cost)
    except ValueError as exc:
        yield str(exc)


def parse_password_options(options):
    """Scheme and cost; ValueError says what is wrong with them."""
    scheme = _password.check_scheme(options.get("password_scheme") or _password.DEFAULT_SCHEME)
    cost = options.get("password_cost")
    _password.check_cost(cost, scheme)
    return scheme, cost


def _finish_alias(given, key, values, defaults):
    if not given["destination"]:
        yield "there is no destination: give one, or state: absent"
    for destination in values.get("destination", ()):
        if destination.startswith("@") and not key.startswith("@"):
            yield f"destination {destination} is a whole domain, the source is not: write an address"


_STATE = {"type": "str", "choices": ["absent", "present"], "default": "present"}
_ACTIVE = Column("active", "active", "boolean", True, _parse_bool)

# For a user, and in the bulk module for all users of the call
PASSWORD_OPTIONS = {
    "password_scheme": {"type": "str", "no_log": False},
    "password_cost": {"type": "int", "no_log": False},
    "update_password": {"type": "str", "choices": ["always", "on_create"], "no_log": False},
}

DOMAIN = Kind(
    name="domain",
    plural="domains",
    table="virtual_domains",
    key="name",
    parse_key=_address.domain,
    columns=(Column("description", "description", "text", "", _parse_text), _ACTIVE),
    options={
        "name": {"type": "str", "required": True},
        "description": {"type": "str"},
        "active": {"type": "bool"},
        "state": _STATE,
    },
    finish=_finish_domain,
)

USER = Kind(
    name="user",
    plural="users",
    table="virtual_users",
    key="email",
    parse_key=_address.account,
    columns=(
        Column("quota_bytes", "quota", "bigint", None, parse_quota, format_quota, format_quota),
        Column("display_name", "display_name", "text", "", _parse_text),
        _ACTIVE,
    ),
    options={
        "email": {"type": "str", "required": True},
        "password": {"type": "str", "no_log": True},
        "password_hash": {"type": "str", "no_log": True},
        **PASSWORD_OPTIONS,
        "quota": {"type": "str"},
        "display_name": {"type": "str"},
        "active": {"type": "bool"},
        "state": _STATE,
    },
    finish=_finish_user,
)

ALIAS = Kind(
    name="alias",
    plural="aliases",
    table="virtual_aliases",
    key="source",
    parse_key=_address.address_or_domain,
    # One row of ours is as many rows of the table as there are destinations
    columns=(Column("destination", "destination", "text", (), _parse_destinations, give=list),),
    options={
        "source": {"type": "str", "required": True},
        "destination": {"type": "list", "elements": "str"},
        "state": _STATE,
    },
    finish=_finish_alias,
)

KINDS = (DOMAIN, USER, ALIAS)


def parse_rows(kind, given_rows, defaults, indexed=True):
    """The rows of one kind as far as they have a key, and all faults found in them."""
    rows, faults, seen = [], [], {}
    for index, given in enumerate(given_rows):
        text = _short(given[kind.key])
        label = f"{kind.plural}[{index}] ({text})" if indexed else f"{kind.name} {text}"
        row, reasons = _parse_row(kind, given, defaults, label)
        faults += [Fault(label, reason) for reason in reasons]
        if row and row.key in seen:
            faults.append(Fault(label, f"{seen[row.key]} is the same {kind.name}: keep one of them"))
        elif row:
            seen[row.key] = label
            rows.append(row)
    return rows, faults


def _parse_row(kind, given, defaults, label):
    try:
        key = kind.parse_key(given[kind.key])
    except ValueError as exc:
        return None, [str(exc)]
    if given["state"] == "absent":
        return Row(kind, label, key, False, {}), []
    values, reasons = {}, []
    for column in kind.columns:
        if given[column.option] is None:
            continue
        try:
            values[column.name] = column.parse(given[column.option])
        except ValueError as exc:
            reasons += exc.args
    reasons += kind.finish(given, key, values, defaults)
    update_password = _first(given.get("update_password"), defaults.get("update_password"))
    return Row(kind, label, key, True, values, update_password == "on_create"), reasons


def _first(own, common):
    return common if own is None else own


def _short(text):
    """Somebody's input, fit for a message of one line."""
    line = " ".join(text.split())
    return line if len(line) <= 100 else line[:99] + "…"
