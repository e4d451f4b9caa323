# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    # ansible-core takes no fragment without options
    DOCUMENTATION = r"""
options: {}
notes:
  - An option that is left out keeps its stored value when the row exists, and takes its default when the row is new.
  - Everything is checked before anything is written, and written in one transaction. All faults are reported at once.
    Only one run at a time changes the directory; others wait for it.
  - Addresses and domains are stored in lower case, domains as A-labels (RFC 5891). Lengths are those of RFC 5321,
    section 4.5.3.1.
  - In an active domain an inactive user, and in an inactive domain every address, is unknown to senders.
seealso:
  - ref: virtmail.mailserver.postgres_mail <ansible_collections.virtmail.mailserver.postgres_mail_role>
    description: Makes the database that this module works with.
"""
