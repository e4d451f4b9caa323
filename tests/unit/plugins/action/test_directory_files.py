# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Files of the controller on their way to a managed host: here another directory of the same machine."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

PASSWORD = "a vault password"


@pytest.fixture
def ansible(database, tmp_path):
    """Runs the module by Ansible; the temporary files of the managed host are below tmp_path/there."""
    (tmp_path / "vault").write_text(PASSWORD)
    environment = {
        **os.environ,
        "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(path for path in sys.path if (pathlib.Path(path) / "ansible_collections").is_dir()),
        "ANSIBLE_REMOTE_TMP": str(tmp_path / "there"),
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "here"),
        "ANSIBLE_VAULT_PASSWORD_FILE": str(tmp_path / "vault"),
        "ANSIBLE_STDOUT_CALLBACK": "ansible.builtin.oneline",
        "ANSIBLE_NOCOLOR": "1",
    }
    bin_directory = pathlib.Path(sys.executable).parent

    def run(*arguments, **options):
        command = [bin_directory / "ansible", "localhost", "-i", "localhost,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}"]
        command += ["-m", "virtmail.mailserver.virtual_directory", "-a", json.dumps({**database, **options}), *arguments]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    def encrypt(path):
        subprocess.run([bin_directory / "ansible-vault", "encrypt", str(path)], env=environment, check=True, capture_output=True)

    run.encrypt = encrypt
    return run


@pytest.fixture
def domains(tmp_path):
    path = tmp_path / "domains.csv"
    path.write_text("name\nexample.com\nexample.net\n")
    return path


def left_over(tmp_path, pattern="*"):
    return [path for path in (tmp_path / "there").rglob(pattern) if path.is_file()]


@pytest.mark.parametrize("as_list", [True, False])
def test_file_of_the_controller(ansible, rows, domains, tmp_path, as_list):
    result = ansible(src=["domains.csv"] if as_list else "domains.csv")
    assert "CHANGED" in result.stdout, result
    assert [row[1] for row in rows()["domains"]] == ["example.com", "example.net"]
    assert left_over(tmp_path) == []


def test_encrypted_file(ansible, rows, domains):
    ansible.encrypt(domains)
    result = ansible(src=["domains.csv"])
    assert "CHANGED" in result.stdout and len(rows()["domains"]) == 2


def test_faults_have_the_name_that_the_caller_gave(ansible, rows, domains, tmp_path):
    domains.write_text("name\nexample.com\nno domain\n")
    result = ansible(src=["domains.csv"])
    assert "domains.csv line 3 (no domain): " in result.stdout and str(tmp_path / "there") not in result.stdout
    assert rows()["domains"] == []
    assert left_over(tmp_path) == []


def test_missing_file(ansible, tmp_path):
    result = ansible(src=["none.csv"])
    assert "FAILED" in result.stdout and "none.csv" in result.stdout
    assert left_over(tmp_path) == []


def test_file_of_the_managed_host(ansible, rows, domains):
    assert "CHANGED" in ansible(src=[str(domains)], remote_src=True).stdout
    assert len(rows()["domains"]) == 2 and domains.exists()


def test_nobody_else_can_read_the_file(ansible, connection, domains, tmp_path):
    """Looks at the file while the module waits for the database."""
    connection.execute("BEGIN")
    connection.execute("LOCK TABLE virtual_domains IN ACCESS EXCLUSIVE MODE")
    with ThreadPoolExecutor() as pool:
        run = pool.submit(ansible, src=["domains.csv"])
        wait_until(lambda: connection.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone()[0])
        (path,) = left_over(tmp_path, "*.csv")
        modes = [there.stat().st_mode & 0o777 for there in (path, path.parent)]
        connection.execute("COMMIT")
        assert "CHANGED" in run.result().stdout
    assert modes == [0o600, 0o700]


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_asynchronous_run(ansible, rows, domains, tmp_path):
    result = ansible("-B", "60", "-P", "1", src=["domains.csv"])
    assert "CHANGED" in result.stdout, result
    assert len(rows()["domains"]) == 2
    wait_until(lambda: not left_over(tmp_path))
    missing = ansible("-B", "60", "-P", "1", src=["none.csv"])
    assert "FAILED" in missing.stdout and not left_over(tmp_path)
