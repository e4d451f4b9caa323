# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import multiprocessing

import pytest

from ansible_collections.virtmail.mailserver.plugins.module_utils._password import Password

SECRET = "correct horse battery"
HASH = Password(SECRET, "SHA512-CRYPT", 5001).stored_form()
CHEAP = {"password_scheme": "SHA512-CRYPT", "password_cost": 5001}

DIRECTORY = {
    **CHEAP,
    "domains": [{"name": "Example.com", "description": "Office"}, {"name": "old.test"}],
    "users": [
        {"email": "Alice@example.com", "password": SECRET, "quota": "5G", "display_name": "Alice Ä"},
        {"email": "bob@example.com", "password_hash": HASH, "active": False},
    ],
    "aliases": [
        {"source": "info@example.com", "destination": ["alice@example.com", "Out@elsewhere.test"]},
        {"source": "bob@example.com", "destination": ["alice@example.com"]},
        {"source": "alice@example.com", "destination": ["alice@example.com", "copy@elsewhere.test"]},
        {"source": "@example.com", "destination": ["alice@example.com"]},
        {"source": "@old.test", "destination": ["@example.com"]},
    ],
}


@pytest.fixture
def filled(run):
    result = run("virtual_directory", **DIRECTORY)
    assert result["changed"], result


def test_first_run_creates_and_second_changes_nothing(run, rows):
    predicted = run("virtual_directory", check=True, **DIRECTORY)
    assert not any(rows().values())
    real = run("virtual_directory", **DIRECTORY)
    assert real == predicted
    assert real["counts"]["users"] == {"created": 2, "updated": 0, "deleted": 0}
    stored = rows()
    assert [row[1:] for row in stored["domains"]] == [("example.com", "Office", True, True, None), ("old.test", "", True, True, None)]
    assert [(row[3], *row[4:]) for row in stored["users"]] == [
        ("alice@example.com", "Alice Ä", 5 * 1024**3, True, True, None),
        ("bob@example.com", "", None, False, True, None),
    ]
    assert Password(SECRET).matches(stored["users"][0][2])
    assert stored["users"][1][2] == HASH
    assert ("info@example.com", "out@elsewhere.test") in [row[2:4] for row in stored["aliases"]]
    assert len(stored["aliases"]) == 7

    again = run("virtual_directory", **DIRECTORY)
    assert not again["changed"]
    assert again["diff"] == {"before": "", "after": ""}
    assert rows() == stored


CHANGES = {
    **CHEAP,
    "domains": [{"name": "example.com", "active": False}, {"name": "old.test", "state": "absent"}],
    "users": [
        {"email": "alice@example.com", "password": "another long password", "quota": "0"},
        {"email": "bob@example.com", "state": "absent"},
        {"email": "carol@example.com", "password": "a new long password"},
    ],
    "aliases": [
        {"source": "info@example.com", "destination": ["alice@example.com", "carol@example.com"]},
        {"source": "bob@example.com", "state": "absent"},
        {"source": "@old.test", "state": "absent"},
        {"source": "ghost@nowhere.test", "state": "absent"},
    ],
}


def test_rows_from_files_and_inline_are_one_directory(run, rows, tmp_path):
    users = tmp_path / "users.csv"
    users.write_text(f"email,password_hash,quota\nAlice@example.com,{HASH},5G\n")
    others = tmp_path / "others.yml"
    others.write_text("aliases:\n- {source: info@example.com, destination: [alice@example.com]}\n")
    options = {"domains": [{"name": "example.com"}], "src": [str(users), str(others)], "remote_src": True}
    result = run("virtual_directory", **options)
    assert [counts["created"] for counts in result["counts"].values()] == [0, 1, 1, 0, 1]
    assert HASH not in result["printed"]
    assert not run("virtual_directory", **options)["changed"]

    before = rows()
    users.write_text(f"email,password_hash,quota\nbob@example.com,{HASH},5X\nCarol@example.com,{HASH}x,\nINFO@example.com,{HASH},\n")
    result = run("virtual_directory", aliases=[{"source": "carol@example.com", "destination": ["x@elsewhere.test"]}], **options)
    for expected in (
        f"{users} line 2 (bob@example.com): quota '5X'",
        f"{users} line 3 (Carol@example.com): password_hash is not",
        f"{others} line 2 (info@example.com): info@example.com is a user and an alias (see {users} line 4 (INFO@example.com))",
    ):
        assert expected in result["msg"]
    assert HASH not in result["printed"] and rows() == before


def test_changes_of_every_sort(run, rows, filled):
    before = rows()
    predicted = run("virtual_directory", check=True, **CHANGES)
    assert rows() == before
    real = run("virtual_directory", **CHANGES)
    assert real == predicted
    assert real["counts"] == {
        "organizations": {"created": 0, "updated": 0, "deleted": 0},
        "domains": {"created": 0, "updated": 1, "deleted": 1},
        "users": {"created": 1, "updated": 1, "deleted": 1},
        "app_passwords": {"created": 0, "updated": 0, "deleted": 0},
        "aliases": {"created": 0, "updated": 1, "deleted": 2},
    }
    assert real["names"]["aliases"]["deleted"] == ["@old.test", "bob@example.com"]
    after = rows()
    assert [row[1:] for row in after["domains"]] == [("example.com", "Office", False, True, None)]
    alice = after["users"][0]
    assert (alice[3], alice[4:]) == ("alice@example.com", ("Alice Ä", 0, True, True, None))
    assert Password("another long password").matches(alice[2])
    assert not run("virtual_directory", **CHANGES)["changed"]


def test_diff_shows_values_but_no_secret(run, filled):
    result = run("virtual_directory", **CHANGES)
    assert "user alice@example.com quota: 5G\n" in result["diff"]["before"]
    assert "user alice@example.com password: set\n" in result["diff"]["before"]
    assert "user alice@example.com quota: 0\n" in result["diff"]["after"]
    assert "user alice@example.com password: changed\n" in result["diff"]["after"]
    assert "user carol@example.com password: set\n" in result["diff"]["after"]


@pytest.mark.parametrize(
    "options",
    [
        DIRECTORY,
        {"users": [{"email": "bad", "password": SECRET}, {"email": "x@example.com", "password_hash": HASH}]},
        {"users": [{"email": "a@example.com", "passwrd": SECRET, "pasword_hash": HASH}]},
        {"users": [{"email": "a@example.com", "password": SECRET, "active": "perhaps"}]},
        {"users": [{"email": "a@example.com", "password": SECRET}], "login_host": "localhost", "login_port": 1},
        {"users": [{"email": "a@example.com", "password": SECRET}], "connect_params": {"password": SECRET}},
        {"users": [{"email": "a@example.com", "password_hash": f"{HASH}x"}]},
    ],
)
def test_no_output_has_a_secret(run, options):
    result = run("virtual_directory", **options)
    for secret in (SECRET, HASH, HASH[-40:], "$6$"):
        assert secret not in result["printed"]
    assert len(result["printed"]) < 5000


BAD = {
    "domains": [
        {"name": "example.com"},
        {"name": "EXAMPLE.com"},
        {"name": "no domain"},
        {"name": "old.test", "state": "absent"},
    ],
    "users": [
        {"email": "alice"},
        {"email": "a@nowhere.test", "password": SECRET},
        {"email": "b@example.com", "password": SECRET, "quota": "5X"},
        {"email": "c@example.com", "password": ""},
        {"email": "d@example.com", "password": "short"},
        {"email": "e@example.com", "password": SECRET, "password_scheme": "ROT13"},
        {"email": "f@example.com", "password": SECRET, "password_hash": HASH},
        {"email": "g@example.com"},
        {"email": "h+x@example.com", "password": SECRET},
        {"email": "i@example.com", "password": SECRET},
        {"email": "j@example.com", "password_hash": "$6$abc"},
        {"email": "@example.com", "password": SECRET},
    ],
    "aliases": [
        {"source": "i@example.com", "destination": ["other@elsewhere.test"]},
        {"source": "self@example.com", "destination": ["self@example.com"]},
        {"source": "loop1@example.com", "destination": ["loop2@example.com"]},
        {"source": "loop2@example.com", "destination": ["loop1@example.com", "alice@example.com"]},
        {"source": "x@nowhere.test", "destination": ["y@elsewhere.test"]},
        {"source": "z@example.com", "destination": ["nobody"]},
        {"source": "copy@example.com", "destination": ["copy@example.com", "y@elsewhere.test"]},
        {"source": "@example.com", "destination": ["@unknown.test"]},
        {"source": "empty@example.com"},
    ],
}


def test_all_bad_input_is_named_at_once_and_nothing_written(run, rows, filled):
    before = rows()
    for check in (True, False):
        result = run("virtual_directory", check=check, **BAD)
        assert result["failed"]
        for expected in (
            "domains[1] (EXAMPLE.com): domains[0] (example.com) is the same domain",
            "domains[2] (no domain): ",
            "domains[3] (old.test): the domain still has alias @old.test: remove them in the same call.",
            "users[0] (alice): there is no @",
            "users[1] (a@nowhere.test): the domain nowhere.test does not exist",
            "users[2] (b@example.com): quota '5X'",
            "users[3] (c@example.com): the password is empty",
            "users[4] (d@example.com): the password must have 8",
            "users[5] (e@example.com): password_scheme 'ROT13' is unknown: use one of ARGON2ID",
            "users[6] (f@example.com): password and password_hash exclude each other",
            "users[7] (g@example.com): a new user needs a password",
            "users[8] (h+x@example.com): '+' begins a sub-address",
            "aliases[0] (i@example.com): i@example.com is a user and an alias (see users[9] (i@example.com)), so",
            "users[10] (j@example.com): password_hash is not in a form",
            "users[11] (@example.com): there is nothing before the @",
            "aliases[1] (self@example.com): the alias leads only to itself",
            "(loop1@example.com -> loop2@example.com -> loop1@example.com)",
            "aliases[4] (x@nowhere.test): the domain nowhere.test does not exist",
            "aliases[5] (z@example.com): destination nobody: there is no @",
            "aliases[6] (copy@example.com): mail to copy@example.com leads back to itself",
            "aliases[7] (@example.com): the domain of destination @unknown.test does not exist",
            "aliases[8] (empty@example.com): there is no destination",
        ):
            assert expected in result["msg"]
        assert result["msg"].count("users[") == 12
    assert rows() == before


def test_loop_over_stored_aliases(run, filled):
    result = run("virtual_directory", aliases=[{"source": "list@example.com", "destination": ["info@example.com"]}])
    assert result["changed"]
    result = run("virtual_directory", aliases=[{"source": "info@example.com", "destination": ["list@example.com"]}])
    assert "info@example.com -> list@example.com -> info@example.com" in result["msg"]


def test_bad_common_option_is_said_once(run, filled):
    users = [{"email": f"u{number}@example.com", "password": SECRET} for number in range(50)]
    result = run("virtual_directory", users=users, password_scheme="MD5")
    assert result["msg"].count("password_scheme") == 1


def test_on_create_leaves_what_users_have_changed(run, rows, filled):
    user = {"email": "alice@example.com", "password": "another long password"}
    assert not run("virtual_directory", users=[user], update_password="on_create", **CHEAP)["changed"]
    assert run("virtual_directory", users=[{**user, "update_password": "always"}], update_password="on_create", **CHEAP)["changed"]
    assert run("virtual_directory", users=[{**user, "password": SECRET}], **CHEAP)["changed"]


@pytest.mark.parametrize(("too_few", "enough"), [(3, 4), ("79%", "80%"), ("0%", "100%")])
def test_purge(run, rows, filled, too_few, enough):
    keep = {"aliases": [{"source": "@old.test", "destination": ["@example.com"]}]}
    before = rows()
    refused = run("virtual_directory", purge=["aliases"], purge_limit=too_few, **keep)
    names = "@example.com, alice@example.com, bob@example.com, info@example.com"
    assert f"4 aliases would be deleted ({names}), and purge_limit is {too_few}: " in refused["msg"]
    assert rows() == before
    result = run("virtual_directory", purge=["aliases"], purge_limit=enough, **keep)
    assert result["counts"]["aliases"] == {"created": 0, "updated": 0, "deleted": 4}
    assert [row[2:4] for row in rows()["aliases"]] == [("@old.test", "@example.com")]
    assert len(rows()["users"]) == 2


def test_purge_limit_that_is_none(run, filled):
    result = run("virtual_directory", domains=[{"name": "example.com"}], purge=["aliases"], purge_limit="some")
    assert "purge_limit: 'some' is no number of rows" in result["msg"]


FOREIGN = (
    "INSERT INTO virtual_users (domain_id, email, password) SELECT id, 'web@' || name, 'own' FROM virtual_domains LIMIT 1;"
    "INSERT INTO virtual_aliases (domain_id, source, destination)"
    " SELECT domain_id, 'info@example.com', 'web@elsewhere.test' FROM virtual_users LIMIT 1"
)


def test_purge_leaves_what_others_have_written(run, rows, connection, filled):
    connection.execute(FOREIGN)
    keep = {"users": DIRECTORY["users"][:1], "aliases": DIRECTORY["aliases"][2:3]}
    result = run("virtual_directory", purge=["users", "aliases"], **CHEAP, **keep)
    assert result["names"]["users"]["deleted"] == ["bob@example.com"]
    assert sorted({row[2] for row in rows()["aliases"]}) == ["alice@example.com", "info@example.com"]
    assert [row[3] for row in rows()["users"]] == ["alice@example.com", "web@example.com"]


def test_declaring_a_foreign_row_adopts_it(run, rows, connection, filled):
    connection.execute(FOREIGN)
    declared = {
        "users": [{"email": "web@example.com", "update_password": "on_create"}],
        "aliases": [{"source": "info@example.com", "destination": ["alice@example.com", "web@elsewhere.test"]}],
    }
    result = run("virtual_directory", **declared)
    for line in ("user web@example.com managed: ", "alias info@example.com managed: "):
        assert f"{line}false\n" in result["diff"]["before"] and f"{line}true\n" in result["diff"]["after"]
    assert connection.execute("SELECT bool_and(managed) FROM virtual_users").fetchone() == (True,)
    assert connection.execute("SELECT bool_and(managed) FROM virtual_aliases").fetchone() == (True,)
    assert ("own", "web@example.com") in [row[2:4] for row in rows()["users"]]
    assert not run("virtual_directory", **declared)["changed"]


@pytest.mark.parametrize(
    ("meddling", "options"),
    [
        (
            "UPDATE virtual_users SET managed = false WHERE email = 'bob@example.com'",
            {"users": [{"email": "alice@example.com"}], "purge": ["users"]},
        ),
        (
            "INSERT INTO virtual_users (domain_id, email, password) SELECT id, 'x@old.test', 'own' FROM virtual_domains"
            " WHERE name = 'old.test'",
            {"domains": [{"name": "old.test", "state": "absent"}], "aliases": [{"source": "@old.test", "state": "absent"}]},
        ),
    ],
)
def test_what_others_do_meanwhile_survives_a_deletion(run, rows, connection, filled, meddling, options):
    """Between our reading and our writing somebody takes a row, or fills a domain."""
    connection.execute(
        "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" {meddling}; RETURN NULL; END $$;"
        "CREATE TRIGGER meddle AFTER INSERT ON virtual_domains EXECUTE FUNCTION meddle()"
    )
    before = rows()
    options = {**options, "domains": [*options.get("domains", []), {"name": "new.test"}]}
    assert "Somebody else changed the directory meanwhile" in run("virtual_directory", **options)["msg"]
    assert rows() == before


@pytest.mark.parametrize("users", [[], [{"email": "alice@example.com", "state": "absent"}]])
def test_purge_on_an_empty_list_is_refused(run, rows, filled, users):
    before = rows()
    assert "users is an empty list" in run("virtual_directory", users=users, purge=["users"])["msg"]
    assert rows() == before


def test_purge_of_a_domain_in_use_is_refused(run, filled):
    result = run("virtual_directory", domains=[{"name": "old.test"}], purge=["domains"])
    assert "purge of domain example.com: the domain still has user alice@example.com" in result["msg"]


def test_warnings_for_mail_that_arrives_nowhere(run, filled):
    aliases = [{"source": "new@example.com", "destination": ["bob@old.test", "alice@example.com"]}]
    result = run("virtual_directory", aliases=[*aliases, {"source": "@example.com", "state": "absent"}])
    assert not result["warnings"]
    aliases = [{"source": "new@example.com", "destination": ["ghost@example.com", "alice@example.com"]}]
    result = run("virtual_directory", aliases=aliases)
    assert result["warnings"] == [
        "alias new@example.com: mail to ghost@example.com arrives nowhere, as no active user is there."
    ]


def test_warning_for_aliases_of_a_user_who_leaves(run, filled):
    carol = {"email": "carol@example.com", "password_hash": HASH}
    team = {"source": "team@example.com", "destination": ["carol+t@example.com"]}
    run("virtual_directory", users=[carol], aliases=[team, {"source": "@example.com", "state": "absent"}])
    for leaving in ({"active": False}, {"state": "absent"}):
        result = run("virtual_directory", check=True, users=[{**carol, **leaving}])
        assert "alias team@example.com: mail to carol+t@example.com arrives nowhere" in result["warnings"][0]


def test_somebody_elses_columns_are_not_overwritten(run, connection, filled):
    """Between our reading and our writing the user changes the password elsewhere."""
    connection.execute(
        "CREATE FUNCTION meddle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " UPDATE virtual_users SET password = 'own' WHERE email = 'alice@example.com'; RETURN NULL; END $$"
    )
    connection.execute("CREATE TRIGGER meddle AFTER INSERT ON virtual_domains EXECUTE FUNCTION meddle()")
    result = run("virtual_directory", domains=[{"name": "new.test"}], users=[{"email": "alice@example.com", "quota": "1G"}])
    assert result["changed"]
    stored = connection.execute("SELECT password, quota_bytes FROM virtual_users WHERE email = 'alice@example.com'")
    assert stored.fetchone() == ("own", 1024**3)


def test_error_in_the_middle_undoes_everything(run, connection, rows, filled):
    connection.execute("ALTER TABLE virtual_aliases ADD CHECK (destination <> 'evil@elsewhere.test')")
    before = rows()
    result = run(
        "virtual_directory",
        domains=[{"name": "new.test"}],
        aliases=[{"source": "a@new.test", "destination": ["evil@elsewhere.test"]}],
    )
    assert "Nothing was written" in result["msg"] and "violates check constraint" in result["msg"]
    assert rows() == before


def test_concurrent_runs_wait_for_each_other(run, rows):
    users = [{"email": f"user{number}@example.com", "password_hash": HASH} for number in range(200)]
    forks = multiprocessing.get_context("fork")
    results = forks.Queue()

    def create_users():
        result = run("virtual_directory", domains=[{"name": "example.com"}], users=users)
        results.put(result["changed"])

    processes = [forks.Process(target=create_users) for dummy in range(4)]
    for process in processes:
        process.start()
    assert sorted(results.get(timeout=60) for dummy in processes) == [False, False, False, True]
    for process in processes:
        process.join()
    assert len(rows()["users"]) == 200
