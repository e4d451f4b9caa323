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

# postconf does not look at values. Where the default is a number or a time, another value has to be one too.
mistyped=$({ postconf -d | sed 's/^/default /'; postconf -c "$staged" -xn | sed 's/^/staged /'; } | awk '
    $1 == "default" { default_of[$2] = $4; next }
    NF == 3 { next }
    default_of[$2] ~ /^[0-9]+$/ && $4 !~ /^[0-9.]+$/ { print $2 " has to be a number, not \"" $4 "\"." }
    default_of[$2] ~ /^[0-9]+[smhdw]$/ && $4 !~ /^[0-9]+[smhdw]?$/ { print $2 " has to be a time, not \"" $4 "\"." }')
[ -z "$mistyped" ] || refuse "$mistyped"

daemons=$(postconf -c "$staged" -h daemon_directory)

# All that only the SMTP server itself can judge: it starts, sees the end of its input and leaves. The running proxymap knows
# only the lookups of the running configuration, so it is left out. While Postfix is not running, the server waits for its
# helpers instead, hence the limit.
mkdir -p "$staged/direct"
sed 's/proxy://g' "$staged/main.cf" > "$staged/direct/main.cf"
cp "$staged/master.cf" "$staged/direct/master.cf"
MAIL_CONFIG=$staged/direct timeout 5 "$daemons/smtpd" -S </dev/null >/dev/null 2>&1
[ $? -ne 1 ] || refuse "The SMTP server does not start: $(journalctl -q -n 5 -t postfix/smtpd -o cat | grep fatal: | tail -n 1)"

# The master process would start it again and again.
for program in $(postconf -c "$staged" -M | awk '{ print $8 }' | sort -u); do
    [ -x "$daemons/$program" ] || refuse "master.cf starts $program, which is not a program in $daemons."
done

duplicates=$(postconf -c "$staged" -M | awk '{ print $1, $2 }' | sort | uniq -d)
[ -z "$duplicates" ] || refuse "master.cf has more than one service $duplicates."

for file in $(postconf -c "$staged" -xh smtpd_tls_chain_files | tr ',' ' '); do
    [ -s "$file" ] || refuse "There is no certificate or key in $file."
done
