# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""Copies the mail of one user from another place into the mailbox here, again and again, nothing twice.

Dovecot's own synchronization copies a whole mailbox with its UIDs. But it remembers nothing: a message that the user has deleted
here can come back, once in each run, and which side's flags win is left to numbers that the two servers count differently. Where
there is mail already, such as from a copy that was interrupted, 2.4 makes messages twice and loses keywords. So it does the first
copy alone, into a mailbox that has never been used. All other runs go by what the last one has seen: they copy what has come
since, unless it is there, and repeat what has been done to flags since. They remove nothing. What a server refuses is named at the
end, and tried again by the next run.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import imaplib
import json
import os
import re
import tempfile
import urllib.parse

from ansible_collections.virtmail.mailserver.plugins.module_utils import _imap, _mailfiles
from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import MailserverError


class Memory:
    """What earlier runs have seen of a user's old mail in one place, in a file that is locked meanwhile: {folder: {...}}."""

    def __init__(self, directory, kind, user, *place):
        self._directory, self._name = directory, memory_name(kind, user, place)
        self.folders = None  # None: there has been no complete run yet

    @contextlib.contextmanager
    def opened(self, check_mode):
        path = os.path.join(self._directory, f"{self._name}.json")
        if check_mode:
            self._read(path)
            yield self
            return
        os.makedirs(self._directory, mode=0o700, exist_ok=True)
        with open(os.path.join(self._directory, f"{self._name}.lock"), "w", encoding="ascii") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # until a run that was given up has ended too
            self._read(path)
            yield self

    def _read(self, path):
        with contextlib.suppress(FileNotFoundError):
            with open(path, encoding="utf-8") as stream:
                self.folders = json.load(stream)

    def write(self):
        path = os.path.join(self._directory, f"{self._name}.json")
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=self._directory, prefix=".", delete=False) as stream:
            json.dump(self.folders, stream)
        os.replace(stream.name, path)

    def of(self, folder):
        """What is remembered of this folder; to be changed in place."""
        return self.folders.setdefault(folder, {})


def _key(path):
    return "\t".join(path)


def memory_name(kind, user, place):
    """Each place has a memory of its own: numbers of messages mean something only there. Names may hold what a file's name may not."""
    digest = hashlib.sha256("\0".join([user, *place]).encode("utf-8", "surrogateescape")).hexdigest()
    return f"{kind}-{urllib.parse.quote(user, safe='@')[:100]}-{digest[:16]}"


class Faults:
    """What could not be copied, and why, while the copy goes on without it."""

    SHOWN = 10
    LONGEST = 200

    def __init__(self, *kinds):
        self._kinds = (MailserverError, ValueError, *kinds)
        self._found = []

    @contextlib.contextmanager
    def of(self, folder, item=""):
        """Note that this cannot be copied. A broken connection is no fault of it, and ends the copy."""
        try:
            yield
        except self._kinds as exc:
            fault = f"{_imap.readable(folder)} {item}".rstrip() + f": {exc}"[: self.LONGEST]
            self._found.append(fault.encode("utf-8", "backslashreplace").decode("utf-8"))

    def tell(self):
        if not self._found:
            return
        rest = len(self._found) - self.SHOWN
        more = f"; and {rest} more" if rest > 0 else ""
        raise MailserverError(
            f"not everything can be copied: {'; '.join(self._found[: self.SHOWN])}{more}."
            " This holds up nothing else, and the next run tries it again."
        )


class Deposit:
    """A folder here, which takes what it does not have."""

    def __init__(self, session, path, is_subscribed=False):
        self._session, self._name = session, session.name_of(path)
        self.is_new = session.make(self._name, is_subscribed)
        session.select(self._name, readonly=False)
        self._by_date = None
        self._headers = {}
        self._claimed = set()

    def put(self, message):
        """Tells whether the message was not there. Where there is no text, nothing can be put."""
        if not message.text or self.find(message.date, message.header):
            return False
        self._session.append(self._name, message)
        return True

    def find(self, date, header):
        """UID of a message that came at this second with this header, each once; None if there is none."""
        for uid in self._dated(date):
            if uid not in self._claimed and self._header(uid) == comparable(header):
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
            self._headers[uid] = comparable(self._session.header(uid) or b"")
        return self._headers[uid]

    def change_flags(self, uid, added, removed):
        if added:
            self._session.store(uid, "+", added)
        if removed:
            self._session.store(uid, "-", removed)


def comparable(header):
    """A header as it is the same everywhere: servers differ in how they keep single CR and LF, and NUL."""
    return re.sub(rb"[\r\n]+", b"\n", header.replace(b"\0", b"\x80")).strip(b"\n")


def snapshot(old):
    """{name: (path, what is there)} of the old mailbox."""
    found = {}
    for name, path in old.folders().items():
        with Faults().of(name):  # which copy_new notes
            found[name] = path, _seen(old, name)
    return found


def _seen(old, name):
    """What is in a folder, as Memory keeps it."""
    return {"uidvalidity": old.select(name), "flags": {str(uid): " ".join(sorted(flags)) for uid, flags in old.flags().items()}}


def _known(seen, now):
    """{uid: flags} that still count: UIDs mean nothing once UIDVALIDITY has changed."""
    return seen["flags"] if seen.get("uidvalidity") == now["uidvalidity"] else {}


def preview(old, here, memory, faults):
    """The counts of copy_new, as far as the numbers of the old server tell."""
    counts = {"messages": 0, "copied": 0, "flags_changed": 0, "folders_created": 0}
    remembered = memory.folders or {}
    # Not even an index is made in a mailbox that may never have been opened.
    there = here.folders() if remembered else {"INBOX": ("INBOX",)}
    for name, path in old.folders().items():
        with faults.of(name):
            seen, now = remembered.get(name, {}), _seen(old, name)
            flags, known = now["flags"], _known(seen, now)
            counts["messages"] += len(flags)
            counts["copied"] += len(flags.keys() - known.keys())
            counts["flags_changed"] += sum(flags[uid] != known[uid] for uid in flags.keys() & known.keys())
            counts["folders_created"] += seen != now and here.name_of(path) not in there
    return counts


def copy_new(old, here, memory, faults):
    """Copy what has come since the last run, and repeat what has been done to flags; returns how many of each."""
    counts = {"messages": 0, "copied": 0, "flags_changed": 0, "folders_created": 0}
    subscribed = old.subscriptions()
    for name, path in old.folders().items():
        with faults.of(name):
            seen, now = memory.of(name), _seen(old, name)
            counts["messages"] += len(now["flags"])
            if seen != now:
                deposit = Deposit(here, path, name in subscribed)
                counts["folders_created"] += deposit.is_new
                noting = functools.partial(faults.of, name)
                known = _known(seen, now)
                seen.update(now, flags={uid: known[uid] for uid in now["flags"].keys() & known.keys()})
                try:
                    _copy_folder(old, deposit, seen["flags"], now["flags"], counts, noting)
                finally:
                    memory.write()
    return counts


def _copy_folder(old, deposit, done, now, counts, noting):
    """Makes of done, what has been seen of this folder, what there is now, message by message; both are {uid: flags}."""
    for uid in sorted(now.keys() - done.keys(), key=int):
        with noting(f"UID {uid}"):
            message = old.message(uid)
            if message:
                counts["copied"] += deposit.put(message)
                done[uid] = now[uid]
    for uid, before in list(done.items()):
        if before != now[uid]:
            with noting(f"UID {uid}"):
                counts["flags_changed"] += _repeat(old, deposit, uid, before, now[uid])
                done[uid] = now[uid]


def _repeat(old, deposit, uid, before, after):
    """Do to the message here what has been done to the old one, if the user still has it in the same folder."""
    date, header = old.date_and_header(uid)
    found = deposit.find(date, header) if header is not None else None
    if found is None:
        return False
    before, after = set(before.split()), set(after.split())
    deposit.change_flags(found, after - before, before - after)
    return True


def synchronize(run, user, settings, excluded):
    """Let Dovecot copy a whole mailbox with its UIDs, without removing anything here; settings is text for its configuration.

    run(command) returns the exit code and what was written to standard output and standard error.
    """
    masks = [argument for mask in excluded for argument in (b"-x", mask.encode("utf-8", "surrogateescape"))]
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix="mailcopy-", suffix=".conf") as stream:  # mode 0600
        stream.write(settings)
        stream.flush()
        command = ["doveadm", "-c", stream.name, "sync", "-1", "-R", *masks, "-u", user, "imapc:"]
        code, dummy, errors = run(command)
    if code:
        lines = [line for line in errors.splitlines() if not _is_information(line)]
        raise MailserverError(f"Dovecot could not copy all mail: {' / '.join(lines)[:1000] or code}. Run it again.")


def _is_information(line):
    return "Info: " in line


def settings_for(params, session, run):
    """Dovecot's configuration with the old server as a mail store, in the words of the version that is installed."""
    is_older = run(["dovecot", "--version"])[1].startswith("2.3")
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


def from_imap(params, check_mode, run):
    """The whole work of mailbox_from_imap; returns its result. For run see synchronize()."""
    memory = Memory(params["state_directory"], "imap", params["user"], params["host"].lower(), str(params["port"]), params["login"])
    faults = Faults()
    with memory.opened(check_mode), _speaking_plainly():
        is_first = memory.folders is None and not check_mode
        copied, created = _copy_first(params, memory, run) if is_first else (0, 0)
        # Only now: an old server ends a session that waits for the first copy of a large mailbox.
        with _imap.log_in(params) as old, _imap.open_here(params["user"]) as here:
            counts = (preview if check_mode else copy_new)(old, here, memory, faults)
    faults.tell()
    counts["copied"] += copied
    counts["folders_created"] += created
    return {"changed": counts["copied"] + counts["flags_changed"] + counts["folders_created"] > 0, **counts}


def _copy_first(params, memory, run):
    """Copy everything into an unused mailbox, with UIDs; returns how many messages and folders. All else is left to copy_new."""
    user, memory.folders = params["user"], {}
    with _imap.log_in(params) as old, _imap.open_here(user) as here:
        if not here.is_unused():
            return 0, 0
        before, subscribed, found = here.folders(), here.subscriptions(), snapshot(old)
        settings, excluded = settings_for(params, old, run), old.masks_without(old.folders().keys() - found.keys())
    memory.write()  # if it fails, the next run does without it
    synchronize(run, user, settings, excluded)
    with _imap.open_here(user) as here:
        folders = here.folders()
        for name in here.subscriptions() - subscribed - folders.keys():
            here.unsubscribe(name)  # from what was left out
        paths = [path for path, dummy in found.values()]
        # Of folders that come to the same here, nobody knows which one Dovecot has copied.
        memory.folders = {name: _arrived(here, path, seen) if paths.count(path) == 1 else {} for name, (path, seen) in found.items()}
    memory.write()
    return sum(len(folder.get("flags", ())) for folder in memory.folders.values()), len(folders.keys() - before.keys())


def _arrived(here, path, seen):
    """What of a folder is here as it was seen, by its UIDs. Flags that got lost are then repeated like later ones."""
    try:
        arrived = _seen(here, here.name_of(path))
    except MailserverError:
        return {}
    before, now = seen["flags"], arrived["flags"]
    # What the user has done meanwhile is not taken for something that the old server knew
    common = {uid: " ".join(sorted(set(before[uid].split()) & set(now[uid].split()))) for uid in before.keys() & now.keys()}
    return {**seen, "flags": common} if arrived["uidvalidity"] == seen["uidvalidity"] else {}


def from_files(params, check_mode):
    """The whole work of mailbox_from_files; returns its result."""
    account = _mailfiles.check_account(params["account"])
    inbox = params["inbox"] or os.path.join("/var/mail", params["account"])
    directory = params["directory"] or os.path.join(account.pw_dir, {"maildir": "Maildir", "mbox": "mail"}[params["format"]])
    place = [directory, inbox] if params["format"] == "mbox" else [directory]
    memory = Memory(params["state_directory"], "files", params["user"], params["format"], *map(os.path.normpath, place))
    faults = Faults(OSError)  # of a file that cannot be read
    with memory.opened(check_mode), _speaking_plainly():
        with _mailfiles.acting_as(params["account"]):
            folders = _mailfiles.folders(params["format"], inbox, directory)
        if check_mode:
            counts = _count_files(params["account"], folders, memory.folders or {})
            return {"changed": counts["copied"] > 0, **counts}
        memory.folders = memory.folders or {}
        with _imap.open_here(params["user"]) as here:
            counts = _copy_files(params["account"], folders, here, memory, faults)
    faults.tell()
    return {"changed": counts["copied"] + counts["folders_created"] > 0, **counts}


def _count_files(account, folders, known):
    messages = copied = 0
    with _mailfiles.acting_as(account):
        for path, reader in folders:
            ids = [each for each, dummy in reader()]
            messages += len(ids)
            copied += len(set(ids) - set(known.get(_key(path), {}).get("ids", ())))
    return {"messages": messages, "copied": copied}


def _copy_files(account, folders, here, memory, faults):
    counts = {"messages": 0, "copied": 0, "folders_created": 0}
    for path, reader in folders:
        noting = functools.partial(faults.of, "/".join(path))
        with noting():
            _copy_folder_of_files(account, path, reader, here, memory, counts, noting)
    return counts


def _copy_folder_of_files(account, path, reader, here, memory, counts, noting):
    seen = memory.of(_key(path))
    known = set(seen.get("ids", ()))
    deposit = None if seen else Deposit(here, path, is_subscribed=True)
    try:
        with _mailfiles.acting_as(account):
            for each, read in reader():
                counts["messages"] += 1
                if each not in known:
                    deposit = deposit or Deposit(here, path)
                    with noting(each), contextlib.suppress(FileNotFoundError):  # it has gone meanwhile
                        counts["copied"] += deposit.put(read())
                        known.add(each)
    finally:
        if deposit:
            counts["folders_created"] += deposit.is_new
            seen["ids"] = sorted(known)
            memory.write()


@contextlib.contextmanager
def _speaking_plainly():
    """Whatever ends a copy is said in one sentence."""
    try:
        yield
    except (OSError, ValueError, imaplib.IMAP4.error) as exc:
        raise MailserverError(f"the copy was interrupted: {exc}. Run it again.") from None
