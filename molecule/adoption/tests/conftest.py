# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The old server, and what a run of an adoption needs."""

import pytest


@pytest.fixture(scope="session")
def old(neighbour):
    """The old server, with Cyrus and PostfixAdmin."""
    return neighbour("old-d12")
