# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Move each Maildir that is a user's home itself, as tutorials have it, to the directory Maildir in that home.

usage: move_maildirs.py STORE [--dry-run]

Dovecot must not be running. Says a line for each mailbox that is moved. What is interrupted is finished by the next run.
"""

import os
import pathlib
import sys

# In this order: as long as cur is at its old place, the mailbox is one to move.
MAIL = ("tmp", "new", "cur")
# What Dovecot keeps beside the mail: numbers and flags of messages, subscriptions, quota.
CONTROL = ("dovecot-", "dovecot.index", "dovecot.list.index", "dovecot.mailbox.log")
CONTROL_NAMES = ("subscriptions", "maildirsize")


class Refused(Exception):
    pass


def subdirectories(path):
    with os.scandir(path) as entries:
        return sorted(pathlib.Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))


def mailboxes(store):
    """The homes that are Maildirs."""
    return [home for domain in subdirectories(store) for home in subdirectories(domain) if (home / "cur").is_dir()]


def is_folder(path):
    return path.name.startswith(".") and (path / "cur").is_dir()


def belongs_to_mail(path):
    return is_folder(path) or path.name in CONTROL_NAMES or path.name.startswith(CONTROL)


def move(home):
    target = home / "Maildir"
    if not target.exists():
        target.mkdir(mode=0o700)
        owner = home.stat()
        os.chown(target, owner.st_uid, owner.st_gid)
    names = [path.name for path in home.iterdir() if belongs_to_mail(path)]
    for name in [*sorted(names), *MAIL]:
        if (home / name).exists():
            (home / name).rename(target / name)


def main(store, dry_run):
    homes = mailboxes(pathlib.Path(store))
    doubtful = [str(home) for home in homes if (home / "Maildir" / "cur").exists()]
    if doubtful:
        raise Refused(f"Nothing is moved: there is mail in {doubtful[0]} and in its Maildir. Bring it together by hand first.")
    for home in homes:
        if not dry_run:
            move(home)
        print(f"{home.name}@{home.parent.name}", flush=True)


if __name__ == "__main__":
    try:
        main(sys.argv[1], "--dry-run" in sys.argv[2:])
    except (OSError, Refused) as exc:
        sys.exit(str(exc))
