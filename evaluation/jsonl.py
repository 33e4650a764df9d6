"""JSON Lines of evaluation data, gzipped or not: read row by row, with errors that name the file and the line."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from retrieval.errors import FootnoteError

Record = TypeVar("Record")


class EvaluationDataError(FootnoteError):
    """A folder is not an evaluation set, or a file of it is malformed; the message names file, line and remedy."""


class FlawError(Exception):
    """What is wrong with one line, and what to do."""


def id_of(row: Mapping[str, Any], key: str) -> str:
    """A row's id, as text. Raises `FlawError`."""
    value = row.get(key)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise FlawError(f"it has no '{key}'. Give every line an id of its own, a string or a number.")
    return str(value)


def text_of(row: Mapping[str, Any], key: str) -> str:
    """A text that a row has to have. Raises `FlawError`."""
    value = row.get(key)
    if not isinstance(value, str):
        raise FlawError(f"its '{key}' is missing or no text. Give it as a string, if need be an empty one.")
    return value


def read_rows(path: Path, read: Callable[[Mapping[str, Any]], tuple[str, Record]]) -> dict[str, Record]:
    """The records of a JSON Lines file by their ids, in the file's order.

    `read` raises `FlawError` for a row that it cannot use. Raises `EvaluationDataError`.
    """
    records: dict[str, Record] = {}

    def keep(row: Mapping[str, Any]) -> None:
        name, record = read(row)
        if name in records:
            raise FlawError("its id was used on an earlier line. Make the ids unique.")
        records[name] = record

    read_each(path, keep)
    return records


def read_each(path: Path, read: Callable[[Mapping[str, Any]], Record]) -> list[tuple[int, Record]]:
    """The records of a JSON Lines file in its order, with the numbers of their lines.

    `read` raises `FlawError` for a row that it cannot use. Raises `EvaluationDataError`.
    """
    records = []
    for number, line in lines(path):
        try:
            records.append((number, read(_object(line))))
        except FlawError as flaw:
            raise EvaluationDataError(f"line {number} of '{path}': {flaw}") from flaw
    return records


def first_row(path: Path) -> Mapping[str, Any] | None:
    """The first row of a file, None where it has none. Raises `EvaluationDataError`."""
    for number, line in lines(path):
        try:
            return _object(line)
        except FlawError as flaw:
            raise EvaluationDataError(f"line {number} of '{path}': {flaw}") from flaw
    return None


def _object(line: str) -> Mapping[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise FlawError("it is not JSON. Write one JSON object a line.") from error
    if not isinstance(row, dict):
        raise FlawError("it is JSON, but no object. Write one JSON object a line.")
    return row


def lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers, of a file that may be gzipped."""
    number = 0
    try:
        with (
            gzip.open(path, "rt", encoding="utf-8-sig")
            if path.suffix == ".gz"
            else path.open(encoding="utf-8-sig") as text
        ):
            for number, line in enumerate(text, start=1):
                if line.strip():
                    yield number, line
    except UnicodeDecodeError as error:
        raise EvaluationDataError(f"'{path}' is not UTF-8 after line {number}. Store it as UTF-8.") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise EvaluationDataError(
            f"'{path}' cannot be unpacked after line {number}: the gzip file is damaged. Fetch or make it again."
        ) from error
    except OSError as error:
        raise EvaluationDataError(
            f"'{path}' cannot be read: {error.strerror}. Check the file and who may read it."
        ) from error


def wanted_file(folder: Path, name: str) -> Path:
    """A file that a folder has to have. Raises `EvaluationDataError`."""
    found = find_file(folder, name)
    if found is None:
        raise EvaluationDataError(f"'{folder}' has no {name}. Add it, or the same gzipped.")
    return found


def find_file(folder: Path, *names: str) -> Path | None:
    """The first of the files that exists, as it is or gzipped."""
    candidates: Sequence[Path] = [folder / each for name in names for each in (name, f"{name}.gz")]
    return next((path for path in candidates if path.is_file()), None)
