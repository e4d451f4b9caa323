# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""App passwords in the modules: given with their users, stored as digests, never shown."""

from __future__ import annotations

import hashlib
import json

import pytest

HASH = "{SHA512-CRYPT}$6$salt$" + "x" * 86
SECRETS = [f"app-{letter * 32}" for letter in "abc"]
ALICE = "alice@example.com"


def digest(secret):
    return "{SHA256}" + hashlib.sha256(secret.encode()).hexdigest()


def alice(*apps, **options):
    return {"email": ALICE, "app_passwords": list(apps), **options}


def app(name, secret=None, **options):
    return {"name": name, **({"password": secret} if secret else {}), **options}


@pytest.fixture(autouse=True)
def filled(run):
    result = run(
        "virtual_directory",
        domains=[{"name": "example.com"}],
        users=[
            alice(app("phone", SECRETS[0], protocols=["smtp", "IMAP"]), app("laptop", SECRETS[1]), password_hash=HASH),
            {"email": "bob@example.com", "password_hash": HASH, "app_passwords": [app("phone", SECRETS[0])]},
        ],
    )
    assert result["counts"]["app_passwords"] == {"created": 3, "updated": 0, "deleted": 0}, result
    assert not any(secret in result["printed"] or digest(secret) in result["printed"] for secret in SECRETS)


@pytest.fixture
def stored(connection):
    """{name of Alice's app password: what is stored of it}"""

    def read():
        query = "SELECT name, password, protocols, managed FROM virtual_app_passwords WHERE email = %s"
        return {name: values for name, *values in connection.execute(query, (ALICE,))}

    return read


def test_stored_is_a_digest_with_its_protocols(stored):
    assert stored() == {
        "phone": [digest(SECRETS[0]), "imap smtp", True],
        "laptop": [digest(SECRETS[1]), "imap pop3 sieve smtp", True],
    }


@pytest.mark.parametrize(
    ("change", "after"),
    [
        (app("phone"), {}),
        (app("phone", SECRETS[0]), {}),
        ({"name": "phone", "password_hash": digest(SECRETS[0]).upper()}, {}),
        (app("phone", SECRETS[2]), {"phone": [digest(SECRETS[2]), "imap smtp", True]}),
        (app("phone", protocols=["all"]), {"phone": [digest(SECRETS[0]), None, True]}),
        (app("phone", managed=False), {"phone": [digest(SECRETS[0]), "imap smtp", False]}),
        (app("old pc", SECRETS[2], protocols=["pop3"]), {"old pc": [digest(SECRETS[2]), "pop3", True]}),
        (app("phone", state="absent"), {"phone": None}),
        (app("lost", state="absent"), {}),
    ],
)
def test_one_app_password_changes_and_the_others_stay(run, rows, stored, change, after):
    before, wanted = rows(), {**stored(), **after}
    foretold = run("virtual_user", check=True, **alice(change))
    assert rows() == before
    result = run("virtual_user", **alice(change))
    assert result == foretold
    assert result["changed"] == bool(after)
    assert stored() == {name: values for name, values in wanted.items() if values}
    assert not run("virtual_user", **alice(change))["changed"]
    assert not any(secret in result["printed"] or digest(secret) in result["printed"] for secret in SECRETS)


def test_the_diff_names_what_changes_and_no_secret(run):
    apps = [app("phone", SECRETS[2], protocols=["imap"]), app("laptop", state="absent")]
    assert run("virtual_user", **alice(*apps, password_protocols=["web"]))["diff"] == {
        "before": (
            f"user {ALICE} password_protocols: all\n"
            f"app password {ALICE}/laptop password: set\n"
            f"app password {ALICE}/laptop protocols: imap\n"
            f"app password {ALICE}/laptop protocols: pop3\n"
            f"app password {ALICE}/laptop protocols: sieve\n"
            f"app password {ALICE}/laptop protocols: smtp\n"
            f"app password {ALICE}/laptop managed: true\n"
            f"app password {ALICE}/phone password: set\n"
            f"app password {ALICE}/phone protocols: imap\n"
            f"app password {ALICE}/phone protocols: smtp\n"
        ),
        "after": (
            f"user {ALICE} password_protocols: web\n"
            f"app password {ALICE}/phone password: changed\n"
            f"app password {ALICE}/phone protocols: imap\n"
        ),
    }


def test_two_may_swap_their_secrets(run, stored):
    assert run("virtual_user", **alice(app("phone", SECRETS[1]), app("laptop", SECRETS[0])))["changed"]
    assert [stored()[name][0] for name in ("phone", "laptop")] == [digest(SECRETS[1]), digest(SECRETS[0])]


def test_the_main_password_is_limited_and_freed_again(run, connection):
    for given, stored in ((["web", "imap"], "imap web"), ([], ""), (["all"], None)):
        assert run("virtual_user", email=ALICE, password_protocols=given)["changed"]
        assert not run("virtual_user", email=ALICE, password_protocols=given)["changed"]
        assert connection.execute("SELECT password_protocols FROM virtual_users WHERE email = %s", (ALICE,)).fetchone() == (stored,)
    assert not run("virtual_user", email=ALICE)["changed"]


@pytest.mark.parametrize("purge", [[], ["users"]])
def test_they_go_with_their_user(run, connection, purge):
    if purge:
        result = run("virtual_directory", users=[{"email": "bob@example.com"}], purge=purge)
    else:
        result = run("virtual_user", email=ALICE, state="absent")
    assert result["names"]["app_passwords"]["deleted"] == [f"{ALICE}/laptop", f"{ALICE}/phone"]
    assert connection.execute("SELECT key FROM virtual_app_passwords").fetchall() == [("bob@example.com/phone",)]


def test_purge_takes_what_is_managed_and_not_named(run, connection, stored):
    connection.execute("UPDATE virtual_app_passwords SET managed = false WHERE email LIKE 'bob@%'")
    result = run("virtual_directory", users=[alice(app("phone"))], purge=["app_passwords"])
    assert result["names"]["app_passwords"]["deleted"] == [f"{ALICE}/laptop"]
    assert list(stored()) == ["phone"]
    refused = run("virtual_directory", users=[{"email": ALICE}], purge=["app_passwords"])
    assert "app_passwords is an empty list" in refused["msg"]


SHORT = "an app password is app- with at least 20 random letters, digits or signs behind it"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (app("new"), f"user {ALICE}/new: a new app password needs password or password_hash: give one."),
        (app("new", "app-0123456789abcdefghi"), f"user {ALICE}/new: {SHORT}"),
        (app("new", "0123456789abcdefghijklmnop"), f"user {ALICE}/new: {SHORT}"),
        (app("new", "app-0123456789 abcdefghijk"), f"user {ALICE}/new: {SHORT}"),
        (app("new", SECRETS[0]), f"user {ALICE}/new: the password is that of {ALICE}/phone, too: give each app one of its own."),
        (app("phone", SECRETS[1]), f"user {ALICE}/phone: the password is that of {ALICE}/laptop, too"),
        (app("new", SECRETS[2], password_hash=digest(SECRETS[2])), "password and password_hash exclude each other: remove one"),
        (app("new", password_hash=digest("")), "is the digest of an empty text; was the variable that it was made from empty?"),
        (app("new", password_hash="{SHA256}abc"), "password_hash of an app password is {SHA256} with the 64 hexadecimal digits"),
        (app("new", SECRETS[2], protocols=["imap", "ftp"]), "ftp: use some of imap, pop3, sieve, smtp, web, or all and nothing else."),
        (app("new", SECRETS[2], protocols=["imap", "all"]), "all: use some of imap"),
        (app("a/b", SECRETS[2]), f"user {ALICE}/a/b: 'a/b' is no name of an app password: write 1 to 63 characters without /."),
        (app("", SECRETS[2]), f"user {ALICE}/: '' is no name of an app password"),
    ],
)
def test_bad_input(run, rows, given, message):
    before = rows()
    for check in (True, False):
        result = run("virtual_user", check=check, **alice(given))
        assert result["failed"] and message in result["msg"], result["msg"]
        assert not any(given[option] in result["printed"] for option in ("password", "password_hash") if option in given)
    assert rows() == before


def test_the_same_name_twice(run):
    result = run("virtual_user", **alice(app("new", SECRETS[2]), app("new", SECRETS[2])))
    assert f"user {ALICE}/new is the same app password: keep one of them" in result["msg"]


@pytest.mark.parametrize("ending", ["json", "yml"])
def test_in_files(run, stored, tmp_path, ending):
    path = tmp_path / f"users.{ending}"
    path.write_text(json.dumps({"users": [alice(app("tablet", SECRETS[2], protocols=["imap"]), password_protocols="web, pop3")]}))
    result = run("virtual_directory", src=[str(path)], remote_src=True)
    assert result["changed"] and SECRETS[2] not in result["printed"]
    assert stored()["tablet"] == [digest(SECRETS[2]), "imap", True]

    path.write_text(json.dumps({"users": [alice({"name": "x", "pasword": SECRETS[2]}), {"email": "bob@example.com", "app_passwords": "x"}]}))
    result = run("virtual_directory", src=[str(path)], remote_src=True)
    assert "(alice@example.com): app_passwords[0]: pasword is no option of an app password" in result["msg"]
    assert "(bob@example.com): app_passwords must be a list." in result["msg"]
    assert SECRETS[2] not in result["printed"]


def test_a_csv_file_has_no_place_for_them(run, tmp_path):
    path = tmp_path / "users.csv"
    path.write_text(f"email,password_protocols,app_passwords\n{ALICE},web pop3,phone\n")
    assert "app_passwords must be a list" in run("virtual_directory", src=[str(path)], remote_src=True)["msg"]
