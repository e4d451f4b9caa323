# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""Password files of the database roles, in libpq's pgpass format. The passwords are made and stay on the mail host;
the server gets SCRAM verifiers only."""

from __future__ import annotations

import os
import secrets
import string
import tempfile

from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import MailserverError, connect

PASSWORD_LENGTH = 40


def path_of(directory, role):
    """mail_postfix -> DIRECTORY/postfix.pgpass"""
    return os.path.join(directory, f"{role.removeprefix('mail_')}.pgpass")


def is_current(directory, role, params):
    """Does the file say what it should, password apart?"""
    content = _read(path_of(directory, role))
    password = _password(content)
    return bool(password) and content == _line(role, params, password)


def ensure_file(directory, role, params):
    """Write the file if it is not current, with the password that it holds or a new one; return the password."""
    path = path_of(directory, role)
    content = _read(path)
    password = _password(content) or _new_password()
    line = _line(role, params, password)
    if line != content:
        _write(path, line)
    return password


def can_log_in(directory, role, params):
    """Does the server accept the role with its file?"""
    try:
        connect(_params_of(directory, role, params)).close()
    except MailserverError:
        return False
    return True


def require_login(directory, role, params):
    """Fail with the server's reason if the role cannot log in with its file."""
    connect(_params_of(directory, role, params)).close()


def verifier(connection, role, password):
    """What the server stores for the password, computed here."""
    return connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256").decode()


def _params_of(directory, role, params):
    passfile = {**params["connect_params"], "passfile": path_of(directory, role)}
    return {**params, "login_user": role, "login_password": None, "connect_params": passfile}


def _line(role, params, password):
    host = params["login_host"].replace("\\", "\\\\").replace(":", "\\:")
    return f"{host}:{params['login_port']}:{params['login_db']}:{role}:{password}\n"


def _password(line):
    password = line.rstrip("\n").rpartition(":")[2]
    return password if password.isalnum() else ""


def _new_password():
    return "".join(secrets.choice(string.ascii_letters + string.digits) for _unused in range(PASSWORD_LENGTH))


def _read(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def _write(path, content):
    # mkstemp gives mode 0600 from the first moment
    handle, temporary = tempfile.mkstemp(dir=os.path.dirname(path), prefix=".pgpass-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
