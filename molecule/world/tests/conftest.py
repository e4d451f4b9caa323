# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who else is in this world."""

import functools

import pytest
import scanner
from world import NameServer, Outside


@pytest.fixture(scope="session")
def outside(neighbour):
    return Outside(neighbour("outside"))


@pytest.fixture(scope="session")
def scan(machine):
    """What a scanner finds on a port of ours, which it asks once."""
    return functools.cache(functools.partial(scanner.scan, machine))


@pytest.fixture(scope="session")
def nameserver(neighbour):
    return NameServer(neighbour("dns"))
