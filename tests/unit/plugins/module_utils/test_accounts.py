# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts of an operating system become rows, or are left out for a reason."""

from __future__ import annotations

import pytest

from ansible_collections.virtmail.mailserver.plugins.module_utils import _accounts
from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import MailserverError

SHA512 = "$6$saltsalt$" + "a" * 86
PASSWD = """\
root:x:0:0:root:/root:/bin/bash
mia:x:1000:1000:Mia Example,Room 7:/home/mia:/bin/bash
max:x:1001:1001:& Example:/home/max:/bin/bash
lea:x:1002:1002::/home/lea:/bin/bash
old:x:1003:1003::/home/old:/bin/bash
nora:x:1004:1004::/home/nora:/bin/bash
odd:x:1005:1005::/home/odd:/bin/bash
robot$:x:1006:1006::/home/robot:/bin/false
gone:x:1007:1007::/home/gone:/bin/false
nobody:x:65534:65534::/nonexistent:/usr/sbin/nologin
"""
SHADOW = f"""\
root:{SHA512}:20000:0:99999:7:::
mia:{SHA512}:20000:0:99999:7:::
max:$1$saltsalt${'b' * 22}:20000:0:99999:7:::
lea:!{SHA512}:20000:0:99999:7:::
old:{SHA512}:20000:0:99999:7::10000:
nora:!:20000:0:99999:7:::
odd:nothing:20000:0:99999:7:::
robot$:{SHA512}:20000:0:99999:7:::
"""
ALIASES = """\
# of old
Postmaster: root
root: mia
office: max,
  \\mia, friend@example.net
archive: "|/usr/bin/archive"
old-archive: archive
older: old-archive
list: :include:/etc/list
stranger: somebody
"""


@pytest.fixture
def read(tmp_path):
    def read_here(aliases=ALIASES, **options):
        for name, text in (("passwd", PASSWD), ("shadow", SHADOW), ("aliases", aliases)):
            (tmp_path / name).write_text(text)
        files = {f"{name}_file": str(tmp_path / name) for name in ("passwd", "shadow", "aliases")}
        defaults = {"names": [], "uid_min": 1000, "uid_max": 59999, "known_users": [], "known_aliases": []}
        return _accounts.read("example.com", {**defaults, **files, **options})

    return read_here


def test_accounts_become_users(read):
    options = ("password_hash", "display_name", "active")
    users = {user["email"]: {option: user[option] for option in options} for user in read()[1]["users"]}
    assert users == {
        "mia@example.com": {"password_hash": f"{{SHA512-CRYPT}}{SHA512}", "display_name": "Mia Example", "active": True},
        "max@example.com": {"password_hash": "{MD5-CRYPT}$1$saltsalt$" + "b" * 22, "display_name": "Max Example", "active": True},
        "lea@example.com": {"password_hash": f"{{SHA512-CRYPT}}{SHA512}", "display_name": "", "active": False},
        "old@example.com": {"password_hash": f"{{SHA512-CRYPT}}{SHA512}", "display_name": "", "active": False},
    }


def test_what_is_left_out_has_a_reason(read):
    left_out = dict(each.split(": ", 1) for each in read()[0]["left_out"])
    assert left_out.pop("account robot$").startswith("an account's name may have only")
    assert left_out == {
        "account nora": "it has no password",
        "account odd": "its password is not in a form that Dovecot reads",
        "account gone": "it has no line in the file of the passwords",
        "alias archive": "it leads to a program, a file or a list",
        "alias list": "it leads to a program, a file or a list",
        "alias old-archive": "it leads to archive, which is left out",
        "alias older": "it leads to old-archive, which is left out",
        "alias stranger": "it leads to somebody, which is none of these accounts",
    }


def test_simple_aliases_are_taken(read):
    aliases = {alias["source"]: alias["destination"] for alias in read()[1]["aliases"]}
    assert aliases == {
        "postmaster@example.com": ["root@example.com"],
        "root@example.com": ["mia@example.com"],
        "office@example.com": ["friend@example.net", "max@example.com", "mia@example.com"],
    }


@pytest.mark.parametrize(
    ("entry", "destinations"),
    [("mia@example.net", ["mia@example.com", "mia@example.net"]), ("mia, mia@example.net", ["mia@example.com", "mia@example.net"])],
)
def test_an_account_keeps_a_copy_of_what_is_sent_on(read, entry, destinations):
    result, lists = read(aliases=f"mia: {entry}\n")
    assert [(alias["source"], alias["destination"]) for alias in lists["aliases"]] == [("mia@example.com", destinations)]
    assert any(each.startswith("alias mia: it sends all mail of an account elsewhere") for each in result["left_out"]) == ("," not in entry)


def test_aliases_that_lead_nowhere_prevent_nothing(read):
    result, lists = read(aliases="mia: mia\nself: self\nround: about\nabout: round\noffice: max\n")
    assert {"mia@example.com", "self@example.com", "about@example.com"}.isdisjoint(alias["source"] for alias in lists["aliases"])
    assert len(lists["users"]) == 4
    said = "\n".join(result["left_out"])
    assert "alias self: the alias leads only to itself" in said and "a loop" in said


def test_what_is_known_is_no_row(read):
    result, lists = read(known_users=["mia@example.com", "lea@example.com"], known_aliases=["root@example.com"])
    assert [user["email"] for user in lists["users"]] == ["max@example.com", "old@example.com"]
    assert [alias["source"] for alias in lists["aliases"]] == ["office@example.com", "postmaster@example.com"]
    assert {"account": "mia", "user": "mia@example.com", "active": True} in result["accounts"]


def test_a_known_user_needs_no_password(read):
    result, lists = read(known_users=["nora@example.com"])
    assert {"account": "nora", "user": "nora@example.com", "active": True} in result["accounts"]
    assert "nora@example.com" not in str(lists["users"]) and "nora" not in str(result["left_out"])


@pytest.mark.parametrize("entry", ["max", "max, lea"])
def test_aliases_are_judged_with_the_users_who_are_there(read, entry):
    lists = read(names=["max"], known_users=["lea@example.com"], aliases=f"lea: {entry}\n")[1]
    destinations = ["lea@example.com", "max@example.com"]
    assert [(alias["source"], sorted(alias["destination"])) for alias in lists["aliases"]] == [("lea@example.com", destinations)]


def test_the_result_holds_no_hash(read):
    assert "$" not in str(read()[0]).replace("robot$", "")


def test_only_named_accounts_are_read(read):
    result, lists = read(names=["mia", "root"], aliases_file="")
    assert [user["email"] for user in lists["users"]] == ["mia@example.com", "root@example.com"]
    assert [each["account"] for each in result["accounts"]] == ["root", "mia"]
    assert lists["aliases"] == []


def test_a_name_that_is_no_account_is_a_fault(read):
    with pytest.raises(MailserverError, match="has no account nobody-here: correct names"):
        read(names=["nobody-here"])
