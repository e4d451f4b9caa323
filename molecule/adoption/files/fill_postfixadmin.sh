#!/usr/bin/env bash
# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Fills PostfixAdmin with the users of OLD_USERS (a line for each: name, password, scheme, quota, active) in each of OLD_DOMAINS.
set -eu

cli() {
    local said
    said=$(postfixadmin-cli "$@" 2>&1) || true
    # It ends with 0 whatever becomes of the work.
    grep -qE 'has been (added|created)' <<< "$said" || { echo "$said"; exit 1; }
}

for domain in $OLD_DOMAINS; do
    cli domain add "$domain" --description "The old $domain" --aliases 50 --mailboxes 50 --maxquota 0
    cli domain add "alias-$domain" --aliases 50 --mailboxes 50 --maxquota 0
    cli aliasdomain add "alias-$domain" --target-domain "$domain"
    while read -r name password scheme quota active; do
        PFA_ENCRYPT=$scheme cli mailbox add "$name@$domain" --password "$password" --password2 "$password" \
            --name "$name 김" --quota "$quota" --active "$active"
    done <<< "$OLD_USERS"
    cli alias add "info@$domain" --goto "md5@$domain,sha@$domain"
    cli alias add "@$domain" --goto "blf@$domain"
done
