# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""file_set on a real file system, as whoever runs the tests."""

from __future__ import annotations

import grp
import os
import pwd
import stat

import pytest

from ansible_collections.virtmail.mailserver.plugins.module_utils import _file_set

WHO = {"owner": pwd.getpwuid(os.geteuid()).pw_name, "group": grp.getgrgid(os.getegid()).gr_name}


@pytest.fixture
def install(run_anywhere, tmp_path, monkeypatch):
    """Installs files, {name: content}, in etc; returns the module's result."""
    monkeypatch.setattr(_file_set, "STAGING_PARENT", str(tmp_path))

    def call(contents, check=False, mode="0644", **options):
        files = [{"path": str(tmp_path / "etc" / name), "content": content, "mode": mode, **WHO} for name, content in contents.items()]
        directories = [{"path": str(tmp_path / "etc"), "mode": "0750", **WHO}]
        return run_anywhere("file_set", check=check, files=files, directories=directories, **options)

    return call


@pytest.fixture
def etc(tmp_path):
    return tmp_path / "etc"


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


def leftovers(etc):
    """What is beside and below the directory that was asked for; modules' own temporary files are elsewhere."""
    return sorted(path.name for path in [*etc.parent.glob("file_set-*"), *etc.glob(".*")])


def test_files_and_their_directory_are_made(install, etc):
    result = install({"main.cf": "a = é\n", "master.cf": "b\n"}, mode="0640")
    assert result["changed_paths"] == [str(etc), str(etc / "main.cf"), str(etc / "master.cf")]
    assert (etc / "main.cf").read_text(encoding="utf-8") == "a = é\n"
    assert (mode_of(etc), mode_of(etc / "main.cf")) == (0o750, 0o640)


def test_a_second_run_changes_nothing(install):
    install({"main.cf": "a\n"})
    result = install({"main.cf": "a\n"})
    assert (result["changed"], result["changed_paths"], result["diff"]) == (False, [], [])


def test_only_what_differs_is_written(install, etc):
    install({"main.cf": "a\n", "master.cf": "b\n"})
    untouched = (etc / "main.cf").stat()
    result = install({"main.cf": "a\n", "master.cf": "c\n"})
    assert result["changed_paths"] == [str(etc / "master.cf")]
    assert [(each["before"], each["after"]) for each in result["diff"]] == [("b\n", "c\n")]
    assert (etc / "main.cf").stat() == untouched


def test_a_mode_alone_is_a_change(install, etc):
    install({"main.cf": "a\n"})
    result = install({"main.cf": "a\n"}, mode="0600")
    assert (result["changed_paths"], mode_of(etc / "main.cf")) == ([str(etc / "main.cf")], 0o600)


def test_check_mode_predicts_and_touches_nothing(install, etc):
    wanted = {"main.cf": "a\n"}
    predicted = install(wanted, check=True, validate="/nonexistent/judge %s")
    assert not etc.exists()
    assert install(wanted)["changed_paths"] == predicted["changed_paths"]
    assert not install(wanted, check=True)["changed"]
    assert install(wanted, check=True, mode="0600")["changed"]
    assert mode_of(etc / "main.cf") == 0o644


def test_what_is_refused_replaces_nothing(install, etc):
    install({"main.cf": "a\n", "hook": "true\n"})
    result = install({"main.cf": "b\n", "hook": "if\n"}, validate="sh -n %s/hook")
    assert result["failed"]
    assert "'sh' refuses the new ones: hook:" in result["msg"]
    assert (etc / "main.cf").read_text() == "a\n"
    assert leftovers(etc) == []


def test_the_judge_sees_all_files_and_is_heard(install, etc):
    install({"main.cf": "a\n", "master.cf": "b\n"})
    result = install({"main.cf": "c\n", "master.cf": "b\n"}, validate="cat %s/main.cf %s/master.cf")
    assert result["validation"] == "c\nb\n"
    assert leftovers(etc) == []


def test_nothing_new_is_not_judged(install):
    install({"main.cf": "a\n"})
    assert not install({"main.cf": "a\n"}, validate="false").get("failed")


def test_old_bytes_that_are_no_text_are_replaced(install, etc):
    etc.mkdir()
    (etc / "main.cf").write_bytes(b"# f\xfcr\n")
    result = install({"main.cf": "a\n"})
    assert result["diff"][0]["before"] == "# f\ufffdr\n"
    assert (etc / "main.cf").read_text() == "a\n"


@pytest.mark.parametrize("mode", ["420", "u=rw", "0999"])
def test_a_mode_has_to_be_octal(install, etc, mode):
    assert f"main.cf: the mode '{mode}' is no octal number" in install({"main.cf": "a\n"}, mode=mode)["msg"]
    assert not etc.exists()


def test_parents_do_not_depend_on_the_umask(run_anywhere, tmp_path):
    before = os.umask(0o077)
    try:
        run_anywhere("file_set", files=[], directories=[{"path": str(tmp_path / "a" / "b"), **WHO}])
    finally:
        os.umask(before)
    assert (mode_of(tmp_path / "a"), mode_of(tmp_path / "a" / "b")) == (0o755, 0o755)


def test_a_failure_on_the_way_leaves_all_as_it_was(install, etc):
    install({"main.cf": "a\n"})
    result = install({"main.cf": "b\n", "missing/master.cf": "b\n"})
    assert "missing" in result["msg"]
    assert (etc / "main.cf").read_text() == "a\n"
    assert leftovers(etc) == []


def test_contents_are_not_in_the_invocation(install, etc):
    assert install({"main.cf": "a\n"})["invocation"]["module_args"]["files"] == [str(etc / "main.cf")]


def test_two_files_of_one_name_can_not_be_judged_together(install, etc):
    result = install({"main.cf": "a\n", "sub/main.cf": "b\n"}, validate="true")
    assert "More than one file has the name main.cf" in result["msg"]
    assert not etc.exists()


def test_a_directory_in_the_way_is_named(install, etc):
    (etc / "main.cf").mkdir(parents=True)
    assert str(etc / "main.cf") in install({"main.cf": "a\n"})["msg"]
