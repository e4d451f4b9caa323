# SPDX-FileCopyrightText: virtmail.mailserver contributors
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is private to the collection: it may change without notice.

"""Rows from files, one at a time, each with the line where it begins. Faults never show more of a row than its key."""

from __future__ import annotations

import csv
import json
import os
import re
import stat
import tempfile

from ansible.module_utils.basic import missing_required_lib
from ansible.module_utils.common.validation import check_type_bool, check_type_int

from ansible_collections.virtmail.mailserver.plugins.module_utils._connection import MailserverError
from ansible_collections.virtmail.mailserver.plugins.module_utils._entities import (
    ALIAS,
    APP_PASSWORD,
    DOMAIN,
    LISTED_KINDS,
    USER,
    Fault,
)

YAML_IMPORT_ERROR = None
try:
    import yaml
    from yaml.composer import Composer

    if hasattr(yaml, "CSafeLoader"):

        class _Loader(Composer, yaml.CSafeLoader):
            """Parses as fast as C does, and composes no more than it is asked for."""

            def __init__(self, stream):
                yaml.CSafeLoader.__init__(self, stream)
                Composer.__init__(self)

    else:
        _Loader = yaml.SafeLoader

except ImportError as exc:
    yaml = None
    YAML_IMPORT_ERROR = str(exc)

_KINDS = {kind.plural: kind for kind in LISTED_KINDS}
# Those that a column tells apart
_CSV_KINDS = (DOMAIN, USER, ALIAS)
_SPACE = re.compile(r"\s*")


class _Broken(Exception):
    """Why nothing behind this line can be understood."""

    def __init__(self, line, reason):
        super().__init__(reason)
        self.line = line


def read_file(path, name, desired):
    """Add all rows of the file to the desired ones; name is what the messages call it."""
    origin = name.replace("{", "{{").replace("}", "}}") + " line {number} ({given})"
    reader = _READERS.get(os.path.splitext(name)[1].lower())
    if reader is None:
        desired.faults.append(Fault(name, f"the name must end in one of {', '.join(_READERS)}, so that its format is known"))
        return
    try:
        for kind, line, values, reasons in reader(path):
            given, found = _as_options(kind, values)
            desired.add(kind, given, origin, line, [*reasons, *found])
    except _Broken as exc:
        desired.faults.append(Fault(f"{name} line {exc.line}", str(exc)))
    except UnicodeDecodeError:
        desired.faults += [Fault(f"{name} line {line}", "this is not UTF-8") for line in _foreign_lines(path)]
    except OSError as exc:
        desired.faults.append(Fault(name, f"cannot be read: {exc.strerror}"))


def write_file(path, lists, check_mode):
    """Write lists of rows so that read_file reads them, for nobody else to see; tells whether that changes anything."""
    if not path.lower().endswith(".json"):
        raise MailserverError(f"dest {path} must end in .json, which is the format that is written.")
    text = _as_json(lists).encode("utf-8")
    try:
        if _is_written(path, text):
            return False
        if not check_mode:
            with tempfile.NamedTemporaryFile(dir=os.path.dirname(os.path.abspath(path)), prefix=".", delete=False) as stream:
                stream.write(text)
            os.replace(stream.name, path)
    except OSError as exc:
        raise MailserverError(f"dest {path} cannot be written: {exc.strerror}.") from exc
    return True


def _as_json(lists):
    """A line for each row: what has changed since the last export shows in any tool that compares lines."""
    parts = []
    for plural, rows in lists.items():
        lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        parts.append(f'"{plural}": [\n{lines}\n]')
    return "{" + ",\n".join(parts) + "}\n"


def _is_written(path, text):
    try:
        with open(path, "rb") as stream:
            return stat.S_IMODE(os.fstat(stream.fileno()).st_mode) == 0o600 and stream.read() == text
    except FileNotFoundError:
        return False


def _foreign_lines(path):
    with open(path, "rb") as lines:
        for number, line in enumerate(lines, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                yield number


def _as_options(kind, values):
    """A row with all options of its kind, in their types, as Ansible would give it; and what is wrong with it."""
    given, reasons = {**dict.fromkeys(kind.options), "state": "present"}, []
    if not isinstance(values, dict):
        return given, [f"this is no {kind.name}: write {kind.key} and the other options with their values"]
    for option, value in values.items():
        spec = kind.options.get(option)
        if spec is None:
            reasons.append(f"{option} is no option of {_a(kind)}: use {', '.join(kind.options)}")
        elif spec.get("elements") == "dict":
            given[option], found = _app_passwords(option, value)
            reasons += found
        elif value is not None:
            try:
                given[option] = _convert(option, spec, value)
            except (TypeError, ValueError) as exc:
                reasons.append(str(exc))
    return given, reasons


def _a(kind):
    return f"{'an' if kind.name.startswith(('a', 'o')) else 'a'} {kind.name}"


def _app_passwords(option, value):
    if not isinstance(value, (list, type(None))):
        return None, [f"{option} must be a list"]
    apps, reasons = [], []
    for number, each in enumerate(value or ()):
        given, found = _as_options(APP_PASSWORD, each)
        apps.append(given)
        reasons += [f"{option}[{number}]: {reason}" for reason in found]
    return apps, reasons


def _convert(option, spec, value):
    if spec["type"] == "list":
        return _texts(option, value)
    if isinstance(value, (dict, list)):
        raise ValueError(f"{option} must be a single value")
    value = _SCALARS[spec["type"]](option, value)
    if value not in spec.get("choices", (value,)):
        raise ValueError(f"{option} must be one of {', '.join(spec['choices'])}")
    return value


def _text(option, value):
    return value if isinstance(value, str) else str(value)


def _bool(option, value):
    try:
        return check_type_bool(value)
    except TypeError:
        raise ValueError(f"{option} must be true or false") from None


def _int(option, value):
    try:
        return check_type_int(value)
    except TypeError:
        raise ValueError(f"{option} must be a number") from None


_SCALARS = {"str": _text, "bool": _bool, "int": _int}


def _texts(option, value):
    """A list, or texts with spaces or commas between them."""
    if isinstance(value, str):
        return value.replace(",", " ").split()
    if not isinstance(value, list) or any(isinstance(each, (dict, list)) for each in value):
        raise ValueError(f"{option} must be a list of texts")
    return [_text(option, each) for each in value]


def _read_csv(path):
    with open(path, encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines, strict=True)
        header = None
        while True:
            line = reader.line_num + 1
            try:
                cells = next(reader, None)
            except csv.Error as exc:
                if header is None:
                    raise _Broken(line, str(exc)) from exc
                yield kind, line, {}, [f"{exc}: check the quotes"]
                continue
            if cells is None:
                return
            if header is None:
                header = [cell.strip() for cell in cells]
                kind = _kind_of(header, line)
            elif cells:
                yield kind, line, *_cells_as_values(header, cells)


def _cells_as_values(header, cells):
    values = {option: cell for option, cell in zip(header, cells) if cell.strip()}
    if len(cells) == len(header):
        return values, []
    return values, [f"there are {len(cells)} cells, and the header has {len(header)}"]


def _kind_of(header, line):
    kinds = [kind for kind in _CSV_KINDS if kind.key in header]
    if len(kinds) != 1:
        raise _Broken(line, f"the header must have one of the columns {', '.join(kind.key for kind in _CSV_KINDS)}")
    unknown = sorted(set(header) - set(kinds[0].options))
    if unknown:
        raise _Broken(line, f"{', '.join(unknown)}: no option of {_a(kinds[0])}; use {', '.join(kinds[0].options)}")
    if len(set(header)) != len(header):
        raise _Broken(line, "the header has a column twice: keep one")
    return kinds[0]


class _Json:
    """A text of JSON that is taken apart from the front."""

    def __init__(self, text):
        self._text = text
        self._at = 0
        self._line, self._counted = 1, 0

    def line(self):
        """Line of what comes next."""
        self._at = _SPACE.match(self._text, self._at).end()
        self._line += self._text.count("\n", self._counted, self._at)
        self._counted = self._at
        return self._line

    def take(self, sign):
        self.line()
        found = self._text.startswith(sign, self._at)
        self._at += found
        return found

    def expect(self, sign):
        if not self.take(sign):
            raise _Broken(self.line(), f"this is no JSON: {sign} is missing")

    def expect_end(self):
        line = self.line()
        if self._at < len(self._text):
            raise _Broken(line, "this is no JSON: nothing may follow the end of the rows")

    def value(self):
        self.line()
        try:
            value, self._at = _DECODER.raw_decode(self._text, self._at)
        except json.JSONDecodeError as exc:
            raise _Broken(exc.lineno, f"this is no JSON: {exc.msg[:1].lower()}{exc.msg[1:]}") from exc
        return value

    def items(self, start, end):
        """Stops before each item between the two signs."""
        self.expect(start)
        if self.take(end):
            return
        yield
        while not self.take(end):
            self.expect(",")
            yield


_DECODER = json.JSONDecoder()


def _read_json(path):
    with open(path, encoding="utf-8-sig") as stream:
        rest = _Json(stream.read())
    for dummy in rest.items("{", "}"):
        kind = _kind_named(rest.value(), rest.line())
        rest.expect(":")
        for dummy in rest.items("[", "]"):
            line = rest.line()
            yield kind, line, rest.value(), []
    rest.expect_end()


def _kind_named(plural, line):
    kind = _KINDS.get(plural) if isinstance(plural, str) else None
    if kind is None:
        raise _Broken(line, f"the lists in the file must be named {', '.join(_KINDS)}")
    return kind


def _read_yaml(path):
    if yaml is None:
        library = "PyYAML (Debian package python3-yaml)"
        raise MailserverError(missing_required_lib(library, reason=f"to read {os.path.basename(path)}: {YAML_IMPORT_ERROR}"))
    with open(path, encoding="utf-8-sig") as stream:
        try:
            yield from _yaml_rows(_Loader(stream))
        except yaml.MarkedYAMLError as exc:
            raise _Broken((exc.problem_mark or exc.context_mark).line + 1, f"this is no YAML: {exc.problem}") from exc
        except yaml.YAMLError as exc:
            raise _Broken(1, "the file has characters that YAML does not allow") from exc


def _yaml_rows(loader):
    loader.get_event()  # the stream begins
    if loader.check_event(yaml.StreamEndEvent):
        return
    loader.get_event()  # the document begins
    start = loader.get_event()
    if not isinstance(start, yaml.MappingStartEvent):
        raise _Broken(_line(start), f"the file must be a mapping with the lists {', '.join(_KINDS)}")
    while not loader.check_event(yaml.MappingEndEvent):
        name = loader.get_event()
        kind = _kind_named(getattr(name, "value", None), _line(name))
        start = loader.get_event()
        if not isinstance(start, yaml.SequenceStartEvent):
            raise _Broken(_line(start), f"{kind.plural} must be a list")
        while not loader.check_event(yaml.SequenceEndEvent):
            yield kind, _line(loader.peek_event()), *_yaml_row(loader)
        loader.get_event()
    loader.get_event()
    loader.get_event()  # the document ends
    if not loader.check_event(yaml.StreamEndEvent):
        raise _Broken(_line(loader.get_event()), "the file must have one document")


def _yaml_row(loader):
    node = loader.compose_node(None, None)
    try:
        return loader.construct_object(node, deep=True), []
    except yaml.constructor.ConstructorError as exc:
        return {}, [f"line {exc.problem_mark.line + 1}: {exc.problem}"]
    finally:
        loader.constructed_objects.clear()


def _line(event):
    return event.start_mark.line + 1


_READERS = {".csv": _read_csv, ".json": _read_json, ".yaml": _read_yaml, ".yml": _read_yaml}
