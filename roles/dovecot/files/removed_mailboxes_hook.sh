#!/bin/sh
# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Called by mail-directory-watch: connected | changed user ADDRESS | changed domain NAME | changed all
# Starts mail-removed-mailboxes.service, which may take longer than a hook may.
exec touch /run/mail-removed-mailboxes
