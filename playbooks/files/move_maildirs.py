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
# Where the role dovecot has the mail of a home
OURS = "Maildir"
# What Dovecot's other formats keep messages in
DBOX = "dbox-Mails"


class Refused(Exception):
    pass


def subdirectories(path):
    with os.scandir(path) as entries:
        return sorted(pathlib.Path(entry.path) for entry in entries if entry.is_dir(follow_symlinks=False))


def homes_in(store):
    return [home for domain in subdirectories(store) for home in subdirectories(domain)]


def is_maildir(path):
    return (path / "cur").is_dir()


def is_folder(path):
    return path.name.startswith(".") and any((path / part).is_dir() for part in MAIL)


def strange_mail(store):
    """Mail that is in no Maildir where tutorials have it, nor where ours is: another layout, which is not read here."""
    for domain in subdirectories(store):
        if is_maildir(domain):
            yield domain
        for home in subdirectories(domain):
            yield from strange_mail_in(home)


def strange_mail_in(home):
    if (home / "new").is_dir() and not is_maildir(home) and not is_folder(home):
        yield home
    for path in subdirectories(home):
        if path.name == OURS or is_maildir(home) and path.name in MAIL:
            continue
        yield from strange_mail_in(path) if is_maildir(home) and is_folder(path) else mail_below(path)


def mail_below(path):
    for place, names, dummy in os.walk(path):
        if "cur" in names or "new" in names or DBOX in names:
            yield pathlib.Path(place)


def linked_elsewhere(store, homes):
    """Mailboxes, and folders of them, that are seen in the store and lie elsewhere."""
    known = {home.resolve() for home in homes}
    for path in sorted(store.glob("*/*")):
        if is_maildir(path) and path.resolve() not in known:
            yield path
    for home in homes:
        for path in sorted(home.iterdir()):
            if path.is_symlink() and path.is_dir() and (path.name.startswith(".") or path.name in MAIL):
                yield path


def foreign_owners(store, uid):
    """Homes that the user of the mail could not read; those that are in their place already, too."""
    for home in homes_in(store):
        if home.stat().st_uid != uid and (is_maildir(home) or (home / OURS).is_dir()):
            yield home


def refuse_doubtful(store, homes, uid):
    for home in foreign_owners(store, uid):
        raise Refused(
            f"Nothing is moved: {home} belongs to the user number {home.stat().st_uid}, not {uid}."
            " Set dovecot_mail_uid to the number that all mail has."
        )
    for home in homes:
        if (home / OURS / "cur").exists():
            raise Refused(f"Nothing is moved: there is mail in {home} and in its Maildir. Bring it together by hand first.")
    for path in strange_mail(store):
        raise Refused(f"Nothing is moved: there is mail in {path}, which is no folder of a Maildir. Make it one by hand first.")
    for path in linked_elsewhere(store, homes):
        raise Refused(f"Nothing is moved: {path} leads elsewhere. Bring the mail to that place by hand first.")


def belongs_to_mail(path):
    return is_folder(path) or path.name in CONTROL_NAMES or path.name.startswith(CONTROL)


def move(home):
    target = home / OURS
    target.mkdir(mode=0o700, exist_ok=True)
    owner = home.stat()
    os.chown(target, owner.st_uid, owner.st_gid)
    names = [path.name for path in home.iterdir() if belongs_to_mail(path)]
    for name in [*sorted(names), *MAIL]:
        if (home / name).exists():
            (home / name).rename(target / name)


def main(store, uid, dry_run):
    homes = [home for home in homes_in(store) if is_maildir(home)]
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
