#!/bin/sh
# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# mail-directory-watch calls this whenever it has reached the database.
[ "$1" = connected ] || exit 0
postfix status 2>/dev/null || exit 0

# After an outage the lookups pause, up to a minute on Debian 12, and each smtpd repeats the failures that it remembers.
# New processes know nothing of that; mail that is on its way in or out is not disturbed.
postfix reload 2>/dev/null

# What waited for the database need not wait longer. Repeated, because Dovecot's own connections take a while to return.
postqueue -f
for delay in 10 30 60; do
    systemd-run --quiet --collect --on-active="$delay" --timer-property=AccuracySec=1s /usr/sbin/postqueue -f
done
