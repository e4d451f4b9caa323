# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A set of files that belong together: compared, judged and put in place as one."""

from __future__ import annotations

import contextlib
import os
import pathlib
import re
import shutil
import tempfile

# Whoever the programs that judge run as can read there; all of it is gone after a restart of the host.
STAGING_PARENT = "/run"


class Refused(Exception):
    """Nothing has been touched; the text says why."""


def look_at_modes(items):
    for each in items:
        if not re.fullmatch("0[0-7]{3,4}", each["mode"]):
            raise Refused(f"{each['path']}: the mode '{each['mode']}' is no octal number in quotes, such as '0644'.")


def look_at_names(files):
    names = [os.path.basename(each["path"]) for each in files]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refused(f"More than one file has the name {', '.join(twice)}: give each a set of its own, to be judged alone.")


def stored_content(path):
    """The bytes of the file, or None where there is no file."""
    with contextlib.suppress(FileNotFoundError):
        return pathlib.Path(path).read_bytes()
    return None


@contextlib.contextmanager
def staged(files):
    """A directory that holds the files by the last parts of their paths."""
    directory = tempfile.mkdtemp(prefix="file_set-", dir=STAGING_PARENT)
    try:
        os.chmod(directory, 0o755)
        for each in files:
            path = pathlib.Path(directory, os.path.basename(each["path"]))
            path.write_bytes(each["content"].encode())
            path.chmod(int(each["mode"], 8) | 0o444)
        yield directory
    finally:
        shutil.rmtree(directory)


def judge(run_command, command, files):
    """What the command says of the files, which it finds in a directory of their own. Refused: it does not take them."""
    look_at_names(files)
    with staged(files) as directory:
        code, stdout, stderr = run_command(command.replace("%s", directory))
    if code != 0:
        said = " ".join((stdout + stderr).replace(f"{directory}/", "").split())
        raise Refused(f"The files are as they were, because '{command.split()[0]}' refuses the new ones: {said}")
    return stdout


def set_attributes(module, item, path=None):
    """Owner, group and mode. Returns whether they differed; in check mode they stay."""
    wanted = {key: item[key] for key in ("owner", "group", "mode")}
    return module.set_fs_attributes_if_different(
        {"path": path or item["path"], "secontext": [None, None, None], "attributes": None, **wanted}, False
    )


def make_directory(module, directory):
    """Returns whether something was changed, or would be."""
    missing = not os.path.isdir(directory["path"])
    if missing and module.check_mode:
        return True
    if missing:
        make_parents(os.path.dirname(directory["path"]))
        os.mkdir(directory["path"])
    return set_attributes(module, directory) or missing


def make_parents(path):
    """As everybody may pass through them, whatever the umask is."""
    if not os.path.isdir(path):
        make_parents(os.path.dirname(path))
        os.mkdir(path)
        os.chmod(path, 0o755)


@contextlib.contextmanager
def written_beside(module, files):
    """[(temporary file, file)]: complete, on the same file system, so that to put it in place is all that is left to do."""
    pairs = []
    try:
        for each in files:
            handle, temporary = tempfile.mkstemp(prefix=".", dir=os.path.dirname(each["path"]))
            pairs.append((temporary, each))
            with os.fdopen(handle, "wb") as stream:
                stream.write(each["content"].encode())
            set_attributes(module, each, temporary)
        yield pairs
    finally:
        for temporary, dummy in pairs:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)


def put_in_place(module, files):
    with written_beside(module, files) as pairs:
        for temporary, each in pairs:
            os.replace(temporary, each["path"])


def difference(before, file):
    """As Ansible shows it; what is no UTF-8 comes out as question marks."""
    return {
        "before": (before or b"").decode(errors="replace"),
        "after": file["content"],
        "before_header": file["path"],
        "after_header": file["path"],
    }


def apply(module, params):
    """The module's result."""
    files, directories = params["files"], params["directories"]
    look_at_modes(files + directories)
    before = {each["path"]: stored_content(each["path"]) for each in files}
    new = [each for each in files if before[each["path"]] != each["content"].encode()]
    verdict = ""
    if new and params["validate"] and not module.check_mode:
        verdict = judge(module.run_command, params["validate"], files)
    changed = [each["path"] for each in directories if make_directory(module, each)]
    if not module.check_mode:
        put_in_place(module, new)
    changed += [each["path"] for each in files if each in new or set_attributes(module, each)]
    return {
        "changed": bool(changed),
        "changed_paths": changed,
        "validation": verdict,
        "diff": [difference(before[each["path"]], each) for each in new],
    }
