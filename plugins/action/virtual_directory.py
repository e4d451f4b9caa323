# SPDX-FileCopyrightText: virtmail.mailserver contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Brings the files that virtual_directory reads from the controller to the managed host, and takes them away again."""

from __future__ import annotations

import os

from ansible.errors import AnsibleActionFail, AnsibleError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase


class ActionModule(ActionBase):
    TRANSFERS_FILES = True
    _supports_async = True

    def run(self, tmp=None, task_vars=None):
        super().run(tmp, task_vars)
        args = dict(self._task.args)
        wrap_async = self._task.async_val and not self._connection.has_native_async
        is_handed_over, names = False, {}
        try:
            if args.get("src") and not boolean(args.get("remote_src", False), strict=False):
                names = self._transfer(args["src"])
                args.update(src=list(names), remote_src=True)
            is_handed_over = wrap_async  # an asynchronous run takes its directory away itself
            result = self._execute_module(
                module_name="virtmail.mailserver.virtual_directory",
                module_args=args,
                task_vars=task_vars,
                wrap_async=wrap_async,
            )
            return _with_names_of_the_caller(result, names)
        finally:
            if not is_handed_over:
                self._remove_tmp_path(self._connection._shell.tmpdir)

    def _transfer(self, paths):
        """Copy the files, readable for none but the user of the module; returns {path there: path here}."""
        paths = [paths] if isinstance(paths, str) else paths
        tmp = self._connection._shell.tmpdir
        names = {}
        for number, path in enumerate(paths):
            there = self._connection._shell.join_path(tmp, f"{number}-{os.path.basename(path)}")
            try:
                # Decrypts what ansible-vault has encrypted
                here = self._loader.get_real_file(self._find_needle("files", path))
            except AnsibleError as exc:
                raise AnsibleActionFail(f"src: {exc}") from exc
            self._transfer_file(here, there)
            names[there] = path
        self._remote_chmod(list(names), "0600")
        self._fixup_perms2([tmp, *names], execute=False)
        return names


def _with_names_of_the_caller(result, names):
    """The module knows only the copies."""
    if names and "msg" in result:
        result.pop("exception", None)  # Ansible would show this copy of the message instead
        for there, here in names.items():
            result["msg"] = result["msg"].replace(there, here)
    return result
