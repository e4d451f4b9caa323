# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
attributes:
  check_mode:
    description: Predicts what a real run would change, and changes nothing.
    support: full
  diff_mode:
    description: Shows what changes, as text before and after. Secrets are shown only as set or changed.
    support: full
  platform:
    description: Systems that the module runs on.
    support: full
    platforms: posix
  action_group:
    description: >-
      Belongs to the action group C(virtmail.mailserver.mail), so that C(module_defaults) can give the connection
      options once.
    support: full
    membership:
      - virtmail.mailserver.mail
"""
