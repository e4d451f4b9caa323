# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""Accounts of an operating system, from its files passwd(5), shadow(5) and aliases(5), as rows of the directory."""

from __future__ import annotations

import re
import time

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.virtmail.mailserver.plugins.module_utils import _address, _foreign, _foreign_password
from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import MailserverError
from ansible_collections.virtmail.mailserver.plugins.module_utils._source import write_file

SPEC = {
    "domain": {"type": "str", "required": True},
    "names": {"type": "list", "elements": "str", "default": []},
    "uid_min": {"type": "int", "default": 1000},
    "uid_max": {"type": "int", "default": 59999},
    "passwd_file": {"type": "path", "default": "/etc/passwd", "no_log": False},
    "shadow_file": {"type": "path", "default": "/etc/shadow"},
    "aliases_file": {"type": "path", "default": "/etc/aliases"},
    "known_users": {"type": "list", "elements": "str", "default": []},
    "known_aliases": {"type": "list", "elements": "str", "default": []},
    "dest": {"type": "path"},
}

_SECONDS_OF_A_DAY = 86400


class _LeftOut(Exception):
    """Why an account or an alias is no row."""


def run_system_users_info():
    module = AnsibleModule(SPEC, supports_check_mode=True)
    params, fault = module.params, None
    if not params["dest"] and not module.no_log:
        module.fail_json(msg="The hashes would be printed: name a dest, or set no_log to true for this task.")
    try:
        domain = _address.domain(params["domain"])
        result, lists = read(domain, params)
        if params["dest"]:
            result.update(changed=write_file(params["dest"], lists, module.check_mode), dest=params["dest"])
        else:
            result.update(lists, changed=False)
    except ValueError as exc:
        fault = f"domain {params['domain']}: {exc}"
    except MailserverError as exc:
        fault = str(exc)
    if fault:
        module.fail_json(msg=fault)
    module.exit_json(**result)


def read(domain, params):
    """What the files hold: the result to show, and the rows, which hold hashes."""
    known_users = set(params["known_users"])
    collector = _foreign.Collector(cleartext_passwords=False, spread=map, known_users=known_users)
    collector.add_domain(f"domain {domain}", domain)
    addresses = _add_users(collector, domain, params)
    _add_aliases(collector, domain, params["aliases_file"], addresses, known_users)
    directory = collector.directory()
    users = directory.rows["users"]
    lists = _foreign.as_input(directory, with_hashes=True)
    lists["aliases"] = [alias for alias in lists["aliases"] if alias["source"] not in params["known_aliases"]]
    accounts = [
        {"account": name, "user": email, "active": email not in users or users[email].values.active}
        for name, email in addresses.items()
        if email in users or email in known_users
    ]
    return {"accounts": accounts, "left_out": [reason.rstrip(".") for reason in directory.left_out]}, lists


def _add_users(collector, domain, params):
    """{account: address} of those that are users already, or can be."""
    shadow = {fields[0]: fields for fields in _fields(params["shadow_file"])}
    addresses = {}
    for name, gecos in _accounts(params):
        try:
            email = _email(name, domain)
            if email in addresses.values():
                raise _LeftOut(f"another account is {email} already")
            if email not in params["known_users"]:
                collector.add_user(f"account {name}", email, **_user(name, gecos, shadow.get(name)))
            addresses[name] = email
        except _LeftOut as exc:
            collector.leave_out(f"account {name}", str(exc))
    return addresses


def _fields(path):
    return [line.rstrip("\n").split(":") for line in _lines(path) if ":" in line and not line.startswith("#")]


def _lines(path):
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.readlines()
    except OSError as exc:
        raise MailserverError(f"{path} cannot be read: {exc.strerror}.") from exc


def _accounts(params):
    """(name, comment) of those that are asked for, in the order of the file."""
    names = params["names"]
    found = [fields for fields in _fields(params["passwd_file"]) if len(fields) == 7 and fields[2].isdigit()]
    missing = sorted(set(names) - {fields[0] for fields in found})
    if missing:
        raise MailserverError(f"{params['passwd_file']} has no account {', '.join(missing)}: correct names.")
    return [
        (fields[0], fields[4])
        for fields in found
        if (fields[0] in names if names else params["uid_min"] <= int(fields[2]) <= params["uid_max"])
    ]


def _email(name, domain):
    try:
        return _address.account(f"{name}@{domain}")
    except ValueError as exc:
        raise _LeftOut(str(exc)) from None


def _user(name, gecos, shadow):
    if shadow is None:
        raise _LeftOut("it has no line in the file of the passwords")
    password, is_locked = _hash(shadow[1])
    # An ampersand stands for the account's name in this field
    display_name = gecos.split(",")[0].replace("&", name.capitalize()).strip()
    return {
        "password": password,
        "display_name": "".join(letter for letter in display_name if letter.isprintable()),
        "active": not (is_locked or _is_expired(shadow)),
    }


def _hash(field):
    """The hash as it is stored, and whether it is locked."""
    text = field.lstrip("!")
    if text in ("", "*", "x"):
        raise _LeftOut("it has no password")
    if _foreign_password.read(text)[0] != "hash":
        raise _LeftOut("its password is not in a form that Dovecot reads")
    return text, text != field


def _is_expired(shadow):
    day = shadow[7] if len(shadow) > 7 else ""
    return day.isdigit() and int(day) * _SECONDS_OF_A_DAY <= time.time()


def _add_aliases(collector, domain, path, addresses, known_users):
    taken, left_out = _aliases(path, domain, addresses)
    for name in sorted(left_out):
        collector.leave_out(f"alias {name}", left_out[name])
    for source in sorted(taken):
        row, destinations = f"alias {_address.local_part(source)}", taken[source]
        if source in known_users or source in addresses.values():
            if destinations == [source]:
                continue
            if source not in destinations:
                reason = "it sends all mail of an account elsewhere: here the user gets a copy, as one that gets no mail is refused"
                collector.leave_out(row, reason)
                destinations.append(source)
        collector.add_alias(row, source, destinations)


def _aliases(path, domain, addresses):
    """{source: destinations}, and {name: reason} of what is left out."""
    given = _given_aliases(path)
    taken, left_out = {}, {}
    for name, targets in given.items():
        try:
            taken[_source(name, domain)] = _destinations(targets, domain, addresses, given)
        except _LeftOut as exc:
            left_out[name] = str(exc)
    while dangling := _dangling(taken, left_out, domain):
        source, reason = dangling
        del taken[source]
        left_out[_address.local_part(source)] = reason
    return taken, left_out


def _given_aliases(path):
    """{name: targets} of the file; a line that begins with a space continues the one before."""
    try:
        lines = _lines(path) if path else []
    except MailserverError:
        return {}
    text = re.sub(r"\n[ \t]+", " ", "".join(line for line in lines if not line.lstrip().startswith("#")))
    found = {}
    for line in text.splitlines():
        name, colon, targets = line.partition(":")
        if colon and name.strip():
            found[name.strip().strip('"').lower()] = targets.strip()
    return found


def _source(name, domain):
    try:
        return _address.address(f"{name}@{domain}")
    except ValueError as exc:
        raise _LeftOut(str(exc)) from None


def _destinations(targets, domain, addresses, given):
    found = set()
    for target in (each.strip() for each in targets.split(",")):
        if not target or re.search(r'["|/:\s]', target):
            raise _LeftOut("it leads to a program, a file or a list")
        found.add(_destination(target.removeprefix("\\"), domain, addresses, given))
    return sorted(found)


def _destination(target, domain, addresses, given):
    if "@" in target:
        try:
            return _address.address(target)
        except ValueError as exc:
            raise _LeftOut(f"{target}: {exc}") from None
    if target in addresses:
        return addresses[target]
    if target.lower() in given:
        return _source(target, domain)
    raise _LeftOut(f"it leads to {target}, which is none of these accounts")


def _dangling(taken, left_out, domain):
    """An alias that leads to another one that is left out, if there is any."""
    gone = {f"{name}@{domain}": name for name in left_out}
    for source, destinations in taken.items():
        for destination in destinations:
            if destination in gone and destination not in taken:
                return source, f"it leads to {gone[destination]}, which is left out"
    return None
