# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""The life of a module, from its arguments to its result. The only place of the engine that exits or fails."""

from __future__ import annotations

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.virtmail.mailserver.plugins.module_utils import _checks, _plan, _store
from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import CONNECTION_SPEC, MailserverError
from ansible_collections.virtmail.mailserver.plugins.module_utils._entities import (
    KINDS,
    PASSWORD_OPTIONS,
    Fault,
    parse_password_options,
    parse_rows,
)
from ansible_collections.virtmail.mailserver.plugins.module_utils._password import MIN_LENGTH

# More would only bury the message
SHOWN_FAULTS = 100
SHOWN_WARNINGS = 20

# All that a result repeats of its arguments: ten thousand rows would bury it, and masking secrets in them is slow
_ECHOED = ("login_host", "login_unix_socket", "login_port", "login_user", "login_db", "name", "email", "source", "state")

BULK_SPEC = {
    **{kind.plural: {"type": "list", "elements": "dict", "options": kind.options, "default": []} for kind in KINDS},
    **PASSWORD_OPTIONS,
    "purge": {"type": "list", "elements": "str", "choices": [kind.plural for kind in KINDS], "default": []},
    "purge_limit": {"type": "int", "default": 10},
}


class DirectoryModule(AnsibleModule):
    """A module whose result never repeats its arguments, not even those that Ansible refused as misspelt."""

    def exit_json(self, **result):
        super().exit_json(**result, invocation=self._echo())

    def fail_json(self, msg, **result):
        super().fail_json(msg, **{**result, "invocation": self._echo()})

    def _echo(self):
        params = getattr(self, "params", {})
        return {"module_args": {name: params[name] for name in _ECHOED if name in params}}


def run_single(kind):
    """A module for one row of this kind."""
    module = DirectoryModule({**kind.options, **CONNECTION_SPEC}, supports_check_mode=True)
    rows, faults = parse_rows(kind, [module.params], {}, indexed=False)
    _run(module, {**{every.plural: [] for every in KINDS}, kind.plural: rows}, faults, (), 0)


def run_bulk():
    """The module for all rows of all kinds."""
    module = DirectoryModule({**BULK_SPEC, **CONNECTION_SPEC}, supports_check_mode=True)
    defaults = {option: module.params[option] for option in PASSWORD_OPTIONS}
    faults = []
    try:
        parse_password_options(defaults)
    except ValueError as exc:
        faults.append(Fault("all users", str(exc)))
        defaults = {}  # said once, not again for each user
    desired = {}
    for kind in KINDS:
        desired[kind.plural], found = parse_rows(kind, module.params[kind.plural], defaults)
        faults += found
    _run(module, desired, faults, module.params["purge"], module.params["purge_limit"])


def run_info():
    """The module that only reads."""
    spec = {"include_password_hashes": {"type": "bool", "default": False, "no_log": False}, **CONNECTION_SPEC}
    module = DirectoryModule(spec, supports_check_mode=True)
    with_hashes = module.params["include_password_hashes"]
    if with_hashes and not module.no_log:
        module.fail_json("include_password_hashes would print the hashes: set no_log to true for this task.")
    faults = []
    try:
        with _store.open_directory(module.params) as connection:
            stored = _store.fetch(connection)
    except MailserverError as exc:
        faults.append(exc)
    if faults:  # not while the exception is handled: Ansible would print its causes too, with whatever they show
        _fail(module, faults)
    module.exit_json(changed=False, **_plan.as_input(stored, with_hashes))


def _run(module, desired, faults, purge, purge_limit):
    faults += _missing_libraries(desired["users"])
    try:
        stored, changes = _transact(module, desired, faults, purge, purge_limit)
    except MailserverError as exc:
        faults.append(exc)
    if faults:
        _fail(module, faults)
    _warn(module, list(_checks.find_warnings(desired, changes, _plan.apply_plan(stored, changes))))
    result = {"changed": bool(changes), **_plan.summary(changes)}
    if module._diff:
        result["diff"] = _plan.diff(changes)
    module.exit_json(**result)


def _transact(module, desired, faults, purge, purge_limit):
    """Find further faults, or what there is to change, and change it; returns what was stored before and the changes."""
    with _store.open_directory(module.params) as connection:
        _store.lock(connection)
        stored = _store.fetch(connection)
        faults += _faults_among_rows(desired, stored, faults, purge, purge_limit)
        changes = [] if faults else _plan.make_plan(desired, stored, purge)
        if not module.check_mode:
            _store.apply(connection, changes)
        return stored, changes


def _missing_libraries(users):
    passwords = [row.values["password"] for row in users if "password" in row.values]
    missing = {password.missing_library() for password in passwords} - {None}
    return [Fault("passwords", reason.rstrip(".")) for reason in sorted(missing)]


def _faults_among_rows(desired, stored, known, purge, purge_limit):
    """What is wrong with rows that are good by themselves; a faulty one has had its sentence."""
    changes = _plan.make_plan(desired, stored, purge, compare_passwords=False)
    found = [
        *_checks.find_faults(desired, changes, _plan.apply_plan(stored, changes)),
        *_checks.find_purge_faults(desired, changes, purge, purge_limit),
    ]
    faulty = {fault.label for fault in known}
    return [fault for fault in found if fault.label not in faulty]


def _fail(module, faults):
    # Ansible masks secrets in all output. A refused one of few letters would leave nothing readable in the message,
    # which holds no secret anyway.
    module.no_log_values = {value for value in module.no_log_values if len(value) >= MIN_LENGTH}
    more = len(faults) - SHOWN_FAULTS
    tail = [f"There are {more} more faults."] if more > 0 else []
    module.fail_json(" ".join([*map(str, faults[:SHOWN_FAULTS]), *tail]))


def _warn(module, warnings):
    for warning in warnings[:SHOWN_WARNINGS]:
        module.warn(warning)
    if len(warnings) > SHOWN_WARNINGS:
        module.warn(f"There are {len(warnings) - SHOWN_WARNINGS} more aliases of this sort.")
