# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who else is in this world."""

import pytest
from world import Outside


@pytest.fixture(scope="session")
def outside(neighbour):
    return Outside(neighbour("outside"))
