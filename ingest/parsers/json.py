"""JSON, and JSON by the line (NDJSON, JSONL).

The text is written anew, one value a line behind its path ("address.city: New York"): escapes are decoded, so that the
words are found; each line says what it is about wherever a chunk begins; and minified files read like all others. Every
record of a list, and every line of NDJSON, is a block, and a long string is a paragraph. Numbers stay as they are
written. What is not valid JSON (cut off, with comments) is taken as it stands, and a note says so.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from types import MappingProxyType
from typing import Any

from ingest.errors import NoTextError
from ingest.parsers import ParsedDocument
from ingest.parsers.code import code_blocks
from ingest.parsers.encoding import read_text
from ingest.parsers.machine_text import note_on_blobs, refuse_lock_file, without_blobs, without_machine_lines
from ingest.parsers.text import TextBuilder, has_visible_text, one_line, stated_title
from ingest.parsers.value_paths import value_path

_MEDIA_TYPE = "application/json"
_LONG_STRING = 200
_LONGEST_LIST = 200
_MOST_NUMBERS = 50
_MOST_CHARACTERS = 50_000_000
_FULL_BLOCK = 600
"""Characters after which a block ends where an object or list does."""
_WIDE_GAP = re.compile(r"(?<=\S)[^\S\n]{2,}")
_BY_LINE = frozenset({".ndjson", ".jsonl"})


_CONSTANTS: Mapping[Any, str] = MappingProxyType({None: "null", True: "true", False: "false"})


class _Number(str):
    """A number as the file writes it: neither rounded nor too long to convert."""

    __slots__ = ()


class _Broken(str):
    """A line among lines of JSON that is none."""

    __slots__ = ()


class JsonParser:
    """Reads JSON and NDJSON."""

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse a JSON file; raises `ParseError` if it is empty, or binary, `NoTextError` if it holds no value."""
        refuse_lock_file(file_name)
        source = read_text(content, file_name=file_name)
        by_line = PurePath(file_name).suffix.lower() in _BY_LINE
        reason = ""
        for read in (_records_by_line, _whole) if by_line else (_whole, _records_by_line):
            try:
                value = read(source)
            except json.JSONDecodeError as exc:
                reason = reason or f"is not valid JSON (line {exc.lineno:,}: {exc.msg})"
            except RecursionError:
                reason = reason or "is nested too deeply to be read as JSON"
            else:
                return _written(value, file_name=file_name)
        text, notes = without_machine_lines(source, file_name=file_name)
        return ParsedDocument(
            text=text,
            blocks=tuple(code_blocks(text)),
            media_type=_MEDIA_TYPE,
            notes=(f"{file_name} {reason}; it is taken as it stands", *notes),
        )


def _whole(source: str) -> Any:
    """The value of a document. An object is the tuple of its pairs, so that a name that stands twice loses nothing."""
    return json.loads(
        source, object_pairs_hook=tuple, parse_int=_Number, parse_float=_Number, parse_constant=_Number
    )


def _records_by_line(source: str) -> list[Any]:
    """The values of lines of JSON, those that are none as they stand; raises where most are none."""
    records: list[Any] = []
    first_error: json.JSONDecodeError | None = None
    broken = 0
    for number, line in enumerate(source.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = _whole(line)
        except json.JSONDecodeError as exc:
            first_error = first_error or json.JSONDecodeError(exc.msg, "\n" * number, number - 1)
            broken += 1
            value = _Broken(line)
        records.append(value)
    if first_error is not None and 2 * broken > len(records):
        raise first_error
    return records


def _written(value: Any, *, file_name: str) -> ParsedDocument:
    if value is None or value in ("", [], ()):
        raise NoTextError(f"{file_name} contains no text")
    writer = _Writer()
    writer.write(value)
    broken = sum(isinstance(item, _Broken) for item in value) if isinstance(value, list) else 0
    if broken:
        writer.notes.append(f"lines that are not valid JSON stand as they are ({broken:,} of them)")
    title = next((item for name, item in value if name == "title"), None) if _is_object(value) else None
    parsed = writer.builder.build(
        title=stated_title(title) if isinstance(title, str) else None,
        media_type=_MEDIA_TYPE,
        notes=(
            *(f"{file_name}: {note}" for note in writer.notes),
            *note_on_blobs(writer.blobs, file_name=file_name),
        ),
    )
    if not has_visible_text(parsed.text):
        raise NoTextError(f"{file_name} contains no text")
    return parsed


@dataclass(frozen=True, slots=True)
class _Open:
    """An object or list being written: what is left of it, and whether it is a list, or a record in one."""

    members: Iterator[tuple[str, Any]]
    is_list: bool
    is_record: bool = False


class _Writer:
    """Writes values as lines, without recursion."""

    def __init__(self) -> None:
        self.builder = TextBuilder()
        self.blobs = 0
        self.notes: list[str] = []
        self._lines: list[str] = []
        self._waiting = 0
        self._written = 0
        self._cut_lists = 0

    def write(self, root: Any) -> None:
        """Write a whole document."""
        open_values = [_Open(iter([("", root)]), is_list=True)]
        while open_values and self._written <= _MOST_CHARACTERS:
            around = open_values[-1]
            member = next(around.members, None)
            if member is None:
                open_values.pop()
                self._flush(at_least=1 if around.is_record else _FULL_BLOCK)
                continue
            path, value = member
            line = _short(value)
            if line is None:
                line = self._numbers(value)
            if line is not None:
                self._line(path, line)
            elif isinstance(value, str):
                self._long_string(path, value)
            else:
                is_record = around.is_list and _is_object(value)
                self._flush(at_least=1 if is_record else _FULL_BLOCK)
                open_values.append(_Open(_members(path, value), isinstance(value, list), is_record))
        self._flush(at_least=1)
        if self._cut_lists:
            self.notes.append(
                f"long lists of numbers are cut after {_MOST_NUMBERS} ({self._cut_lists:,} of them)"
            )
        if self._written > _MOST_CHARACTERS:
            self.notes.append(f"only its first {_MOST_CHARACTERS:,} characters are kept")

    def _line(self, path: str, value: str) -> None:
        line = f"{path}: {value}" if path else value
        self._lines.append(line)
        self._waiting += len(line) + 1
        self._written += len(line) + 1

    def _long_string(self, path: str, value: str) -> None:
        self._flush(at_least=1)
        value, blobs = without_blobs(_WIDE_GAP.sub(" ", value.strip()))
        self.blobs += blobs
        self._written += len(path) + len(value)
        self.builder.append("paragraph", f"{path}: {value}" if path else value)

    def _numbers(self, value: Any) -> str | None:
        """The first numbers of a list that holds numbers alone, or lists of them; None if a value is none."""
        if not isinstance(value, list) or not value or not isinstance(_first_leaf(value), _Number):
            return None
        numbers = _leaves(value)
        if not all(isinstance(leaf, _Number) for leaf in numbers):
            return None
        if len(numbers) > _MOST_NUMBERS:
            self._cut_lists += 1
            return f"{', '.join(numbers[:_MOST_NUMBERS])} … ({len(numbers):,} numbers)"
        return ", ".join(numbers)

    def _flush(self, *, at_least: int) -> None:
        """End the block of lines if it has so many characters."""
        if self._waiting >= at_least:
            self.builder.append("code", "\n".join(self._lines))
            self._lines.clear()
            self._waiting = 0


def _is_object(value: Any) -> bool:
    return isinstance(value, tuple)


def _members(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    """Each member of an object or list with its path; those of a list that is the whole document need none."""
    if isinstance(value, list):
        return ((f"{path}[{index}]" if path else "", item) for index, item in enumerate(value))
    return ((value_path(path, name), item) for name, item in value)


def _short(value: Any) -> str | None:
    """A value that has no parts, or few, in one line; None for one that takes more."""
    if value == []:
        return "[]"
    if isinstance(value, list):
        parts = [_short(item) for item in value[: _LONGEST_LIST + 1] if isinstance(item, str) or item is None]
        if len(parts) < len(value) or None in parts:
            return None
        line = ", ".join(part for part in parts if part is not None)
        return line if len(line) <= _LONGEST_LIST else None
    if isinstance(value, str):
        is_long = len(value) > _LONG_STRING or "\n" in value.strip()
        return None if is_long else one_line(value) or '""'
    if value == ():
        return "{}"
    return _CONSTANTS.get(value) if not isinstance(value, tuple) else None


def _first_leaf(value: Any) -> Any:
    while isinstance(value, list) and value:
        value = value[0]
    return value


def _leaves(value: list[Any]) -> list[Any]:
    """All that stands in a list and the lists inside it, in order."""
    leaves: list[Any] = []
    waiting: list[Iterator[Any]] = [iter(value)]
    while waiting:
        for item in waiting[-1]:
            if isinstance(item, list):
                waiting.append(iter(item))
                break
            leaves.append(item)
        else:
            waiting.pop()
    return leaves
