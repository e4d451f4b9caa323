# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must stay secret is nowhere to be read, where PostgreSQL runs on the host and nothing is left to do."""

import pytest
from leaks import Leaks, known_secrets


@pytest.fixture(scope="session")
def secrets(machine, database):
    return known_secrets(machine, database)


@pytest.fixture(scope="session")
def watched_run(second_run):
    return second_run


class TestSecrets(Leaks):
    """See there."""
