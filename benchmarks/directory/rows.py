# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Made-up domains and users: a hundred users to a domain, hashes as long as real ones."""

import csv

PASSWORD_HASH = "{SHA512-CRYPT}$6$rounds=100000$" + "a" * 16 + "$" + "b" * 86
USERS_PER_DOMAIN = 100


def domains(number_of_users):
    return [f"d{number}.test" for number in range(max(1, number_of_users // USERS_PER_DOMAIN))]


def users(number):
    """(email, display name, quota in bytes) of each."""
    names = domains(number)
    for index in range(number):
        yield f"user{index}@{names[index % len(names)]}", f"User Number {index}", (index % 7 + 1) * 1000000


def write(directory, number, changed=0, left_out=0):
    """Two CSV files; so many users have another name, and so many are missing at the end. Returns the files' names."""
    domain_file, user_file = directory / "domains.csv", directory / "users.csv"
    with domain_file.open("w", newline="") as file:
        csv.writer(file).writerows([["name"], *([name] for name in domains(number))])
    with user_file.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["email", "password_hash", "quota", "display_name"])
        for index, (email, name, quota) in enumerate(users(number)):
            if index < number - left_out:
                writer.writerow([email, PASSWORD_HASH, quota, f"{name} changed" if index < changed else name])
    return [str(domain_file), str(user_file)]
