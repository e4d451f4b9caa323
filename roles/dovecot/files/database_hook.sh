#!/bin/sh
# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Called by mail-directory-watch: connected | changed user ADDRESS | changed domain NAME | changed all
# Where it ends processes, quota-status comes before auth: it stays connected to auth, and would answer once with an error.
set -eu

# A Dovecot that is not running remembers nothing.
[ -S /run/dovecot/auth-master ] || exit 0
master=$(cat /run/dovecot/master.pid)

# After an outage Dovecot waits before it tries the database again, longer each time, up to two minutes. A new process tries at
# once, and remembers nothing; open sessions go on. One that could not start meanwhile, as happens to Dovecot 2.3, is not given
# another try for up to a minute, unless by a reload.
if [ "$1" = connected ]; then
    pkill -P "$master" -x quota-status || true
    pkill -P "$master" -x auth || true
    doveadm reload
    exit
fi

user=
[ "$1 ${2:-}" != 'changed user' ] || user=$3
for socket in auth-master users-master; do
    doveadm auth cache flush -a "/run/dovecot/$socket" ${user:+"$user"} > /dev/null
done

# A reload leaves the old processes to those who are connected to them, Postfix above all, with all that they remember.
current=$(doveadm -f tab process status) && current=$(echo "$current" | cut -f 2)
left=
for process in $(pgrep -P "$master" -x quota-status) $(pgrep -P "$master" -x auth); do
    echo "$current" | grep -qx "$process" || left="$left $process"
done
# One may have ended by itself meanwhile.
[ -z "$left" ] || echo "$left" | xargs kill || true
