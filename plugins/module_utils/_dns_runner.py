# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""The life of the modules for DNS, from their arguments to their results. The only place of theirs that exits or fails."""

from __future__ import annotations

import ipaddress

from ansible_collections.virtmail.mailserver.plugins.module_utils import (
    _address,
    _dkim_rotation,
    _dkim_table,
    _dns_ask,
    _dns_check,
    _dns_compare,
    _dns_host,
    _dns_records,
    _dns_spf,
    _dns_update,
    _dns_zone,
    _store,
)
from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import CONNECTION_SPEC, MailserverError
from ansible_collections.virtmail.mailserver.plugins.module_utils._runner import DirectoryModule

_OVERWRITE = {"type": "list", "elements": "str", "choices": list(_dns_compare.SHARED), "default": []}

INFO_SPEC = {
    "hostname": {"type": "str", "required": True},
    "domains": {"type": "list", "elements": "str"},
    "addresses": {"type": "list", "elements": "str"},
    "dkim_directory": {"type": "path", "default": "/var/lib/mailserver/dkim"},
    "spf": {"type": "str", "default": "v=spf1 mx -all"},
    "dmarc_policy": {"type": "str", "choices": ["none", "quarantine", "reject"], "default": "quarantine"},
    "dmarc_address": {"type": "str", "default": "postmaster"},
    "tls_rpt_address": {"type": "str", "default": ""},
    "mta_sts_mode": {"type": "str", "choices": ["", "none", "testing", "enforce"], "default": ""},
    "mta_sts_max_age": {"type": "int", "default": 604800},
    "mta_sts_id": {"type": "str", "default": ""},
    "tlsa_files": {"type": "list", "elements": "path", "default": []},
    "services": {"type": "list", "elements": "str", "choices": list(_dns_records.SERVICES), "default": []},
    "autoconfig": {"type": "bool", "default": False},
    "caa_issuers": {"type": "list", "elements": "str", "default": []},
    "ttl": {"type": "int", "default": 3600},
    "records": {"type": "bool", "default": True},
    "compare": {"type": "bool", "default": True},
    "overwrite": _OVERWRITE,
    "nameservers": {"type": "list", "elements": "str", "default": []},
    "nameserver_port": {"type": "int", "default": 53},
    "authoritative": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 5},
    "time_limit": {"type": "int", "default": 120},
}

ROTATION_SPEC = {
    "domains": {"type": "list", "elements": "str"},
    "algorithms": {"type": "list", "elements": "str", "choices": ["rsa", "ed25519"], "default": ["rsa", "ed25519"]},
    "dkim_directory": {"type": "path", "default": "/var/lib/mailserver/dkim"},
    "rotate_after": {"type": "int", "default": 180},
    "retire_after": {"type": "int", "default": 7},
    "nameservers": {"type": "list", "elements": "str", "default": []},
    "nameserver_port": {"type": "int", "default": 53},
    "timeout": {"type": "int", "default": 5},
    "time_limit": {"type": "int", "default": 120},
}

UPDATE_SPEC = {
    "records": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "no_log": True,  # in the system's log, which would get all of them at each run
        "options": {
            "domain": {"type": "str", "required": True},
            "name": {"type": "str", "required": True},
            "type": {"type": "str", "required": True},
            "value": {"type": "str", "required": True},
            "purpose": {"type": "str", "required": True, "choices": [*_dns_compare.SHARED, *sorted(_dns_compare.OWN)]},
            "ttl": {"type": "int", "default": 3600},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        },
    },
    "server": {"type": "str", "required": True},
    "port": {"type": "int", "default": 53},
    "tsig_name": {"type": "str", "required": True},
    "tsig_secret": {"type": "str", "required": True, "no_log": True},
    "tsig_algorithm": {"type": "str", "choices": ["hmac-sha256", "hmac-sha384", "hmac-sha512"], "default": "hmac-sha256"},
    "overwrite": _OVERWRITE,
    "timeout": {"type": "int", "default": 5},
}


def run_info():
    """The module that computes the records and compares them with what is published."""
    module = DirectoryModule({**INFO_SPEC, **CONNECTION_SPEC}, supports_check_mode=True)
    _run(module, _info)


def run_rotation():
    """The module that takes the steps that are due of the rotation of DKIM keys."""
    module = DirectoryModule({**ROTATION_SPEC, **CONNECTION_SPEC}, supports_check_mode=True)
    _run(module, _rotate)


def run_update():
    """The module that publishes records."""
    module = DirectoryModule(UPDATE_SPEC, supports_check_mode=True)
    module.no_log_values = {module.params["tsig_secret"]}  # the records are shown
    _run(module, _update)


def _run(module, work):
    fault = None
    try:
        result = work(module)
    except MailserverError as exc:
        fault = str(exc)
    if fault:  # not while the exception is handled: Ansible would print its causes too, with whatever they show
        module.fail_json(fault)
    module.exit_json(**result)


def _info(module):
    params = module.params
    domains = _domains(params)
    site = _site(module)
    records = _dns_records.compute(site, domains, _dns_host.read_dkim(params["dkim_directory"], domains))
    result = {"changed": False}
    if params["records"]:
        result["records"] = [record._asdict() for record in records]
        result["zone"] = _dns_zone.zone_texts(records)
    if site.mta_sts_mode:
        result["mta_sts_policy"] = _dns_records.mta_sts_policy(site)
    if params["compare"]:
        result.update(_compare(params, site, records))
    return result


def _domains(params):
    """Those given, or those that the directory has and that receive mail."""
    if params["domains"] is not None:
        return {_checked("domains", _address.domain, name) for name in params["domains"]}
    with _store.open_directory(params) as connection:
        return {name for name, domain in _store.fetch_domains(connection).items() if domain.active}


def _site(module):
    params = module.params
    addresses = _dns_host.public_addresses() if params["addresses"] is None else params["addresses"]
    options = {option: params[option] for option in _dns_records.Site._fields if option in params}
    for option in ("dmarc_address", "tls_rpt_address"):
        if params[option]:
            _checked(option, _report_address, params[option])
    if not params["spf"].startswith("v=spf1 "):
        raise MailserverError(f"spf {params['spf']}: this is no SPF record, which begins with 'v=spf1 '.")
    return _dns_records.Site(**{
        **options,
        "hostname": _checked("hostname", _address.domain, params["hostname"]),
        "addresses": tuple(_checked("addresses", lambda text: str(ipaddress.ip_address(text)), text) for text in addresses),
        "key_digests": _dns_host.key_digests(module.run_command, params["tlsa_files"]),
    })


def _report_address(text):
    return _address.address(text if "@" in text else f"{text}@example.com")


def _checked(option, parse, text):
    try:
        return parse(text)
    except ValueError as exc:
        raise MailserverError(f"{option} {text}: {exc}.") from exc


def _compare(params, site, records):
    _dns_ask.need_library()
    _dns_spf.need_library()
    report = _dns_check.check(site, records, _dns_check.Questions(**{option: params[option] for option in _dns_check.Questions._fields}))
    return {
        "differences": [_as_result(difference) for difference in report.differences],
        "unanswered": [
            {"domain": wanted.domain, "name": wanted.name, "type": wanted.type, "reason": reason}
            for wanted, reason in report.unanswered
        ],
        "questions": report.questions,
        "seconds": report.seconds,
    }


def _as_result(difference):
    wanted = difference.wanted
    return {
        "domain": wanted.domain,
        "name": wanted.name,
        "type": wanted.type,
        "purpose": wanted.purpose,
        "kind": difference.kind,
        "value": difference.value,
        "found": list(difference.found),
        "text": _dns_compare.explain(difference),
    }


def _rotate(module):
    params = module.params
    _dns_ask.need_library()
    options = {option: params[option] for option in _dkim_rotation.Questions._fields}
    turns = _dkim_rotation.rotate(
        params["dkim_directory"],
        _domains(params),
        _dkim_table.Rules(params["algorithms"], params["rotate_after"], params["retire_after"]),
        _dkim_rotation.Questions(**options),
        module.check_mode,
    )
    changed = [turn for turn in turns if turn.before != turn.after]
    result = {
        "changed": bool(changed),
        "due": [turn.domain for turn in changed],
        "keyless": [turn.domain for turn in turns if not turn.before],
        "rotations": [{"domain": turn.domain, "text": turn.text} for turn in turns if turn.text],
        "removed_records": [{**record._asdict(), "state": "absent"} for turn in turns for record in turn.removed],
    }
    if module._diff:
        result["diff"] = [
            {
                "before": _dkim_table.render(turn.before),
                "after": _dkim_table.render(turn.after),
                "before_header": turn.domain,
                "after_header": turn.domain,
            }
            for turn in changed
        ]
    return result


def _update(module):
    params = module.params
    _dns_ask.need_library()
    server = _dns_update.Server(params)
    records = _records_in(params["records"], "present")
    plan = _dns_update.make_plan(server, records, params["overwrite"])
    if records and set(plan.unserved) >= {record.domain for record in records}:
        raise MailserverError(f"Name server {server.place} has no zone of any of the domains: name the primary server of their zones.")
    changes = plan.changes + _dns_update.plan_removal(server, _records_in(params["records"], "absent"))
    _dns_update.publish(server, changes, module.check_mode)
    result = {
        "changed": bool(changes),
        "left_alone": [_as_result(difference) for difference in plan.left_alone],
        "unserved": plan.unserved,
    }
    if module._diff:
        result["diff"] = _dns_update.diff(changes)
    return result


def _records_in(records, state):
    fields = _dns_records.Record._fields
    return [_dns_records.Record(*(each[field] for field in fields)) for each in records if each["state"] == state]
