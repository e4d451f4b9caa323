# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""What an organization, a domain, a user, an app password and an alias are: options, columns, and the way between them."""

from __future__ import annotations

import re
from collections import namedtuple
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from ansible_collections.virtmail.mailserver.plugins.module_utils import _address, _app_password, _password

MAX_QUOTA = 2**63 - 1
_UNITS = ("", "K", "M", "G", "T", "P")
# What a password can be for; smtp is the submission of mail
PROTOCOLS = ("imap", "pop3", "sieve", "smtp", "web")
# Stands in a record for a value that the caller has not given
OMITTED = object()
# Fits PostgreSQL's bigint
_LIMIT = re.compile(r"[0-9]{1,18}")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")
_APP_NAME = re.compile(r"[^/]{1,63}")
MAX_IDENTIFIER = 63
_QUOTA = re.compile(r"(\d+)\s*(?:([KMGTP])(?:i?B)?)?", re.IGNORECASE)


@dataclass(frozen=True)
class Column:
    """A column of a table, the option that sets it, and what a new row gets where the option is omitted."""

    name: str
    option: str
    sql_type: str
    default: object
    parse: object
    give: object = lambda value: value  # as the option takes it


@dataclass(frozen=True)
class Kind:
    """One of the sorts of rows. A row's values are a record: a tuple, as there may be a million of them."""

    name: str
    plural: str
    table: str
    key: str
    parse_key: object
    columns: tuple
    record: type
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


class Row(NamedTuple):
    """A row as the caller wants it. Its values are a record with OMITTED for what was not given."""

    kind: Kind
    origin: str  # with places for number and given
    number: int
    given: str
    key: str
    values: tuple | None  # None if the row shall be absent
    keeps_password: bool = False

    @property
    def present(self):
        return self.values is not None

    @property
    def label(self):
        return label(self.origin, self.number, self.given)


class Desired:
    """All rows of a call, {plural of the kind: {key: row}}, and all faults found in them."""

    def __init__(self, defaults):
        self.rows = {kind.plural: {} for kind in KINDS}
        self.faults = []
        self._defaults = defaults

    def add(self, kind, given, origin, number=0, reasons=()):
        """Take a row as the caller gave it; reasons are what was wrong with it so far."""
        rows, text = self.rows[kind.plural], given[kind.key] or ""
        row, found = _parse_row(kind, given, self._defaults, origin, number)
        other = rows.setdefault(row.key, row) if row else row
        if other is not row:
            found.append(f"{other.label} is the same {kind.name}: keep one of them")
        self.faults += [Fault(label(origin, number, text), reason) for reason in (*reasons, *found)]
        if kind is USER and row and row.present:
            for each in given["app_passwords"] or ():
                self.add(APP_PASSWORD, {**each, "name": f"{row.key}/{each['name'] or ''}"}, origin, number)

    def add_list(self, kind, given_rows):
        for number, given in enumerate(given_rows):
            self.add(kind, given, f"{kind.plural}[{{number}}] ({{given}})", number)


def label(origin, number, given):
    """How a message names a row."""
    return origin.format(number=number, given=_short(given))


@lru_cache(maxsize=1024)
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


def _parse_total_quota(text):
    """'100G' as bytes, 'unlimited' as None."""
    if text.strip().lower() == "unlimited":
        return None
    size = parse_quota(text)
    if not size:
        raise ValueError(f"max_quota {text!r} is no size: write 500M or 5G, or unlimited")
    return size


def _parse_limit(text):
    """'50' as a number, 'unlimited' as None."""
    stripped = text.strip()
    if stripped.lower() == "unlimited":
        return None
    if not _LIMIT.fullmatch(stripped):
        raise ValueError(f"{text!r} is no limit: write a number, or unlimited")
    return int(stripped)


def _parse_protocols(names):
    """The text that is stored; None stands for all."""
    given = {name.strip().lower() for name in names}
    if given == {"all"}:
        return None
    unknown = sorted(given.difference(PROTOCOLS))
    if unknown:
        raise ValueError(f"{', '.join(map(_short, unknown))}: use some of {', '.join(PROTOCOLS)}, or all and nothing else")
    return " ".join(sorted(given))


def _give_protocols(text):
    return ["all"] if text is None else text.split()


def _parse_app_key(text):
    """The user's address, which has been judged, and the name."""
    email, dummy, name = text.partition("/")
    name = _parse_text(name)
    if not _APP_NAME.fullmatch(name):
        raise ValueError(f"{_short(name)!r} is no name of an app password: write 1 to 63 characters without /")
    return f"{email}/{name}"


def split_app_key(key):
    """The user's address and the name."""
    return key.rsplit("/", 1)


def _parse_organization(text):
    name = text.strip().lower()
    if not _NAME.fullmatch(name):
        raise ValueError(f"{_short(text)!r} is no name of an organization: write letters, digits, '.', '_' and '-', at most 63")
    return name


def _parse_own_organization(text):
    return _parse_organization(text) if text.strip() else None


def _parse_role(text):
    """A name of a role as PostgreSQL stores it, as it is."""
    name = _parse_text(text)
    if len(name.encode()) > MAX_IDENTIFIER:
        raise ValueError(f"database_role has more than {MAX_IDENTIFIER} bytes: PostgreSQL takes no longer names")
    return name or None


def _give_limit(value):
    return "unlimited" if value is None else str(value)


def _give_total_quota(size):
    return "unlimited" if size is None else format_quota(size)


def _give_name(value):
    return value or ""


@lru_cache(maxsize=1024)
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


def _finish_nothing(given, key, values, defaults):
    yield from ()


def _finish_app_password(given, key, values, defaults):
    plaintext, hashed = given["password"], given["password_hash"]
    if plaintext is not None and hashed is not None:
        yield "password and password_hash exclude each other: remove one"
        return
    try:
        if hashed is not None:
            values["password"] = _app_password.parse_hash(hashed)
        elif plaintext is not None:
            values["password"] = _app_password.stored_form(plaintext)
    except ValueError as exc:
        yield str(exc)


def _finish_user(given, key, values, defaults):
    plaintext, hashed = given["password"], given["password_hash"]
    if plaintext is not None and hashed is not None:
        yield "password and password_hash exclude each other: remove one"
        return
    try:
        scheme, cost = _password_options(given, defaults)
        if hashed is not None:
            _password.check_hash(hashed)
            values["password"] = hashed
        elif plaintext is not None:
            _password.check_plaintext(plaintext, scheme)
            values["password"] = _password.Password(plaintext, scheme, cost)
    except ValueError as exc:
        yield str(exc)


def _password_options(given, defaults):
    own = {option: given[option] for option in ("password_scheme", "password_cost") if given[option] is not None}
    # The common cost means something else for another scheme than the common one
    return parse_password_options(own if "password_scheme" in own else {**defaults, **own})


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


def _record(name, columns, before=()):
    """The type of a kind's rows; without arguments it is a new row."""
    defaults = [*(None for dummy in before), *(column.default for column in columns)]
    return namedtuple(name, [*before, *(column.name for column in columns)], defaults=defaults)


_STATE = {"type": "str", "choices": ["absent", "present"], "default": "present"}
_ACTIVE = Column("active", "active", "boolean", True, _parse_bool)
_MANAGED = Column("managed", "managed", "boolean", True, _parse_bool)

# For a user, and in the bulk module for all users of the call
PASSWORD_OPTIONS = {
    "password_scheme": {"type": "str", "no_log": False},
    "password_cost": {"type": "int", "no_log": False},
    "update_password": {"type": "str", "choices": ["always", "on_create"], "no_log": False},
}

_DESCRIPTION = Column("description", "description", "text", "", _parse_text)

_ORGANIZATION_COLUMNS = (
    _DESCRIPTION,
    *(Column(name, name, "bigint", None, _parse_limit, _give_limit) for name in ("max_domains", "max_users", "max_aliases")),
    Column("max_quota_bytes", "max_quota", "bigint", None, _parse_total_quota, _give_total_quota),
    Column("database_role", "database_role", "text", None, _parse_role, _give_name),
    _MANAGED,
)

ORGANIZATION = Kind(
    name="organization",
    plural="organizations",
    table="virtual_organizations",
    key="name",
    parse_key=_parse_organization,
    columns=_ORGANIZATION_COLUMNS,
    record=_record("OrganizationRecord", _ORGANIZATION_COLUMNS),
    options={
        "name": {"type": "str", "required": True},
        "description": {"type": "str"},
        "max_domains": {"type": "str"},
        "max_users": {"type": "str"},
        "max_aliases": {"type": "str"},
        "max_quota": {"type": "str"},
        "database_role": {"type": "str"},
        "managed": {"type": "bool"},
        "state": _STATE,
    },
    finish=_finish_nothing,
)

_DOMAIN_COLUMNS = (
    Column("organization", "organization", "text", None, _parse_own_organization, _give_name),
    _DESCRIPTION,
    _ACTIVE,
    _MANAGED,
)

DOMAIN = Kind(
    name="domain",
    plural="domains",
    table="virtual_domains",
    key="name",
    parse_key=_address.domain,
    columns=_DOMAIN_COLUMNS,
    record=_record("DomainRecord", _DOMAIN_COLUMNS),
    options={
        "name": {"type": "str", "required": True},
        "organization": {"type": "str"},
        "description": {"type": "str"},
        "active": {"type": "bool"},
        "managed": {"type": "bool"},
        "state": _STATE,
    },
    finish=_finish_nothing,
)

_APP_PASSWORD_COLUMNS = (
    Column("protocols", "protocols", "text", "imap pop3 sieve smtp", _parse_protocols, _give_protocols),
    _MANAGED,
)

APP_PASSWORD = Kind(
    name="app password",
    plural="app_passwords",
    table="virtual_app_passwords",
    # The option; the key of a row is the user's address with this behind it
    key="name",
    parse_key=_parse_app_key,
    columns=_APP_PASSWORD_COLUMNS,
    record=_record("AppPasswordRecord", _APP_PASSWORD_COLUMNS, ["password"]),
    options={
        "name": {"type": "str", "required": True},
        "password": {"type": "str", "no_log": True},
        "password_hash": {"type": "str", "no_log": True},
        "protocols": {"type": "list", "elements": "str"},
        "managed": {"type": "bool"},
        "state": _STATE,
    },
    finish=_finish_app_password,
)

_USER_COLUMNS = (
    Column("password_protocols", "password_protocols", "text", None, _parse_protocols, _give_protocols),
    Column("quota_bytes", "quota", "bigint", None, parse_quota, format_quota),
    Column("display_name", "display_name", "text", "", _parse_text),
    _ACTIVE,
    _MANAGED,
)

USER = Kind(
    name="user",
    plural="users",
    table="virtual_users",
    key="email",
    parse_key=_address.account,
    columns=_USER_COLUMNS,
    # The password is text if it is a hash, else a Password that is still to be hashed
    record=_record("UserRecord", _USER_COLUMNS, ["password"]),
    options={
        "email": {"type": "str", "required": True},
        "password": {"type": "str", "no_log": True},
        "password_hash": {"type": "str", "no_log": True},
        **PASSWORD_OPTIONS,
        "password_protocols": {"type": "list", "elements": "str", "no_log": False},
        "app_passwords": {"type": "list", "elements": "dict", "options": APP_PASSWORD.options, "no_log": False},
        "quota": {"type": "str"},
        "display_name": {"type": "str"},
        "active": {"type": "bool"},
        "managed": {"type": "bool"},
        "state": _STATE,
    },
    finish=_finish_user,
)

# One row of ours is as many rows of the table as there are destinations
_ALIAS_COLUMNS = (Column("destination", "destination", "text", (), _parse_destinations, give=list), _MANAGED)

ALIAS = Kind(
    name="alias",
    plural="aliases",
    table="virtual_aliases",
    key="source",
    parse_key=_address.address_or_domain,
    columns=_ALIAS_COLUMNS,
    record=_record("AliasRecord", _ALIAS_COLUMNS),
    options={
        "source": {"type": "str", "required": True},
        "destination": {"type": "list", "elements": "str"},
        "managed": {"type": "bool"},
        "state": _STATE,
    },
    finish=_finish_alias,
)

# In an order in which each stands on those before it
KINDS = (ORGANIZATION, DOMAIN, USER, APP_PASSWORD, ALIAS)
# Those of which a call has a list; app passwords are listed with their users
LISTED_KINDS = (ORGANIZATION, DOMAIN, USER, ALIAS)


def _parse_row(kind, given, defaults, origin, number):
    """The row, or None if it has no key; and what is wrong with it."""
    text = given[kind.key]
    if text is None:
        return None, [f"there is no {kind.key}: give one"]
    try:
        key = kind.parse_key(text)
    except ValueError as exc:
        return None, [str(exc)]
    text = key if text == key else text  # once in memory
    if given["state"] == "absent":
        return Row(kind, origin, number, text, key, None), []
    # To declare a row is to adopt it
    values, reasons = {"managed": True}, []
    for column in kind.columns:
        value = given[column.option]
        if value is None:
            continue
        try:
            values[column.name] = column.parse(value)
        except ValueError as exc:
            reasons += exc.args
    reasons += kind.finish(given, key, values, defaults)
    record = kind.record(*[values.get(name, OMITTED) for name in kind.record._fields])
    keeps_password = kind is USER and _first(given["update_password"], defaults.get("update_password")) == "on_create"
    return Row(kind, origin, number, text, key, record, keeps_password), reasons


def _first(own, common):
    return common if own is None else own


def _short(text):
    """Somebody's input, fit for a message of one line."""
    line = " ".join(text.split())
    return line if len(line) <= 100 else line[:99] + "…"
