#!/bin/sh
# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Called by mail-directory-watch: connected | changed user ADDRESS | changed domain NAME | changed all

# After an outage the lookups pause, up to a minute on Debian 12, and each smtpd repeats the failures that it remembers.
# New processes know nothing of that; mail that is on its way in or out is not disturbed.
# What waited for the database need not wait longer. Repeated, because Dovecot's own connections take a while to return.
resume() {
    postfix status 2>/dev/null || return
    postfix reload 2>/dev/null
    postqueue -f
    for delay in 10 30 60; do
        systemd-run --quiet --collect --on-active="$delay" --timer-property=AccuracySec=1s /usr/sbin/postqueue -f
    done
}

copy_mailbox_domains() {
    setpriv --reuid=postfix --regid=postfix --init-groups \
        python3 /usr/local/libexec/mail-mailbox-domains /etc/postfix/pgsql/mailbox_domains.cf /var/lib/postfix/mailbox_domains
}

case "$1 ${2:-}" in
    'connected ')
        resume
        copy_mailbox_domains
        ;;
    'changed domain' | 'changed all')
        copy_mailbox_domains
        ;;
esac
