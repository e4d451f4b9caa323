# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""The life of a module, from its arguments to its result. The only place of the engine that exits or fails."""

from __future__ import annotations

import gc

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.virtmail.mailserver.plugins.module_utils import (
    _checks,
    _foreign,
    _foreign_store,
    _mailboxes,
    _password_cost,
    _plan,
    _store,
    _usage,
)
from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import CONNECTION_SPEC, MailserverError
from ansible_collections.virtmail.mailserver.plugins.module_utils._entities import (
    KINDS,
    LISTED_KINDS,
    PASSWORD_OPTIONS,
    Desired,
    Fault,
    parse_password_options,
)
from ansible_collections.virtmail.mailserver.plugins.module_utils._password import MIN_LENGTH, Password, spread
from ansible_collections.virtmail.mailserver.plugins.module_utils._source import read_file, write_file

# More would only bury the message
SHOWN_FAULTS = 100
SHOWN_WARNINGS = 20

# Passwords that take so long that somebody may wonder
LONG_RUN = 500

# All that a result repeats of its arguments: ten thousand rows would bury it, and masking secrets in them is slow
_ECHOED = ("login_host", "login_unix_socket", "login_port", "login_user", "login_db", "name", "email", "source", "state")

BULK_SPEC = {
    **{kind.plural: {"type": "list", "elements": "dict", "options": kind.options, "default": []} for kind in LISTED_KINDS},
    "src": {"type": "list", "elements": "path", "default": []},
    "remote_src": {"type": "bool", "default": False},
    **PASSWORD_OPTIONS,
    "purge": {"type": "list", "elements": "str", "choices": [kind.plural for kind in KINDS], "default": []},
    "purge_limit": {"type": "str", "default": "10"},
    "history_days": {"type": "int", "default": 365},
}

INFO_SPEC = {
    "rows": {"type": "bool", "default": True},
    "include_password_hashes": {"type": "bool", "default": False, "no_log": False},
    "dest": {"type": "path"},
    "history": {"type": "bool", "default": False},
    "history_since": {"type": "str"},
    "history_limit": {"type": "int", "default": 1000},
    "mail_directory": {"type": "path"},
}

FOREIGN_INFO_SPEC = {
    "layout": {"type": "str", "choices": list(_foreign.TABLES), "required": True},
    "cleartext_passwords": {"type": "bool", "default": False, "no_log": False},
    "include_password_hashes": {"type": "bool", "default": False, "no_log": False},
    "dest": {"type": "path"},
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
    desired = Desired({})
    desired.add(kind, module.params, f"{kind.name} {{given}}")
    _run(module, desired, (), "0")


def run_bulk():
    """The module for all rows of all kinds."""
    gc.disable()  # millions of rows that all stay: looking for garbage among them takes a third of the time
    module = DirectoryModule({**BULK_SPEC, **CONNECTION_SPEC}, supports_check_mode=True)
    defaults = {option: module.params[option] for option in PASSWORD_OPTIONS}
    try:
        parse_password_options(defaults)
        desired = Desired(defaults)
    except ValueError as exc:
        desired = Desired({})  # said once, not again for each user
        desired.faults.append(Fault("all users", str(exc)))
    for kind in LISTED_KINDS:
        desired.add_list(kind, module.params[kind.plural])
    for path in module.params["src"]:
        try:
            read_file(path, path, desired)
        except MailserverError as exc:
            desired.faults.append(exc)
    _run(module, desired, module.params["purge"], module.params["purge_limit"])


def run_info():
    """The module that only reads."""
    module = DirectoryModule({**INFO_SPEC, **CONNECTION_SPEC}, supports_check_mode=True)
    params = module.params
    _refuse_what_needs_rows(module)
    _refuse_to_print_hashes(module)
    result, faults = {"changed": False}, []
    try:
        with _store.open_directory(params) as connection:
            stored = _store.fetch(connection) if params["rows"] else None
            result["password_schemes"] = _password_cost.summarize(_store.count_passwords(connection, _password_cost.COSTED_SCHEMES))
            if params["history"]:
                result["history"] = _store.fetch_history(connection, params["history_since"], params["history_limit"])
        if stored:
            result.update(_report_rows(module, stored))
    except MailserverError as exc:
        faults.append(exc)
    if faults:  # not while the exception is handled: Ansible would print its causes too, with whatever they show
        _fail(module, faults)
    module.exit_json(**result)


def _report_rows(module, stored):
    """The rows, or the file with them, and what follows from all of them."""
    directory = module.params["mail_directory"]
    compared = _mailboxes.compare(directory, stored["users"]) if directory else {}
    lists = _plan.as_input(stored, module.params["include_password_hashes"])
    return {**compared, "usage": _usage.report(stored), **_hand_out(module, lists)}


def run_foreign_info():
    """The module that reads the directory of another mail server."""
    module = DirectoryModule({**FOREIGN_INFO_SPEC, **_foreign_store.CONNECTION_SPEC}, supports_check_mode=True)
    _refuse_to_print_hashes(module)
    collector = _foreign.Collector(
        module.params["cleartext_passwords"], lambda work, items: spread(work, items, _progress(module, "hashed"))
    )
    result, faults = {}, []
    try:
        _foreign_store.read(module.params, collector)
        faults += collector.faults or collector.missing_libraries()
        if not faults:
            directory = collector.directory()
            result = _hand_out(module, _foreign.as_input(directory, module.params["include_password_hashes"]))
    except MailserverError as exc:
        faults.append(exc)
    if faults:
        _fail(module, faults)
    if directory.weak:
        module.warn(_foreign.weak_warning(directory.weak))
    if directory.slow:
        module.warn(_foreign.slow_warning(directory.slow))
    counts = {plural: len(rows) for plural, rows in directory.rows.items()}
    module.exit_json(**{"changed": False, **result, "counts": counts, "left_out": directory.left_out})


def _refuse_what_needs_rows(module):
    needing = [option for option in ("dest", "include_password_hashes", "mail_directory") if module.params[option]]
    if needing and not module.params["rows"]:
        module.fail_json(f"rows is false, and {' and '.join(needing)} needs them: leave one of these out.")


def _refuse_to_print_hashes(module):
    if module.params["include_password_hashes"] and not module.params["dest"] and not module.no_log:
        module.fail_json("include_password_hashes would print the hashes: set no_log to true for this task, or name a dest.")


def _hand_out(module, lists):
    """The part of the result that has the rows, or the file with them."""
    dest = module.params["dest"]
    return {"changed": write_file(dest, lists, module.check_mode), "dest": dest} if dest else lists


def _run(module, desired, purge, purge_limit):
    faults = [*desired.faults, *_missing_libraries(desired.rows["users"])]
    try:
        stored, changes = _transact(module, desired.rows, faults, purge, purge_limit)
    except MailserverError as exc:
        faults.append(exc)
    if faults:
        _fail(module, faults)
    _warn(module, list(_checks.find_warnings(desired.rows, changes, _plan.apply_plan(stored, changes))))
    result = {"changed": bool(changes), **_plan.summary(changes)}
    if module._diff:
        result["diff"] = _plan.diff(changes)
    module.exit_json(**result)


def _transact(module, desired, faults, purge, purge_limit):
    """Find further faults, or what there is to change, and change it; returns what was stored before and the changes."""
    with _store.open_directory(module.params) as connection:
        _store.lock(connection)
        stored = _store.fetch(connection)
        changes = _plan.make_plan(desired, stored, purge)
        faults += _faults_among_rows(desired, stored, changes, faults, purge, purge_limit)
        if faults:
            return stored, []
        other_passwords = _compare_passwords(module, _plan.find_comparisons(desired, stored))
        if other_passwords:
            changes = _plan.make_plan(desired, stored, purge, other_passwords)
        if not module.check_mode:
            _store.apply(connection, _hash_passwords(module, changes))
            if changes and module.params.get("history_days") is not None:
                _store.trim_history(connection, module.params["history_days"])
        return stored, changes


def _compare_passwords(module, comparisons):
    """Keys of the users whose stored hash is one of another password."""
    same = spread(lambda item: item[1].matches(item[2]), comparisons, _progress(module, "compared"))
    return {key for (key, *dummy), is_same in zip(comparisons, same) if not is_same}


def _hash_passwords(module, changes):
    to_hash = [change for change in changes if change.is_to_hash]
    hashes = iter(spread(lambda change: change.after.password.stored_form(), to_hash, _progress(module, "hashed")))
    return [
        change._replace(after=change.after._replace(password=next(hashes))) if change.is_to_hash else change
        for change in changes
    ]


def _progress(module, verb):
    """Says to the system's log how far a long run is; Ansible shows nothing before its end."""

    def tell(done, total):
        if total >= LONG_RUN:
            module.log(f"{done} of {total} passwords {verb}")

    return tell


def _missing_libraries(users):
    passwords = (row.values.password for row in users.values() if row.present)
    missing = {password.missing_library() for password in passwords if isinstance(password, Password)} - {None}
    return [Fault("passwords", reason.rstrip(".")) for reason in sorted(missing)]


def _faults_among_rows(desired, stored, changes, known, purge, purge_limit):
    """What is wrong with rows that are good by themselves; a faulty one has had its sentence."""
    found = [
        *_checks.find_faults(desired, changes, _plan.apply_plan(stored, changes)),
        *_checks.find_purge_faults(desired, stored, changes, purge, purge_limit),
    ]
    faulty = {fault.label for fault in known if isinstance(fault, Fault)}
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
