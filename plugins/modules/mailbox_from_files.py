#!/usr/bin/python

# SPDX-FileCopyrightText: virtmail.mailserver contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mailbox_from_files
short_description: Copy the mail of an account of the operating system
description:
  - Copies the Maildir, or the mbox files, of an account of this machine into the mailbox of a user, with folders, flags, keywords and
    the times at which the messages came.
  - The old files are read as the account itself, and never changed. Nothing is copied twice, and nothing is removed from the mailbox.
    A later run copies what has come since; a run that was interrupted is finished by the next one.
  - A message that cannot be read, or that Dovecot refuses, holds up no other. The module fails at the end, with the names of all that
    could not be copied, and the next run tries them again.
version_added: 1.1.0
author: virtmail.mailserver contributors (@virtmail)
extends_documentation_fragment:
  - virtmail.mailserver.attributes
attributes:
  check_mode:
    support: full
    description: Counts what would be copied.
  diff_mode:
    support: none
    description: Mail is not shown.
  action_group:
    support: N/A
    description: Knows nothing of the database.
options:
  user:
    description: The user who gets the mail, and must exist.
    type: str
    required: true
  account:
    description: The account of the operating system.
    type: str
    required: true
  format:
    description:
      - V(maildir) takes the flags from the names of files, keywords from C(dovecot-keywords), the time from that of the file.
      - V(mbox) takes flags and keywords from C(Status), C(X-Status) and C(X-Keywords), the time from the C(From) line.
    type: str
    choices: [maildir, mbox]
    default: maildir
  directory:
    description: Where the Maildir is, or the folders in mbox. Default is C(~/Maildir), or C(~/mail), of O(account).
    type: path
  inbox:
    description: The mbox with the inbox. Default is C(/var/mail/) and the name of O(account).
    type: path
  state_directory:
    description:
      - Directory on the managed host that keeps, for root alone, which messages earlier runs have seen.
      - Each O(directory) and O(inbox) has a file of its own there, so that a user may get mail from more than one.
    type: path
    default: /var/lib/mailserver/adoption
requirements:
  - Dovecot with C(imapd) on the managed host, set up by the role P(virtmail.mailserver.dovecot#role); root
notes:
  - The user is subscribed to all folders.
  - An account without O(directory) and O(inbox) has no mail. Another layout than Maildir++, whose folders begin with a dot, is refused.
  - A link in the place of a message is passed over, as what it leads to is nobody's mail.
  - Files below O(directory) that are no mbox are passed over. Links to directories with more of them are followed.
seealso:
  - module: virtmail.mailserver.mailbox_from_imap
    description: Copies from another server.
  - module: virtmail.mailserver.system_users_info
    description: Makes users of the accounts.
"""

EXAMPLES = r"""
- name: Copy the mail of the account alice
  virtmail.mailserver.mailbox_from_files:
    user: alice@example.com
    account: alice
    format: mbox
"""

RETURN = r"""
messages:
  description: How many messages the account has.
  returned: success
  type: int
  sample: 1200
copied:
  description: How many messages were copied, or would be in check mode.
  returned: success
  type: int
  sample: 12
folders_created:
  description: How many folders were created.
  returned: success, not in check mode
  type: int
  sample: 1
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.virtmail.mailserver.plugins.module_utils import _mailcopy
from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import MailserverError

SPEC = {
    "user": {"type": "str", "required": True},
    "account": {"type": "str", "required": True},
    "format": {"type": "str", "choices": ["maildir", "mbox"], "default": "maildir"},
    "directory": {"type": "path"},
    "inbox": {"type": "path"},
    "state_directory": {"type": "path", "default": "/var/lib/mailserver/adoption"},
}


def main():
    module = AnsibleModule(SPEC, supports_check_mode=True)
    try:
        result = _mailcopy.from_files(module.params, module.check_mode)
    except MailserverError as exc:
        module.fail_json(msg=f"{module.params['user']}: {exc}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
