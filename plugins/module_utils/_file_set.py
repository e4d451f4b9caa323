# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A set of files that belong together: compared, judged and put in place as one."""

from __future__ import annotations

import contextlib
import os
import pathlib
import shutil
import tempfile

# Whoever the programs that judge run as can read there; all of it is gone after a restart of the host.
STAGING_PARENT = "/run"


class Refused(Exception):
    """Nothing has been touched; the text says why."""


def stored_content(path):
    """What the file holds, as text, or None where there is no file; bytes that are no UTF-8 survive the way back."""
    with contextlib.suppress(FileNotFoundError):
        return pathlib.Path(path).read_bytes().decode(errors="surrogateescape")
    return None


def look_for_duplicates(files):
    names = [os.path.basename(each["path"]) for each in files]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise Refused(f"More than one file has the name {', '.join(twice)}: give each a set of its own, to be judged alone.")


@contextlib.contextmanager
def staged(files):
    """A directory that holds the files by their last names."""
    directory = tempfile.mkdtemp(prefix="file_set-", dir=STAGING_PARENT)
    try:
        os.chmod(directory, 0o755)
        for each in files:
            path = os.path.join(directory, os.path.basename(each["path"]))
            write(path, each["content"])
            os.chmod(path, 0o755 if int(each["mode"], 8) & 0o111 else 0o644)
        yield directory
    finally:
        shutil.rmtree(directory)


def write(path, content):
    pathlib.Path(path).write_bytes(content.encode(errors="surrogateescape"))


def judge(run_command, command, files):
    """What the command says of the files, which it finds in a directory of their own. Refused: it does not take them."""
    look_for_duplicates(files)
    with staged(files) as directory:
        code, stdout, stderr = run_command(command.replace("%s", directory))
        if code != 0:
            said = " ".join((stdout + stderr).replace(f"{directory}/", "").split())
            raise Refused(f"The files are as they were, because '{command.split()[0]}' refuses the new ones: {said}")
    return stdout


def new_file(module, file):
    """The content in a temporary file, from which it gets into its place at once."""
    handle, path = tempfile.mkstemp(dir=module.tmpdir)
    with os.fdopen(handle, "wb") as stream:
        stream.write(file["content"].encode(errors="surrogateescape"))
    if not os.path.exists(file["path"]):
        set_attributes(module, file, path)
    return path


def set_attributes(module, item, path=None):
    """Owner, group and mode. Returns whether they differed; in check mode they stay."""
    wanted = {"path": path or item["path"], "secontext": [None, None, None], "attributes": None}
    return module.set_fs_attributes_if_different({**wanted, **{key: item[key] for key in ("owner", "group", "mode")}}, False)


def make_directory(module, directory):
    """Returns whether something was changed, or would be."""
    missing = not os.path.isdir(directory["path"])
    if missing and module.check_mode:
        return True
    if missing:
        os.makedirs(directory["path"])
    return set_attributes(module, directory) or missing


def apply(module, params):
    """The module's result."""
    files = params["files"]
    before = {each["path"]: stored_content(each["path"]) for each in files}
    new = [each for each in files if before[each["path"]] != each["content"]]
    verdict = ""
    if new and params["validate"] and not module.check_mode:
        verdict = judge(module.run_command, params["validate"], files)

    changed = [each["path"] for each in params["directories"] if make_directory(module, each)]
    if not module.check_mode:
        # All are on the disk before the first gets into its place: a disk that is full harms none.
        for temporary, each in [(new_file(module, each), each) for each in new]:
            module.atomic_move(temporary, each["path"])
            set_attributes(module, each)
    changed += [each["path"] for each in files if each in new or set_attributes(module, each)]
    return {
        "changed": bool(changed),
        "changed_paths": changed,
        "validation": verdict,
        "diff": [
            {
                "before": before[each["path"]] or "",
                "after": each["content"],
                "before_header": each["path"],
                "after_header": each["path"],
            }
            for each in new
        ],
    }
