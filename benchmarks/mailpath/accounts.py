# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The accounts: a hundred to a domain, an alias for every tenth, all with one password. Larger directories contain the smaller ones."""

import itertools

USERS_PER_DOMAIN = 100
USERS_PER_ALIAS = 10
PASSWORD = "correct horse battery"
# SHA512-CRYPT with the 5000 rounds that crypt(3) does by itself
PASSWORD_HASH = "{SHA512-CRYPT}$6$virtmailbench$TLKy5NFwX3xaSLWYH/3bcVmffp4fK569KezVW8gHWUQmWyHJLW/lLi54cLthAxA9U8SOcvZf2WfE5nZD1XVgF0"


def address(index):
    return f"user{index}@d{index // USERS_PER_DOMAIN}.test"


def some(number, count=200, offset=0):
    """So many addresses, from all over the directory."""
    step = max(1, number // count)
    return [address((index * step + offset) % number) for index in range(min(count, number))]


def domains(first, last):
    """(id, name) of the domains that the users from first to last need, and those before them don't."""
    return [(number + 1, f"d{number}.test") for number in range(-(-first // USERS_PER_DOMAIN), -(-last // USERS_PER_DOMAIN))]


def aliases(first, last):
    """(number of the domain, source, destination)"""
    for index in range(first, last):
        if index % USERS_PER_ALIAS == 0:
            domain = index // USERS_PER_DOMAIN
            yield domain + 1, f"alias{index}@d{domain}.test", address(index)


def load(machine, number):
    """Bring the machine's directory up to so many accounts."""
    if machine.arm == "nodb":
        write_files(machine, number)
    else:
        copy_rows(machine, number)


def copy_rows(machine, number):
    """COPY, straight into the three tables: they have the same columns in both arms, as far as they are filled here."""
    present = int(machine.sql("SELECT count(*) FROM virtual_users"))
    if present > number:
        raise RuntimeError(f"{machine.name} has {present} accounts already: make new machines for fewer")
    if present == number:
        return
    users = ((index // USERS_PER_DOMAIN + 1, PASSWORD_HASH, address(index)) for index in range(present, number))
    machine.sql_input(
        itertools.chain(
            ["BEGIN;\n"],
            copy("virtual_domains (id, name)", domains(present, number)),
            copy("virtual_users (domain_id, password, email)", users),
            copy("virtual_aliases (domain_id, source, destination)", aliases(present, number)),
            ["COMMIT;\n", "VACUUM ANALYZE;\n", "CHECKPOINT;\n"],
        )
    )


def copy(target, rows):
    yield f"COPY {target} FROM STDIN;\n"
    for row in rows:
        yield "\t".join(map(str, row)) + "\n"
    yield "\\.\n"


def write_files(machine, number):
    """The same, as the sources of LMDB files and as Dovecot's passwd-file."""
    write(machine, "/etc/postfix/files/domains", (f"{name} {name}\n" for dummy, name in domains(0, number)))
    write(machine, "/etc/postfix/files/mailboxes", (f"{address(index)} {address(index)}\n" for index in range(number)))
    write(machine, "/etc/postfix/files/aliases", (f"{source} {target}\n" for dummy, source, target in aliases(0, number)))
    write(machine, "/etc/dovecot/users", (f"{address(index)}:{PASSWORD_HASH}::::::\n" for index in range(number)))
    machine.run("cd /etc/postfix/files && for each in domains mailboxes aliases; do postmap lmdb:$each || exit; done")
    machine.run("systemctl restart postfix dovecot")


def change_file(machine, users, password_hash):
    """Another hash for some users of Dovecot's passwd-file"""
    changed = set(users)
    names = [line.partition(":")[0] for line in machine.path("/etc/dovecot/users").read_text().splitlines()]
    hashes = (password_hash if name in changed else PASSWORD_HASH for name in names)
    write(machine, "/etc/dovecot/users", (f"{name}:{each}::::::\n" for name, each in zip(names, hashes, strict=True)))
    machine.run("doveadm auth cache flush")


def write(machine, path, lines):
    with machine.path(path).open("w", encoding="ascii") as file:
        file.writelines(lines)
