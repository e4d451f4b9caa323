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

# What waited for the database need not wait longer. Once more for what Dovecot was not ready for yet.
postqueue -f
systemd-run --quiet --collect --on-active=10s /usr/sbin/postqueue -f
