# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The README tells the truth about what is here."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def content(path):
    """A file without its licence comment and document start."""
    return "".join(line for line in path.read_text().splitlines(keepends=True) if not line.startswith(("# SPDX", "---")))


@pytest.mark.parametrize("name", ["hosts.yml", "group_vars/mail.yml"])
def test_the_example_is_the_one_that_the_demo_runs(name):
    assert f"```yaml\n{content(ROOT / 'examples/inventory' / name)}```" in README


@pytest.mark.parametrize("pattern", ["roles/*", "plugins/modules/[!_]*.py", "playbooks/*.yml"])
def test_every_role_module_and_playbook_is_named(pattern):
    names = [path.stem for path in ROOT.glob(pattern)]
    assert names
    assert [name for name in names if f"`{name}`" not in README] == []


def test_every_fact_of_the_site_is_named():
    facts = yaml.safe_load((ROOT / "playbooks/vars/site_argument_specs.yml").read_text())["site_argument_specs"]
    assert [name for name in facts if f"`{name}`" not in README] == []
