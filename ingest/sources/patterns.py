"""Which files of a source are left out, by their paths alone: the same for every kind of source."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import quote

from pathspec import GitIgnoreSpec

from retrieval.errors import InvalidRequestError

# Postgres indexes paths, and an index entry has to fit a third of a page.
LONGEST_PATH_BYTES = 2_000


def printable_path(path: str) -> str:
    """Return an operating-system path as Unicode, each undecodable byte as %XX."""
    return re.sub("[\udc80-\udcff]", lambda match: f"%{ord(match[0]) - 0xDC00:02X}", path)


def visible_path(path: str) -> str:
    """Return what may be told of a path that somebody else has made up: what is not printed, byte by byte as %XX."""
    return "".join(
        character if character.isprintable() else quote(character.encode("utf-8", "surrogatepass"), safe="")
        for character in path
    )


def is_hidden(path: str) -> bool:
    """Whether a file, or a folder on the way to it, has a name that begins with a dot."""
    return path.startswith(".") or "/." in path


class Patterns:
    """What of a source is taken in. Raises `InvalidRequestError` where a pattern is not one."""

    def __init__(self, *, include: Sequence[str] = (), exclude: Sequence[str] = ()) -> None:
        self._include = _parsed(include) if include else None
        self._exclude = _parsed(exclude)

    def exclude(self, path: str) -> bool:
        """Whether a path is excluded by name; a folder's ends in a slash."""
        return self._exclude.match_file(path)

    def refuse(self, path: str) -> str | None:
        """Why a file of this path is left out, in words for a person; None where it is not."""
        if path.rpartition("/")[2].startswith("~$"):
            return "an office program's lock file"
        if self.exclude(path) or (self._include and not self._include.match_file(path)):
            return "excluded by rule"
        if len(path.encode()) > LONGEST_PATH_BYTES:
            return f"its path has more than {LONGEST_PATH_BYTES:,} bytes"
        return None


def _parsed(lines: Sequence[str]) -> GitIgnoreSpec:
    for line in lines:
        if any("\ud800" <= character <= "\udfff" for character in line):
            raise InvalidRequestError(
                f"the pattern '{printable_path(line)}' has bytes that are not UTF-8. Write such a byte as it is "
                "shown in paths, as %FF."
            )
    try:
        return GitIgnoreSpec.from_lines(lines)
    except (ValueError, re.error) as exc:
        raise InvalidRequestError(
            f"{' or '.join(map(repr, lines))} is not a pattern. Write it as in .gitignore files: '*.md', 'drafts/', "
            "'a/**/b.txt'."
        ) from exc
