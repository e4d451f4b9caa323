# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import json

import pytest

from ansible_collections.virtmail.mailserver.plugins.module_utils import _source
from ansible_collections.virtmail.mailserver.plugins.module_utils._entities import Desired

ROWS = {
    "domains": [{"name": "example.com", "description": "Büro, \"unten\"", "active": False}],
    "users": [{"email": "Alice@example.com", "quota": 0, "display_name": 5}, {"email": "bob@example.com", "state": "absent"}],
    "aliases": [{"source": "info@example.com", "destination": ["b@example.net", "a@example.net"]}],
}
CSV = {
    "domains.csv": 'name,description,active\nexample.com,"Büro, ""unten""",no\n',
    "users.CSV": "\ufeffemail,quota,display_name,state\r\nAlice@example.com,0,5,\r\n\r\nbob@example.com,,,absent\r\n",
    "aliases.csv": "source,destination\ninfo@example.com,b@example.net a@example.net\n",
}


def read(directory, **files):
    desired = Desired({})
    for name, text in files.items():
        path = directory / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        _source.read_file(str(path), name, desired)
    return desired.rows, [str(fault) for fault in desired.faults]


def read_one(directory, name, text):
    return read(directory, **{name: text})


def values(rows):
    return [(row.key, row.values) for kind in rows.values() for row in kind.values()]


def test_all_formats_say_the_same(tmp_path):
    yaml = (
        "---\nusers:\n- {email: Alice@example.com, quota: 0, display_name: 5}\n- email: bob@example.com\n  state: absent\n"
        "domains:\n- name: example.com\n  description: Büro, \"unten\"\n  active: no\n"
        "aliases:\n- source: info@example.com\n  destination:\n  - b@example.net\n  - a@example.net\n"
    )
    expected, faults = read_one(tmp_path, "rows.json", json.dumps(ROWS, indent=1))
    assert not faults and len(values(expected)) == 4
    for files in (CSV, {"rows.yml": yaml}, {"rows.yaml": json.dumps(ROWS)}):
        rows, faults = read(tmp_path, **files)
        assert (sorted(values(rows)), faults) == (sorted(values(expected)), [])
        assert rows["users"]["alice@example.com"].values.quota_bytes == 0


def test_nothing_in_a_file_is_nothing_wrong(tmp_path):
    for name, text in (("a.yml", ""), ("b.yml", "users: []\n"), ("c.json", "{}"), ("d.json", '{"users": [ ]}'), ("e.csv", "name\n")):
        rows, faults = read_one(tmp_path, name, text)
        assert (values(rows), faults) == ([], []), name


def test_every_fault_has_its_line(tmp_path):
    bad_rows = [{"email": "alice"}, {"email": "a@example.com", "active": "perhaps"}, {"quota": "5X"}, {"email": "A@example.com"}, 7]
    found = {
        "u.csv": (
            "email,active,display_name,password_cost\nalice,,,\na@example.com,perhaps,,\n"
            'b@example.com,,"two\nlines",\nA@example.com,,,\nc@example.com,,,x\nd@example.com,\n,,x,\n'
        ),
        "u.json": '{"users":\n [' + ",\n".join(map(json.dumps, bad_rows)) + "]}",
        "u.yml": "users:\n" + "".join(f"- {json.dumps(row)}\n" for row in bad_rows) + "- !vault x\n",
    }
    faults = {name: "\n".join(read_one(tmp_path, name, text)[1]) for name, text in found.items()}
    for name in faults:
        for expected in (
            f"{name} line 2 (alice): there is no @",
            f"{name} line 3 (a@example.com): active must be true or false",
            f"{name} line 3 (a@example.com) is the same user",
        ):
            assert expected in faults[name]
    for expected in (
        "u.csv line 4 (b@example.com): 'two\\nlines' has control characters",
        "u.csv line 6 (A@example.com): u.csv line 3 (a@example.com) is",
        "u.csv line 7 (c@example.com): password_cost must be a number",
        "u.csv line 8 (d@example.com): there are 2 cells, and the header has 4",
        "u.csv line 9 (): there is no email",
    ):
        assert expected in faults["u.csv"]
    for name in ("u.json", "u.yml"):
        assert f"{name} line 4 (): there is no email" in faults[name]
        assert f"{name} line 5 (A@example.com): {name} line 3" in faults[name]
        assert f"{name} line 6 (): this is no user" in faults[name]
    assert "u.yml line 7 (): line 7: could not determine a constructor" in faults["u.yml"]


def test_rows_of_several_files_are_one_directory(tmp_path):
    faults = read(tmp_path, **{"a.csv": "email\nx@example.com\n", "b.json": '{"users": [{"email": "X@Example.com"}]}'})[1]
    assert faults == ["b.json line 1 (X@Example.com): a.csv line 2 (x@example.com) is the same user: keep one of them."]


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("rows.txt", "", "rows.txt: the name must end in one of .csv, .json"),
        ("a{b}.csv", "email\nx\n", "a{b}.csv line 2 (x): there is no @"),
        ("u.csv", "", None),
        ("u.csv", "address\n", "u.csv line 1: the header must have one of"),
        ("u.csv", "email,name\n", "u.csv line 1: the header must have one of"),
        ("u.csv", "email,passwrd\n", "u.csv line 1: passwrd: no option of a user"),
        ("u.csv", "email,email\n", "u.csv line 1: the header has a column twice"),
        ("u.csv", 'email\na@example.com\n"b@example.com\nc@example.com\n', "u.csv line 3 (): unexpected end of data"),
        ("u.csv", b"email\na@example.com\nb\xe4@example.com\n\xff\n", "u.csv line 4: this is not UTF-8"),
        ("u.json", '{"users": [\n{"email": "x"},\n{"email" "y"}\n]}', "u.json line 3: this is no JSON: expecting ':' delimiter"),
        ("u.json", '{"users": [\n{"email": "x"}\n{"email": "y"}\n]}', "u.json line 3: this is no JSON: , is missing"),
        ("u.json", '{"users": []} x', "u.json line 1: this is no JSON: nothing may follow"),
        ("u.json", '{\n"user": []}', "u.json line 2: the lists in the file must be named organizations, domains, users, aliases"),
        ("u.json", '{"users": {}}', "u.json line 1: this is no JSON: [ is missing"),
        ("u.json", '{"users": [{"email": "x@y.test", "mail": 1}]}', "u.json line 1 (x@y.test): mail is no option of a user"),
        ("u.yml", "users:\n- email: @x\n", "u.yml line 2: this is no YAML: found character"),
        ("u.yml", "users:\n- email: x\n  - y\n", "u.yml line 3: this is no YAML"),
        ("u.yml", "- email: x\n", "u.yml line 1: the file must be a mapping"),
        ("u.yml", "users: {}\n", "u.yml line 1: users must be a list"),
        ("u.yml", "user: []\n", "u.yml line 1: the lists in the file must be named"),
        ("u.yml", "users: []\n---\nusers: []\n", "u.yml line 2: the file must have one document"),
        ("u.yml", b"users: \xff\n", "u.yml line 1: this is not UTF-8"),
        ("u.yml", "users:\n- email: [x]\n", "u.yml line 2 (): email must be a single value"),
        ("u.yml", "aliases:\n- source: x@y.test\n  destination: {}\n", "destination must be a list of texts"),
        ("u.yml", "users:\n- email: x@y.test\n  state: gone\n", "state must be one of absent, present"),
    ],
)
def test_broken_files(tmp_path, name, text, words):
    faults = read_one(tmp_path, name, text)[1]
    assert any(words in fault for fault in faults) if words else not faults


def test_missing_file(tmp_path):
    desired = Desired({})
    _source.read_file(str(tmp_path / "none.csv"), "none.csv", desired)
    assert str(desired.faults[0]) == "none.csv: cannot be read: No such file or directory."


def test_yaml_anchors_and_merges(tmp_path):
    text = "users:\n- &a {email: a@example.com, quota: 1K, active: no}\n- {<<: *a, email: b@example.com}\n"
    rows, faults = read_one(tmp_path, "u.yml", text)
    assert [row.values.quota_bytes for row in rows["users"].values()] == [1024, 1024]
    assert not faults
