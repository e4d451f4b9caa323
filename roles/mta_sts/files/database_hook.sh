#!/bin/sh
# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Called by mail-directory-watch: connected | changed user ADDRESS | changed domain NAME | changed all
# Starts mail-mta-sts.service, which takes longer than a hook may.
case "$1 ${2:-}" in
    'connected ' | 'changed domain' | 'changed all') exec touch /run/mail-mta-sts ;;
esac
