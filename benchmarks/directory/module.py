# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What virtual_directory takes to load a directory, to find nothing to do, to change one user in a hundred, and to purge them."""

import json
import subprocess
import sys
from pathlib import Path

import database
import rows

PROGRAM = Path(__file__).with_name("module_process.py")


def measure(number, directory):
    """{operation: {seconds, sql (seconds of them in the database), mebibytes (peak of the module's memory)}}"""
    part = max(1, number // 100)
    connection = database.create()
    files = rows.write(directory, number)
    result = {"first load": call(directory, files, number)}
    database.settle(connection)
    result["no change"] = call(directory, files, 0)
    files = rows.write(directory, number, changed=part)
    result["1 % changed"] = call(directory, files, part)
    database.settle(connection)
    files = rows.write(directory, number, changed=part, left_out=part)
    result["1 % purged"] = call(directory, files, part, purge=["users"], purge_limit="2%")
    connection.close()
    return result


def call(directory, files, expected_changes, **options):
    arguments = directory / "arguments.json"
    arguments.write_text(json.dumps({**database.LOGIN, "src": files, **options}))
    process = subprocess.run([sys.executable, PROGRAM, arguments], check=False, capture_output=True, text=True)
    result = json.loads(process.stdout)
    if result.get("failed"):
        raise RuntimeError(result["msg"])
    changes = sum(result["counts"]["users"].values())
    if changes != expected_changes:
        raise RuntimeError(f"{changes} users changed instead of {expected_changes}")
    return json.loads(process.stderr)
