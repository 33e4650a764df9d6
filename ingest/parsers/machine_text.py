"""Text that programs wrote for programs: lock files, minified code, data in base64. It answers no question, and each
megabyte of it would cost the embedding of a thousand pages."""

from __future__ import annotations

import re
from pathlib import PurePath

from ingest.errors import NoTextError

_LOCK_FILES = frozenset(
    {"conda-lock.yml", "npm-shrinkwrap.json", "package-lock.json", "packages.lock.json", "pnpm-lock.yaml"}
)
"""Those whose extension a parser reads: "poetry.lock" and its like have none."""
_LONGEST_LINE = 5000
_LEAST_SPACE = 0.05
"""Share of white space below which a long line is for machines. Of 418 lines of over 2,000 characters in the packages
of a Python and a Node installation, minified code, tables of code points and escaped bytes had up to .04, code and
prose at least .065."""
_KEPT = 200
_LEAST_READABLE = 0.1
_LONGEST_WORD = 1000
_KEPT_OF_A_WORD = 60
_WORD = re.compile(rf"[!-~]{{{_LONGEST_WORD + 1},}}")


def refuse_lock_file(file_name: str) -> None:
    """Raise `NoTextError` for a file in which a package manager keeps what it chose."""
    if PurePath(file_name).name.lower() in _LOCK_FILES:
        raise NoTextError(f"{file_name} is a lock file, written by a package manager for itself")


def without_machine_lines(text: str, *, file_name: str) -> tuple[str, tuple[str, ...]]:
    """`text` with only the beginning of each long line that was written for machines, and a note if there are any.

    Raises `NoTextError` where that leaves next to nothing.
    """
    lines = text.split("\n")
    long = [index for index, line in enumerate(lines) if len(line) > _LONGEST_LINE and _is_for_machines(line)]
    if not long:
        return text, ()
    for index in long:
        lines[index] = lines[index][:_KEPT] + " …"
    shortened = "\n".join(lines)
    if len(shortened) < len(text) * _LEAST_READABLE:
        raise NoTextError(
            f"{file_name} is minified or generated: it is written for machines, not for readers"
        )
    note = f"{file_name}: only the beginning is kept of {_counted(len(long), 'long line')} of data or minified code"
    return shortened, (note,)


def without_blobs(text: str) -> tuple[str, int]:
    """`text` with only the beginning of each word of ASCII that is too long for a reader, such as a picture in base64;
    and how many there are."""
    return _WORD.subn(lambda found: f"{found[0][:_KEPT_OF_A_WORD]}… ({len(found[0]):,} characters)", text)


def note_on_blobs(count: int, *, file_name: str) -> tuple[str, ...]:
    """What there is to say of `count` words that were shortened."""
    if not count:
        return ()
    words = _counted(count, "endless word")
    return (f"{file_name}: only the beginning is kept of {words}, such as a picture in base64",)


def _counted(count: int, noun: str) -> str:
    return f"one {noun}" if count == 1 else f"{count:,} {noun}s"


def _is_for_machines(line: str) -> bool:
    return sum(map(str.isspace, line)) < len(line) * _LEAST_SPACE and not _is_wide_script(line)


def _is_wide_script(line: str) -> bool:
    """Whether most of a line is in a script that sets no spaces between words (Chinese, Japanese, Thai, …)."""
    return sum(character > "\u0e00" for character in line) * 2 > len(line)
