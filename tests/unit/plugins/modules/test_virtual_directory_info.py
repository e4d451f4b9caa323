# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import hashlib

import pytest

from ansible_collections.virtmail.mailserver.plugins.module_utils import _password_cost, _store
from ansible_collections.virtmail.mailserver.plugins.module_utils._password import Password

HASH = Password("correct horse", "SHA512-CRYPT", 5001).stored_form()


def digest(text):
    return "{SHA256}" + hashlib.sha256(text.encode()).hexdigest()


DIRECTORY = {
    "organizations": [
        {
            "name": "acme",
            "description": "Acme",
            "max_domains": "2",
            "max_users": "0",
            "max_aliases": "unlimited",
            "max_quota": "1536M",
            "database_role": "Panel",
            "managed": True,
        },
        {
            "name": "self",
            "description": "",
            "max_domains": "unlimited",
            "max_users": "3",
            "max_aliases": "2",
            "max_quota": "unlimited",
            "database_role": "",
            "managed": False,
        },
    ],
    "domains": [
        {"name": "empty.test", "organization": "", "description": "", "active": True, "managed": False},
        {"name": "example.com", "organization": "self", "description": "Office", "active": True, "managed": True},
    ],
    "users": [
        {
            "email": "alice@example.com",
            "password_protocols": ["imap", "web"],
            "quota": "5G",
            "display_name": "Alice",
            "active": False,
            "managed": True,
            "app_passwords": [
                {"name": "laptop", "protocols": ["imap", "pop3", "sieve", "smtp"], "managed": False},
                {"name": "phone", "protocols": ["all"], "managed": True},
            ],
        },
        {
            "email": "bob@example.com",
            "password_protocols": ["all"],
            "quota": "default",
            "display_name": "",
            "active": True,
            "managed": False,
            "app_passwords": [],
        },
    ],
    "aliases": [{"source": "info@example.com", "destination": ["bob@example.com", "x@elsewhere.test"], "managed": True}],
}
WITH_HASHES = {
    **DIRECTORY,
    "users": [
        {
            **user,
            "password_hash": HASH,
            "app_passwords": [{**app, "password_hash": digest(app["name"])} for app in user["app_passwords"]],
        }
        for user in DIRECTORY["users"]
    ],
}
LISTS = list(DIRECTORY)


@pytest.fixture(autouse=True)
def filled(run):
    assert run("virtual_directory", **WITH_HASHES)["changed"]


def test_output_is_input(run, rows, connection):
    read = run("virtual_directory_info")
    assert {name: read[name] for name in LISTS} == DIRECTORY
    assert not run("virtual_directory", **{name: read[name] for name in LISTS})["changed"]


def test_usage(run, tmp_path):
    expected = {
        "acme": {
            "domains": 0,
            "users": 0,
            "aliases": 0,
            "quota": "0",
            "users_without_quota": 0,
            "max_domains": "2",
            "max_users": "0",
            "max_aliases": "unlimited",
            "max_quota": "1536M",
        },
        "self": {
            "domains": 1,
            "users": 2,
            "aliases": 2,
            "quota": "5G",
            "users_without_quota": 1,
            "max_domains": "unlimited",
            "max_users": "3",
            "max_aliases": "2",
            "max_quota": "unlimited",
        },
    }
    assert run("virtual_directory_info")["usage"] == expected
    assert run("virtual_directory_info", dest=str(tmp_path / "directory.json"))["usage"] == expected


def test_hashes_only_on_request_and_only_where_they_are_not_printed(run, connection):
    assert HASH not in run("virtual_directory_info")["printed"]
    refused = run("virtual_directory_info", include_password_hashes=True)
    assert "no_log" in refused["msg"] and HASH not in refused["printed"]
    read = run("virtual_directory_info", include_password_hashes=True, no_log=True)
    assert {name: read[name] for name in LISTS} == WITH_HASHES

    connection.execute("TRUNCATE virtual_organizations CASCADE")
    assert run("virtual_directory", **{name: read[name] for name in LISTS})["changed"]
    again = run("virtual_directory_info", include_password_hashes=True, no_log=True)
    assert {name: again[name] for name in LISTS} == WITH_HASHES


def test_export_makes_the_same_directory_elsewhere(run, connection, tmp_path):
    connection.execute("UPDATE virtual_domains SET description = E'A \"B\" \\\\ ü'")
    path = tmp_path / "directory.json"
    exported = run("virtual_directory_info", dest=str(path), include_password_hashes=True)
    assert exported["changed"] and not set(LISTS) & set(exported) and HASH not in exported["printed"]
    assert path.stat().st_mode & 0o777 == 0o600
    here = run("virtual_directory_info", include_password_hashes=True, no_log=True)

    connection.execute("TRUNCATE virtual_organizations CASCADE")
    source = {"src": [str(path)], "remote_src": True}
    assert run("virtual_directory", **source)["changed"]
    there = run("virtual_directory_info", include_password_hashes=True, no_log=True)
    assert {name: there[name] for name in LISTS} == {name: here[name] for name in LISTS}
    assert not run("virtual_directory", purge=LISTS, **source)["changed"]


def test_export_is_written_only_where_it_differs(run, tmp_path):
    path = tmp_path / "directory.json"
    assert run("virtual_directory_info", dest=str(path), check=True)["changed"] and not path.exists()
    assert run("virtual_directory_info", dest=str(path))["changed"]
    assert HASH not in path.read_text()
    assert not run("virtual_directory_info", dest=str(path))["changed"]
    path.chmod(0o644)
    assert run("virtual_directory_info", dest=str(path))["changed"] and path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == ["directory.json"]


def test_export_that_is_impossible(run, tmp_path):
    assert "must end in .json" in run("virtual_directory_info", dest=str(tmp_path / "directory.yml"))["msg"]
    assert "cannot be written: No such file" in run("virtual_directory_info", dest=str(tmp_path / "none/directory.json"))["msg"]


# Each with a salt and a digest that must not show
STORED = [
    "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$secretsalt$secretdigest",
    "{ARGON2I}$argon2i$v=19$m=19456,t=2,p=1$secretsalt$secretdigest",
    "{BLF-CRYPT}$2y$10$secretsaltsecretdigest",
    "{SHA512-CRYPT}$6$rounds=656000$secretsalt$secretdigest",
    "{SHA512-CRYPT}$6$secretsalt$secretdigest",
    "{SHA256-CRYPT}$5$secretsalt$secretdigest",
    "{MD5-CRYPT}$1$secretsa$secretdigest",
    "{CRYPT}$y$j9T$secretsalt$secretdigest",
    "{CRYPT}$7$CU..../....secretsalt$secretdigest",
    "{CRYPT}$sha1$40000$secretsalt$secretdigest",
    "{CRYPT}$md5,rounds=5$secretsalt$secretdigest",
    "{CRYPT}secretdigest1",
    "{CRYPT}_secretsaltsecretdige",
    "{SSHA}secretdigestsecretsalt",
    "{CRAM-MD5}secretdigest",
    "{SCRAM-SHA-256}4096,secretsalt,secretdigest,secretdigest",
    "{PLAIN}secret$6$rounds=1000$password",
    "{SECRET}PASSWORD",
    "secret$y$password",
    "secret}password",
]


def test_password_schemes(run, connection):
    connection.execute("DELETE FROM virtual_users; UPDATE virtual_organizations SET max_users = NULL")
    for number, stored in enumerate(STORED):
        insert = (
            "INSERT INTO virtual_users (domain_id, email, password) SELECT id, format('user%%s-%%s@example.com', %s::int, turn), %s"
            " FROM virtual_domains, generate_series(%s, 100) AS turn WHERE name = 'example.com'"
        )
        connection.execute(insert, (number, stored, number + 1))
    read = run("virtual_directory_info")
    assert [(found["scheme"], found["cost"], found["users"], found["judgement"]) for found in read["password_schemes"]] == [
        ("", "", 84 + 83 + 82 + 81, "weak"),
        ("CRYPT", "", 89 + 88, "weak"),
        ("ARGON2ID", "m=65536,t=3,p=1", 100, "slow"),
        ("ARGON2I", "m=19456,t=2,p=1", 99, "ok"),
        ("BLF-CRYPT", "10", 98, "ok"),
        ("SHA512-CRYPT", "rounds=656000", 97, "slow"),
        ("SHA512-CRYPT", "", 96, "ok"),
        ("SHA256-CRYPT", "", 95, "ok"),
        ("MD5-CRYPT", "", 94, "weak"),
        ("CRYPT", "$y$j9T", 93, "ok"),
        ("CRYPT", "$7$CU..../....", 92, "slow"),
        ("CRYPT", "$sha1$40000", 91, "ok"),
        ("CRYPT", "$md5,rounds=5", 90, "ok"),
        ("SSHA", "", 87, "weak"),
        ("CRAM-MD5", "", 86, "weak"),
        ("SCRAM-SHA-256", "4096", 85, "ok"),
    ]
    assert [found["milliseconds"] for found in read["password_schemes"][2:6]] == [115.2, 22.8, 59.0, 209.9]
    assert "secret" not in read["printed"].lower()
    counted = _store.count_passwords(connection, _password_cost.COSTED_SCHEMES)
    assert len(counted) == 16 and "secret" not in str(counted).lower()


def test_password_schemes_without_the_rows(run, tmp_path):
    read = run("virtual_directory_info", rows=False, history=True)
    assert [found["users"] for found in read["password_schemes"]] == [2] and read["history"] and not read["changed"]
    assert not {*LISTS, "usage"} & set(read)
    needing = {"dest": str(tmp_path / "directory.json"), "mail_directory": str(tmp_path), "include_password_hashes": True}
    for option, value in needing.items():
        refused = run("virtual_directory_info", rows=False, no_log=True, **{option: value})
        assert f"rows is false, and {option} needs them" in refused["msg"]
    assert list(tmp_path.iterdir()) == []


def test_password_schemes_of_a_directory_without_users(run, connection):
    connection.execute("DELETE FROM virtual_users")
    assert run("virtual_directory_info")["password_schemes"] == []


@pytest.fixture
def reader(connection):
    """A role that reads the directory, but for the passwords."""
    connection.execute(
        "CREATE ROLE reader LOGIN; GRANT USAGE ON SCHEMA mail_internal TO reader;"
        " GRANT SELECT ON mail_internal.schema_migrations TO reader; GRANT SELECT (id, email, domain_id) ON virtual_users TO reader"
    )
    yield "reader"
    connection.execute("DROP OWNED BY reader; DROP ROLE reader")


def test_password_schemes_for_who_may_not_read_passwords(run, connection, reader):
    read = run("virtual_directory_info", rows=False, login_user=reader)
    assert read.get("password_schemes") == [], read
    connection.execute(f"GRANT SELECT (password) ON virtual_users TO {reader}")
    assert len(run("virtual_directory_info", rows=False, login_user=reader)["password_schemes"]) == 1


def test_history(run, connection):
    run("virtual_directory", users=[{"email": "alice@example.com", "quota": "1K", "password": "another long password"}])
    read = run("virtual_directory_info", history=True)
    (newest, *others) = read["history"]
    assert newest.pop("at") and newest == {
        "role": "postgres",
        "kind": "user",
        "key": "alice@example.com",
        "verb": "updated",
        "before": {"quota_bytes": 5 * 1024**3, "password": "set"},
        "after": {"quota_bytes": 1024, "password": "changed"},
    }
    assert [entry["verb"] for entry in others] == ["created"] * 10
    assert "$" not in str(read["history"])
    assert len(run("virtual_directory_info", history=True, history_limit=2)["history"]) == 2
    assert run("virtual_directory_info", history=True, history_since="tomorrow")["history"] == []
    assert "history" not in run("virtual_directory_info")
    assert "invalid input syntax" in run("virtual_directory_info", history=True, history_since="never ever")["msg"]


def test_history_is_trimmed_by_runs_that_change_something(run, connection):
    connection.execute("UPDATE mail_internal.history SET at = at - interval '100 days'")

    def is_trimmed(**options):
        run("virtual_directory", history_days=99, **options)
        return connection.execute("SELECT count(*) <= 1 FROM mail_internal.history").fetchone()[0]

    changing = {"domains": [{"name": "example.com", "description": "Elsewhere"}]}
    assert not is_trimmed(domains=[{"name": "example.com"}])
    assert not is_trimmed(check=True, **changing)
    assert is_trimmed(**changing)


@pytest.fixture
def store(tmp_path):
    """A mail store with these homes, and things in it that are none."""
    for home in ("example.com/alice/Maildir", "example.com/gone", "gone.test/x", "empty.test", ".removed/example.com/x.20300131T081500Z"):
        (tmp_path / home).mkdir(parents=True)
    (tmp_path / "notes").write_text("x")
    (tmp_path / "example.com/notes").write_text("x")
    return tmp_path


def test_mail_and_users_that_have_drifted_apart(run, store):
    read = run("virtual_directory_info", mail_directory=str(store))
    assert read["mailboxes_without_user"] == ["gone@example.com", "x@gone.test"]
    assert read["users_without_mailbox"] == ["bob@example.com"]
    assert {name: read[name] for name in LISTS} == DIRECTORY and not read["changed"]
    assert "users_without_mailbox" not in run("virtual_directory_info")


def test_mail_directory_beside_an_export(run, store, tmp_path):
    read = run("virtual_directory_info", mail_directory=str(store), dest=str(tmp_path / "directory.json"))
    assert read["users_without_mailbox"] == ["bob@example.com"] and "users" not in read


def test_a_mail_directory_with_odd_names(run, store):
    (store / "example.com" / b"\xff".decode("utf-8", "surrogateescape")).mkdir()
    assert "\ufffd@example.com" in run("virtual_directory_info", mail_directory=str(store))["mailboxes_without_user"]


def test_a_mail_directory_that_is_not_there(run):
    assert "cannot be read: /nonexistent: No such file" in run("virtual_directory_info", mail_directory="/nonexistent")["msg"]
