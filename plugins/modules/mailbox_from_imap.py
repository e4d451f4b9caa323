#!/usr/bin/python

# SPDX-FileCopyrightText: virtmail.mailserver contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mailbox_from_imap
short_description: Copy the mail of a user from another IMAP server
description:
  - Copies all folders of one user from an old IMAP server into the mailbox of a user of this server, with flags, keywords, internal
    dates and subscriptions. An administrator's password opens the old mailboxes.
  - The first run keeps UIDs where nothing has come here before. Later runs copy what has come to the old server since, and repeat what
    has been done to flags there. A run that was interrupted is finished by the next one.
  - Nothing is copied twice, nothing is removed here, and the old server is only read. What the user has deleted or moved here stays so.
  - A message or folder that one of the servers refuses holds up no other. The module fails at the end, with the names of all that
    could not be copied, and the next run tries them again.
version_added: 1.1.0
author: virtmail.mailserver contributors (@virtmail)
extends_documentation_fragment:
  - virtmail.mailserver.attributes
attributes:
  check_mode:
    support: full
    description: Logs in to the old server as the user, and counts what would be copied or changed, at most.
  diff_mode:
    support: none
    description: Mail is not shown.
  action_group:
    support: N/A
    description: Knows nothing of the database.
options:
  user:
    description: The user of this server, who must exist.
    type: str
    required: true
  host:
    description: The old IMAP server, by the name that is in its certificate.
    type: str
    required: true
  port:
    description: Its port.
    type: int
    default: 993
  starttls:
    description: Whether TLS begins with C(STARTTLS), as on port 143, rather than at once. There is no connection without TLS.
    type: bool
    default: false
  ca_file:
    description: File on the managed host with the authorities that the old server's certificate is verified against.
    type: path
    default: /etc/ssl/certs/ca-certificates.crt
  login:
    description: Name of the user on the old server. Default is O(user).
    type: str
  master_user:
    description:
      - Who may log in to the old server as anybody, by SASL C(PLAIN) with an authorization identity (RFC 4616).
      - In Cyrus one of the C(admins) or C(proxyservers), in Dovecot a user of a C(passdb) with C(master = yes).
    type: str
    required: true
  master_password:
    description: Password of O(master_user).
    type: str
    required: true
  state_directory:
    description:
      - Directory on the managed host that keeps, for root alone, which messages earlier runs have seen, and their flags.
      - Each O(host), O(port) and O(login) has a file of its own there, so that a user may have mail in more than one old mailbox.
    type: path
    default: /var/lib/mailserver/adoption
requirements:
  - Dovecot with C(imapd) on the managed host, set up by the role P(virtmail.mailserver.dovecot#role); root
notes:
  - Where a server without C(NAMESPACE) keeps a user's folders below C(INBOX), they stay below C(INBOX) here.
  - A letter in a folder's name that separates folders here, such as C(.), becomes C(_).
  - All personal namespaces are copied, without those of other users and those that are shared. The folders of the first one lose its
    prefix, those of others keep it. A folder C(INBOX) below a prefix becomes a folder C(INBOX) below the inbox.
  - Keywords of more than 50 letters, or with a letter that no atom of IMAP has, are left out, as are messages of no bytes at all where
    Dovecot does not take them.
seealso:
  - module: virtmail.mailserver.mailbox_from_files
    description: Copies from a Maildir or mbox of this machine.
"""

EXAMPLES = r"""
- name: Copy Alice's mail from a Cyrus server
  virtmail.mailserver.mailbox_from_imap:
    user: alice@example.com
    host: old.example.com
    master_user: cyrus
    master_password: "{{ vault_cyrus_password }}"
"""

RETURN = r"""
messages:
  description: How many messages the old mailbox has.
  returned: success
  type: int
  sample: 1200
copied:
  description: How many messages were copied, or would be in check mode.
  returned: success
  type: int
  sample: 12
flags_changed:
  description: Of how many messages the flags were changed, as they have been on the old server since the last run.
  returned: success
  type: int
  sample: 3
folders_created:
  description: How many folders were created.
  returned: success
  type: int
  sample: 1
"""

from functools import partial

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.virtmail.mailserver.plugins.module_utils import _mailcopy
from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import MailserverError

SPEC = {
    "user": {"type": "str", "required": True},
    "host": {"type": "str", "required": True},
    "port": {"type": "int", "default": 993},
    "starttls": {"type": "bool", "default": False},
    "ca_file": {"type": "path", "default": "/etc/ssl/certs/ca-certificates.crt"},
    "login": {"type": "str"},
    "master_user": {"type": "str", "required": True},
    "master_password": {"type": "str", "required": True, "no_log": True},
    "state_directory": {"type": "path", "default": "/var/lib/mailserver/adoption"},
}


def main():
    module = AnsibleModule(SPEC, supports_check_mode=True)
    params = {**module.params, "login": module.params["login"] or module.params["user"]}
    result, fault = {}, None
    try:
        run = partial(module.run_command, expand_user_and_vars=False)
        result = _mailcopy.from_imap(params, module.check_mode, run)
    except MailserverError as exc:
        fault = f"{params['user']}: {exc}"
    if fault:  # not while the exception is handled: Ansible would print its causes too, with whatever they show
        module.fail_json(msg=fault)
    module.exit_json(**result)


if __name__ == "__main__":
    main()
