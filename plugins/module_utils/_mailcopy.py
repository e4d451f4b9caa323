# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""Copies the mail of one user from another place into the mailbox here, again and again, nothing twice.

Dovecot's own synchronization copies a whole mailbox with its UIDs. But it remembers nothing: a message that the user has deleted
here can come back, once in each run, and which side's flags win is left to numbers that the two servers count differently. Where
there is mail already, such as from a copy that was interrupted, 2.4 makes messages twice and loses keywords. So it does the first
copy alone, into a mailbox that has never been used. All other runs go by what the last one has seen: they copy what has come
since, unless it is there, and repeat what has been done to flags since. They remove nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
import imaplib
import json
import os
import subprocess
import tempfile

from ansible_collections.virtmail.mailserver.plugins.module_utils import _imap, _mailfiles
from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import MailserverError


class Memory:
    """What earlier runs have seen of a user's old mail, in a file that is locked meanwhile: {folder: {...}}."""

    def __init__(self, directory, kind, user):
        # A user may have old mail in more places than one
        self._directory, self._user = directory, f"{kind}-{user}"
        self.folders = None  # None: there has been no complete run yet

    @contextlib.contextmanager
    def opened(self, check_mode):
        path = os.path.join(self._directory, f"{self._user}.json")
        if check_mode:
            self._read(path)
            yield self
            return
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        with open(os.path.join(self._directory, f"{self._user}.lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # until a run that was given up has ended too
            self._read(path)
            yield self

    def _read(self, path):
        with contextlib.suppress(FileNotFoundError):
            with open(path, encoding="utf-8") as stream:
                self.folders = json.load(stream)

    def write(self):
        path = os.path.join(self._directory, f"{self._user}.json")
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=self._directory, prefix=".", delete=False) as stream:
            json.dump(self.folders, stream)
        os.replace(stream.name, path)

    def count(self):
        """How many messages the old mailbox had at the last look."""
        return sum(len(folder["flags"]) for folder in self.folders.values())

    def of(self, path):
        """What is remembered of this folder; to be changed in place."""
        return self.folders.setdefault(_key(path), {})


def _key(path):
    return "\t".join(path)


class Deposit:
    """A folder here, which takes what it does not have."""

    def __init__(self, session, path, is_subscribed=False):
        self._session, self._path = session, path
        self.is_new = session.make(path, is_subscribed)
        session.select(path, readonly=False)
        self._by_date = None
        self._headers = {}
        self._claimed = set()

    def put(self, message):
        """Tells whether the message was not there."""
        if self.find(message.date, message.header):
            return False
        self._session.append(self._path, message)
        return True

    def find(self, date, header):
        """UID of a message that came at this second with this header, each once; None if there is none."""
        for uid in self._dated(date):
            if uid not in self._claimed and self._header(uid) == header.rstrip(b"\r\n"):
                self._claimed.add(uid)
                return uid
        return None

    def _dated(self, date):
        if self._by_date is None:
            self._by_date = {}
            for uid, each in self._session.dates().items():
                self._by_date.setdefault(each, []).append(uid)
        return self._by_date.get(date, ())

    def _header(self, uid):
        if uid not in self._headers:
            self._headers[uid] = (self._session.header(uid) or b"").rstrip(b"\r\n")
        return self._headers[uid]

    def change_flags(self, uid, added, removed):
        if added:
            self._session.store(uid, "+", added)
        if removed:
            self._session.store(uid, "-", removed)


def snapshot(old):
    """All folders of the old mailbox with their messages and flags, as Memory keeps them."""
    return {_key(path): _seen(old, path) for path in old.folders()}


def _seen(old, path):
    return {"uidvalidity": old.select(path), "flags": {str(uid): " ".join(sorted(flags)) for uid, flags in old.flags().items()}}


def unseen(old, memory):
    """How many messages of the old mailbox no run has seen yet."""
    known = memory.folders or {}
    count = 0
    for path in old.folders():
        seen, now = known.get(_key(path), {}), _seen(old, path)
        is_same = seen.get("uidvalidity") == now["uidvalidity"]
        count += len(now["flags"].keys() - (seen["flags"].keys() if is_same else ()))
    return count


def copy_new(old, here, memory):
    """Copy what has come since the last run, and repeat what has been done to flags; returns how many of each."""
    copied = changed = folders = 0
    subscribed = old.subscriptions()
    for path in old.folders():
        seen, now = memory.of(path), _seen(old, path)
        if seen == now:
            continue
        deposit = Deposit(here, path, path in subscribed)
        folders += deposit.is_new
        known = seen["flags"] if seen.get("uidvalidity") == now["uidvalidity"] else {}
        for uid in sorted(now["flags"].keys() - known.keys(), key=int):
            message = old.message(uid)
            copied += message is not None and deposit.put(message)
        for uid in now["flags"].keys() & known.keys():
            changed += now["flags"][uid] != known[uid] and _repeat(old, deposit, uid, known[uid], now["flags"][uid])
        seen.clear()
        seen.update(now)
        memory.write()
    return {"copied": copied, "flags_changed": changed, "folders_created": folders}


def _repeat(old, deposit, uid, before, after):
    """Do to the message here what has been done to the old one, if the user still has it in the same folder."""
    date, header = old.date_and_header(uid)
    found = deposit.find(date, header) if header is not None else None
    if found is None:
        return False
    before, after = set(before.split()), set(after.split())
    deposit.change_flags(found, after - before, before - after)
    return True


def synchronize(user, settings):
    """Let Dovecot copy a whole mailbox with its UIDs, without removing anything here; settings is text for its configuration."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="mailcopy-", suffix=".conf") as stream:  # mode 0600
        stream.write(settings)
        stream.flush()
        command = ["doveadm", "-c", stream.name, "sync", "-1", "-R", "-u", user, "imapc:"]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode:
        lines = [line for line in done.stderr.splitlines() if not _is_information(line)]
        raise MailserverError(f"Dovecot could not copy all mail: {' / '.join(lines)[:1000] or done.returncode}. Run it again.")


def _is_information(line):
    return "Info: " in line


def settings_for(params, session):
    """Dovecot's configuration with the old server as a mail store, in the words of the version that is installed."""
    is_older = subprocess.check_output(["dovecot", "--version"], text=True).startswith("2.3")
    lines = [] if is_older else ["dovecot_config_version = 2.4.1", "dovecot_storage_version = 2.4.1"]
    lines.append("!include /etc/dovecot/dovecot.conf")
    features = "rfc822.size fetch-headers" if is_older else "no-metadata no-modseq"
    settings = {
        "imapc_host": params["host"],
        "imapc_port": str(params["port"]),
        "imapc_ssl": "starttls" if params["starttls"] else "imaps",
        "imapc_user": params["login"],
        "imapc_master_user": params["master_user"],
        "imapc_password": params["master_password"],
        "imapc_list_prefix": session.prefix.rstrip(session.separator),
        "imapc_features": features,
        "ssl_client_ca_file": params["ca_file"],
        "mail_prefetch_count": "20",
    }
    lines += [f"{name} = {_setting(value)}" for name, value in settings.items()]
    # Both sides must name folders in the same way; how they are kept here does not change.
    lines.append(f"namespace inbox {{\n  separator = {session.separator or '/'}\n}}\n")
    return "\n".join(lines)


def _setting(value):
    """A value between quotes, in which Dovecot reads nothing as a comment or a variable."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def from_imap(params, check_mode):
    """The whole work of mailbox_from_imap; returns its result."""
    memory = Memory(params["state_directory"], "imap", params["user"])
    with memory.opened(check_mode), _speaking_plainly(), _imap.log_in(params) as old:
        if check_mode:
            with _imap.open_here(params["user"]):
                count = unseen(old, memory)
            return {"changed": count > 0, "messages": old.count(), "copied": count}
        first = _copy_first(params, old, memory) if memory.folders is None else 0
        with _imap.open_here(params["user"]) as here:
            counts = copy_new(old, here, memory)
        counts["copied"] += first
    return {"changed": any(counts.values()), "messages": memory.count(), **counts}


def _copy_first(params, old, memory):
    """Copy everything into an unused mailbox; returns how many messages there are then. All else is left to copy_new."""
    with _imap.open_here(params["user"]) as here:
        is_unused = here.is_unused()
    memory.folders = snapshot(old) if is_unused else {}
    if is_unused:
        synchronize(params["user"], settings_for(params, old))
        memory.write()
    return _count_here(params["user"]) if is_unused else 0


def from_files(params, check_mode):
    """The whole work of mailbox_from_files; returns its result."""
    account = _mailfiles.check_account(params["account"])
    inbox = params["inbox"] or os.path.join("/var/mail", params["account"])
    directory = params["directory"] or os.path.join(account.pw_dir, {"maildir": "Maildir", "mbox": "mail"}[params["format"]])
    memory = Memory(params["state_directory"], "files", params["user"])
    with memory.opened(check_mode), _speaking_plainly():
        with _mailfiles.acting_as(params["account"]):
            folders = _mailfiles.folders(params["format"], inbox, directory)
        if check_mode:
            counts = _count_files(params["account"], folders, memory.folders or {})
            return {"changed": counts["copied"] > 0, **counts}
        memory.folders = memory.folders or {}
        with _imap.open_here(params["user"]) as here:
            counts = _copy_files(params["account"], folders, here, memory)
    return {"changed": counts["copied"] + counts["folders_created"] > 0, **counts}


def _count_files(account, folders, known):
    messages = copied = 0
    with _mailfiles.acting_as(account):
        for path, reader in folders:
            ids = [each for each, dummy in reader()]
            messages += len(ids)
            copied += len(set(ids) - set(known.get(_key(path), {}).get("ids", ())))
    return {"messages": messages, "copied": copied}


def _copy_files(account, folders, here, memory):
    messages = copied = created = 0
    for path, reader in folders:
        seen = memory.of(path)
        is_first, known = not seen, set(seen.get("ids", ()))
        deposit = Deposit(here, path, is_subscribed=True) if is_first else None
        with _mailfiles.acting_as(account):
            for each, read in reader():
                messages += 1
                if each not in known:
                    deposit = deposit or Deposit(here, path)
                    copied += deposit.put(read())
                    known.add(each)
        if deposit:
            created += deposit.is_new
            seen["ids"] = sorted(known)
            memory.write()
    return {"messages": messages, "copied": copied, "folders_created": created}


def _count_here(user):
    with _imap.open_here(user) as here:
        return here.count()


@contextlib.contextmanager
def _speaking_plainly():
    """Whatever breaks a connection is said in one sentence."""
    try:
        yield
    except (OSError, imaplib.IMAP4.error) as exc:
        raise MailserverError(f"the copy was interrupted: {exc}. Run it again.") from None
