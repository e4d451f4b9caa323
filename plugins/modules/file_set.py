#!/usr/bin/python

# SPDX-FileCopyrightText: virtmail.mailserver contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: file_set
short_description: Install files that belong together
description:
  - Installs all files of a daemon's configuration as one. A program judges the new ones together, aside, before the first of them
    replaces an old one.
  - One call takes the place of a loop, which calls a module for each file, twice.
version_added: 1.1.0
author: virtmail.mailserver contributors (@virtmail)
extends_documentation_fragment:
  - virtmail.mailserver.attributes
attributes:
  check_mode:
    support: full
    description: Predicts which files change. They are not judged, because what judges them may not be installed yet.
  diff_mode:
    support: full
    description: Shows the content of each file, before and after. No file of such a set is secret.
  action_group:
    support: N/A
    description: Knows nothing of the database.
options:
  directories:
    description: Directories that the files need, with the missing ones above them, which everybody may pass through.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path of the directory.
        type: path
        required: true
      owner:
        description: Name of the user who owns it.
        type: str
        default: root
      group:
        description: Name of its group.
        type: str
        default: root
      mode:
        description: Permissions, as an octal number in quotes.
        type: str
        default: '0755'
  files:
    description: The files.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Absolute path of the file.
        type: path
        required: true
      content:
        description: All that it holds; from a template by C(lookup('ansible.builtin.template', …)).
        type: str
        required: true
      owner:
        description: Name of the user who owns it.
        type: str
        default: root
      group:
        description: Name of its group.
        type: str
        default: root
      mode:
        description: Permissions, as an octal number in quotes.
        type: str
        default: '0644'
  validate:
    description:
      - Command that judges the files when one of them changes. V(%s) stands for a directory that holds all of O(files), each by the last
        part of its path, which has to be its own.
      - If it fails, the module fails with what it said, and nothing has been touched. No shell interprets the command.
    type: str
    default: ''
seealso:
  - module: ansible.builtin.template
    description: Installs one file.
"""

EXAMPLES = r"""
- name: Configure Postfix
  virtmail.mailserver.file_set:
    files:
      - path: /etc/postfix/main.cf
        content: "{{ lookup('ansible.builtin.template', 'main.cf.j2') }}"
      - path: /etc/postfix/master.cf
        content: "{{ lookup('ansible.builtin.template', 'master.cf.j2') }}"
    validate: postconf -c %s -n
  notify: Reload Postfix
"""

RETURN = r"""
changed_paths:
  description: Files and directories whose content, owner, group or mode changed, or would in check mode.
  returned: success
  type: list
  elements: str
  sample: [/etc/postfix/main.cf]
validation:
  description: What O(validate) printed on its standard output; empty where no content changed, and in check mode.
  returned: success
  type: str
  sample: ''
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.virtmail.mailserver.plugins.module_utils import _file_set


def suboptions(mode, **others):
    return {
        "path": {"type": "path", "required": True},
        "owner": {"type": "str", "default": "root"},
        "group": {"type": "str", "default": "root"},
        "mode": {"type": "str", "default": mode},
        **others,
    }


SPEC = {
    "directories": {"type": "list", "elements": "dict", "default": [], "options": suboptions("0755")},
    "files": {
        "type": "list",
        "elements": "dict",
        "required": True,
        "no_log": True,  # in the system's log, which would get all of it at each run
        "options": suboptions("0644", content={"type": "str", "required": True}),
    },
    "validate": {"type": "str", "default": ""},
}


def main():
    module = AnsibleModule(SPEC, supports_check_mode=True)
    module.no_log_values.clear()  # the difference is shown
    invocation = {"module_args": {**module.params, "files": [each["path"] for each in module.params["files"]]}}
    try:
        result = _file_set.apply(module, module.params)
    except (_file_set.Refused, OSError) as exc:
        module.fail_json(msg=str(exc), invocation=invocation)
    module.exit_json(**result, invocation=invocation)


if __name__ == "__main__":
    main()
