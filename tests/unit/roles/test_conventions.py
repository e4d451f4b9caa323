# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""What CONTRIBUTING.md promises of every role and playbook, and no linter checks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
TASK_FILES = sorted(
    path for pattern in ("roles/*/tasks/*.yml", "roles/*/handlers/*.yml", "playbooks/**/*.yml") for path in ROOT.glob(pattern)
)
TEMPLATES = sorted((ROOT / "roles").glob("*/templates/**/*.j2"))
OWN_COLLECTION = "virtmail.mailserver."
# What says how a task runs, and not what it does.
BLOCKS = ("block", "rescue", "always", "tasks", "pre_tasks", "post_tasks", "handlers")


def name_of(path):
    return str(path.relative_to(ROOT))


def load(path):
    return yaml.safe_load(path.read_text())


def tasks_in(entries):
    """Every task of a task file or playbook, also those in plays and blocks."""
    for entry in entries or []:
        inner = [entry[key] for key in BLOCKS if isinstance(entry.get(key), list)]
        if "hosts" not in entry and not inner:
            yield entry
        for block in inner:
            yield from tasks_in(block)


def actions(path):
    content = load(path)
    if isinstance(content, list):
        for task in tasks_in(content):
            yield from (key for key in task if "." in key)


@pytest.fixture(params=ROLES, ids=[role.name for role in ROLES])
def role(request):
    return request.param


def test_defaults_and_argument_specs_have_the_same_variables(role):
    specified = load(role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    defaults = load(role / "defaults/main.yml")
    required = {name for name, option in specified.items() if option.get("required")}
    assert set(specified) == set(defaults) | required
    assert all(name.startswith(f"{role.name}_") for name in specified)


def test_defaults_agree_with_the_documented_ones(role):
    specified = load(role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    defaults = load(role / "defaults/main.yml")
    fixed = {name: value for name, value in defaults.items() if "{{" not in str(value)}
    documented = {name: option["default"] for name, option in specified.items() if "default" in option and name in fixed}
    assert documented == {name: fixed[name] for name in documented}


def test_readme_mentions_every_variable(role):
    readme = (role / "README.md").read_text()
    specified = load(role / "meta/argument_specs.yml")["argument_specs"]["main"]["options"]
    assert [name for name in specified if name not in readme] == []


def test_role_depends_on_no_other(role):
    assert load(role / "meta/main.yml")["dependencies"] == []
    assert not re.search(r"\b(include|import)_role\b", "".join(path.read_text() for path in (role / "tasks").glob("*.yml")))


@pytest.mark.parametrize("path", TASK_FILES, ids=name_of)
def test_only_modules_of_core_and_our_own(path):
    foreign = [action for action in actions(path) if not action.startswith(("ansible.builtin.", OWN_COLLECTION))]
    assert foreign == []


@pytest.mark.parametrize("path", TASK_FILES, ids=name_of)
def test_no_line_of_a_file_is_edited(path):
    assert not {"ansible.builtin.lineinfile", "ansible.builtin.replace"} & set(actions(path))


@pytest.mark.parametrize("path", TEMPLATES, ids=name_of)
def test_template_says_that_ansible_manages_it(path):
    head = "".join(path.read_text().splitlines(keepends=True)[:2])
    assert "{{ ansible_managed | comment" in head


def test_postfix_asks_the_database_through_its_proxy_only():
    """Direct maps open a connection each and exhaust PostgreSQL's."""
    text = "".join(path.read_text() for path in (ROOT / "roles/postfix").rglob("*") if path.is_file() and path.suffix != ".md")
    assert "proxy:pgsql:" in text
    assert not re.search(r"(?<!proxy:)\bpgsql:", text)
