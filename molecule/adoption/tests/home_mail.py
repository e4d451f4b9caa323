# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The mail of a home server's accounts: what it is, for the tests; and, as a program on that machine, writes it."""

import os
import pwd
import time

REPORTS = "&xcW7NA- &- &vPSs4A-"  # 업무 & 보고
YEAR = "2026&sUQ-"  # 2026년
# (folder as IMAP names it, flags, seconds since the epoch, body)
MESSAGES = [
    ("INBOX", (), 1500000001, "first"),
    ("INBOX", ("\\Seen",), 1500000002, "read"),
    ("INBOX", ("\\Answered", "\\Flagged", "\\Seen"), 1500000003, "answered\n\nFrom here on it is text.\n>From there, too."),
    ("INBOX", ("$Important", "\\Seen"), 1500000004, "important"),
    (REPORTS, ("\\Seen",), 1500000005, "report"),
    (f"{REPORTS}.{YEAR}", ("\\Draft",), 1500000006, "draft"),
    ("lists.debian", ("\\Deleted",), 1500000007, "deleted"),
    ("lists.debian", ("\\Deleted",), 1500000008, "big " + "0123456789abcdef\n" * 100000),
]
LETTERS = {"\\Draft": "D", "\\Flagged": "F", "\\Answered": "R", "\\Seen": "S", "\\Deleted": "T", "$Important": "a"}
MORE_STATUS = {"\\Answered": "A", "\\Flagged": "F", "\\Draft": "T", "\\Deleted": "D"}
MAILDIR = ["mia", "lea", "yan"]
MBOX = ["max"]


def text(number, body):
    return f"From: x@elsewhere.test\nSubject: No. {number}\nMessage-ID: <home-{number}@client.test>\n\n{body}\n".encode()


def write_maildir(name):
    home = f"/home/{name}/Maildir"
    for number, (folder, flags, when, body) in enumerate(MESSAGES):
        directory = home if folder == "INBOX" else f"{home}/.{folder}"
        for part in ("cur", "new", "tmp"):
            os.makedirs(f"{directory}/{part}", exist_ok=True)
        with open(f"{directory}/dovecot-keywords", "w") as stream:
            stream.write("0 $Important\n")
        letters = "".join(sorted(LETTERS[flag] for flag in flags))
        file = f"{directory}/cur/{when}.M1P1.home:2,{letters}" if flags else f"{directory}/new/{when}.M1P1.home"
        with open(file, "wb") as stream:
            stream.write(text(number, body))
        os.utime(file, (when, when))


def write_mbox(name):
    spool, directory = f"/var/mail/{name}", f"/home/{name}/mail"
    for number, (folder, flags, when, body) in enumerate(MESSAGES):
        # Mail programs of old put the letters themselves into the names of files.
        known = {REPORTS: "업무 & 보고", f"{REPORTS}.{YEAR}": "업무 & 보고.d/2026년"}
        file = spool if folder == "INBOX" else f"{directory}/{known.get(folder, folder.replace('.', '/'))}"
        os.makedirs(os.path.dirname(file), exist_ok=True)
        head, dummy, rest = text(number, body).partition(b"\n\n")
        more = "".join(letter for flag, letter in MORE_STATUS.items() if flag in flags)
        is_read = "\\Seen" in flags
        keywords = " ".join(flag for flag in flags if flag.startswith("$"))
        status = f"Status: {'R' if is_read else ''}O\nX-Status: {more}\nX-Keywords: {keywords}\nX-UID: 7"
        with open(file, "ab") as stream:
            stream.write(time.strftime("From x@elsewhere.test  %a %b %e %H:%M:%S %Y\n", time.localtime(when)).encode())
            stream.write(head + b"\n" + status.encode() + b"\n\n" + rest + b"\n")


def give(name):
    account = pwd.getpwnam(name)
    for top in (f"/home/{name}", f"/var/mail/{name}"):
        for parent, directories, files in os.walk(top):
            for each in directories + files:
                os.lchown(os.path.join(parent, each), account.pw_uid, account.pw_gid)
        if os.path.isfile(top):
            os.lchown(top, account.pw_uid, account.pw_gid)


def main():
    for name in MAILDIR:
        write_maildir(name)
    for name in MBOX:
        write_mbox(name)
    # What a link leads to is nobody's mail.
    os.symlink("/etc/shadow", "/home/mia/Maildir/cur/1.shadow:2,S")
    for name in MAILDIR + MBOX:
        give(name)


if __name__ == "__main__":
    main()
