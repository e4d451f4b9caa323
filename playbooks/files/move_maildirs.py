# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""Move each Maildir that is a user's home itself, as tutorials have it, to the directory Maildir in that home.

usage: move_maildirs.py STORE UID [--dry-run]

UID is the number of the user that all mail belongs to. Dovecot must not be running. What is not understood is refused, and
nothing is moved then. Says a line for each mailbox that is moved. What is interrupted is finished by the next run.
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


def strange_folders(home):
    """Mail below a home that is in no folder as Maildirs have them: another layout, which is not read here."""
    for path in subdirectories(home):
        if path.name in (*MAIL, "Maildir") or is_folder(path):
            continue
        for place, names, dummy in os.walk(path):
            if "cur" in names:
                yield pathlib.Path(place)


def linked_elsewhere(store, homes):
    """Mailboxes that are seen in the store and lie outside."""
    known = {home.resolve() for home in homes}
    return sorted(path for path in store.glob("*/*") if (path / "cur").is_dir() and path.resolve() not in known)


def foreign_owners(store, uid):
    """Homes that the user of the mail could not read; those that are in their place already, too."""
    for domain in subdirectories(store):
        for home in subdirectories(domain):
            if home.stat().st_uid != uid and ((home / "cur").is_dir() or (home / "Maildir").is_dir()):
                yield home


def refuse_doubtful(store, homes, uid):
    for home in foreign_owners(store, uid):
        raise Refused(
            f"Nothing is moved: {home} belongs to the user number {home.stat().st_uid}, not {uid}."
            " Set dovecot_mail_uid to the number that all mail has."
        )
    for home in homes:
        if (home / "Maildir" / "cur").exists():
            raise Refused(f"Nothing is moved: there is mail in {home} and in its Maildir. Bring it together by hand first.")
        for path in strange_folders(home):
            raise Refused(f"Nothing is moved: there is mail in {path}, which is no folder of a Maildir. Make it one by hand first.")
    for path in linked_elsewhere(store, homes):
        raise Refused(f"Nothing is moved: {path} leads out of {store}. Bring the mail to that place by hand first.")


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


def main(store, uid, dry_run):
    homes = mailboxes(store)
    refuse_doubtful(store, homes, uid)
    for home in homes:
        if not dry_run:
            move(home)
        print(f"{home.name}@{home.parent.name}", flush=True)


if __name__ == "__main__":
    try:
        main(pathlib.Path(sys.argv[1]), int(sys.argv[2]), "--dry-run" in sys.argv[3:])
    except (OSError, Refused) as exc:
        sys.exit(str(exc))
