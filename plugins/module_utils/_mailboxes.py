# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""The mail store as far as it shows in the names of its directories, DOMAIN/USER."""

from __future__ import annotations

import os

from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import MailserverError


def compare(directory, users):
    """Addresses that only the store has, and users that only the database has."""
    mailboxes = set(_find_mailboxes(directory))
    return {
        "mailboxes_without_user": sorted(mailboxes.difference(users)),
        "users_without_mailbox": sorted(set(users).difference(mailboxes)),
    }


def _find_mailboxes(directory):
    try:
        for domain in _subdirectories(directory):
            for user in _subdirectories(domain.path):
                yield _readable(f"{user.name}@{domain.name}")
    except OSError as exc:
        raise MailserverError(f"mail_directory {directory} cannot be read: {exc.filename}: {exc.strerror}.") from exc


def _subdirectories(path):
    """No domain and no user begins with a dot."""
    with os.scandir(path) as entries:
        return [entry for entry in entries if not entry.name.startswith(".") and entry.is_dir()]


def _readable(name):
    """Whatever bytes a name has, the result is text."""
    return os.fsencode(name).decode("utf-8", "replace")
