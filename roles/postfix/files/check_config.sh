#!/bin/sh
# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Judges a directory with main.cf and master.cf before it goes into service; says what is wrong.
set -u
staged=$1

refuse() {
    echo "$1"
    exit 1
}

# postconf is silent about a sound configuration, and names an unknown parameter, a bad line or a bad field.
complaints=$({ postconf -c "$staged" -x -n && postconf -c "$staged" -M; } 2>&1 >/dev/null | sort -u)
[ -z "$complaints" ] || refuse "$complaints"

# The master process would start it again and again.
daemons=$(postconf -c "$staged" -h daemon_directory)
for program in $(postconf -c "$staged" -M | awk '{ print $8 }' | sort -u); do
    [ -x "$daemons/$program" ] || refuse "master.cf starts $program, which is not a program in $daemons."
done

duplicates=$(postconf -c "$staged" -M | awk '{ print $1, $2 }' | sort | uniq -d)
[ -z "$duplicates" ] || refuse "master.cf has more than one service $duplicates."

for file in $(postconf -c "$staged" -xh smtpd_tls_chain_files | tr ',' ' '); do
    [ -s "$file" ] || refuse "There is no certificate or key in $file."
done
