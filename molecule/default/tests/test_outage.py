# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""PostgreSQL goes away and comes back: nobody is told anything final meanwhile, and nothing is lost."""

import outage
import pytest
import wire


@pytest.mark.parametrize(("seconds", "used_before"), [(6, wire.IMAPS), (15, wire.SUBMISSION), (70, wire.POP3S)])
def test_an_outage_of_the_database(machine, database, wait_for, seconds, used_before):
    outage.survived(machine, database, wait_for, seconds, used_before)
