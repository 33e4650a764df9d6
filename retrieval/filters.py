"""Filters: which documents a search may look at. Who is asking (`Scope`) is one part, what they narrow down to another.

Both become one condition on the table `documents`, which every query of a search contains.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from retrieval.errors import InvalidRequestError
from retrieval.metadata import check_metadata, is_plain
from retrieval.records import Scope

MAX_PATHS = 50
MAX_PATH_CHARACTERS = 1_000
MAX_MEDIA_TYPES = 50

# RFC 6838 (4.2), or a whole family.
_MEDIA_TYPE = re.compile(
    r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/(?:[a-z0-9][a-z0-9!#$&^_.+-]{0,126}|\*)", re.ASCII | re.IGNORECASE
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LEAST, _MOST = -(2**63), 2**63 - 1  # of a bigint


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a caller narrows a search down to; empty parts narrow nothing. A document has to fit every part.

    paths: globs as in `docs/*.md`, of which one has to fit the whole path, relative to its source. `*` stands for
        any characters, slashes too, `?` for one, and everything else for itself; one that ends in a slash takes in the
        whole folder. Upper and lower case differ, as they do in paths. Accented letters fit however they are composed,
        as long as a path is of one kind. Bytes of a name that are not UTF-8 are written %XX in paths.
    media_types: of which one has to be the document's: `text/markdown`, or a family as in `text/*`.
    modified_from, modified_before: aware times; the file's own time of last change lies in [from, before). Of files
        that do not come from a folder that time is not known, and they fit neither.
    metadata: names and the values that the document's metadata have to have, every one of them.

    Raises `InvalidRequestError` for what can fit nothing, or is no such thing.
    """

    paths: tuple[str, ...] = ()
    media_types: tuple[str, ...] = ()
    modified_from: datetime | None = None
    modified_before: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _check_paths(self.paths)
        _check_media_types(self.media_types)
        _check_times(self.modified_from, self.modified_before)
        check_metadata(self.metadata)


def _check_paths(paths: Sequence[str]) -> None:
    if len(paths) > MAX_PATHS:
        raise InvalidRequestError(
            f"there are {len(paths):,} paths to look at; at most {MAX_PATHS} are accepted."
        )
    for path in paths:
        if not 1 <= len(path) <= MAX_PATH_CHARACTERS:
            raise InvalidRequestError(
                f"a path to look at has {len(path):,} characters; it must have between 1 and {MAX_PATH_CHARACTERS:,}."
            )
        if not is_plain(path):
            raise InvalidRequestError(
                f"the path {path[:80]!r} holds a control character or half of one, for which `?` can stand."
            )
        if path.startswith("/"):
            raise InvalidRequestError(
                f"the path {path[:80]!r} begins with a slash; paths are relative to their source: leave it out."
            )


def _check_media_types(media_types: Sequence[str]) -> None:
    if len(media_types) > MAX_MEDIA_TYPES:
        raise InvalidRequestError(
            f"there are {len(media_types):,} media types; at most {MAX_MEDIA_TYPES} are accepted."
        )
    for media_type in media_types:
        if not _MEDIA_TYPE.fullmatch(media_type):
            raise InvalidRequestError(
                f"{media_type[:80]!r} is not a media type. Give one as in application/pdf, or a family as in text/*."
            )


def _check_times(begin: datetime | None, end: datetime | None) -> None:
    for moment in (begin, end):
        if moment is not None and moment.utcoffset() is None:
            raise InvalidRequestError(
                f"the time {moment.isoformat()} has no time zone. Add one: {moment.isoformat()}Z is UTC."
            )
    if begin is not None and end is not None and begin >= end:
        raise InvalidRequestError(
            f"no time lies between {begin.isoformat()} and {end.isoformat()}: the first has to come before the second."
        )


def _path_patterns(globs: Sequence[str]) -> list[str]:
    """Patterns for globs, in both forms of accented letters: which one a path has depends on who named the file."""
    whole = [f"{glob}*" if glob.endswith("/") else glob for glob in globs]
    forms = [
        form for glob in whole for form in (glob, *(unicodedata.normalize(by, glob) for by in ("NFC", "NFD")))
    ]
    return [_like(glob) for glob in dict.fromkeys(forms)]


def _like(glob: str) -> str:
    """A glob as a pattern of LIKE."""
    return escape_like(glob).replace("*", "%").replace("?", "_")


def escape_like(text: str) -> str:
    """A text as a pattern of LIKE that stands for nothing but itself."""
    return text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")


def _nanoseconds(moment: datetime) -> int:
    """Since 1970, as near as a bigint can be: times before 1677 and after 2262 are as early or as late as any."""
    exact = (moment - _EPOCH) // timedelta(microseconds=1) * 1_000
    return max(_LEAST, min(exact, _MOST))


NO_FILTERS = Filters()


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The documents that a search may look at: those that the caller may read and that fit the filters."""

    scope: Scope
    filters: Filters = NO_FILTERS

    @property
    def is_everything(self) -> bool:
        return self.scope.principals is None and self.filters == NO_FILTERS

    def condition(self) -> sql.Composable:
        """The condition on `documents AS d`; its values are in `parameters`."""
        conditions: list[sql.Composable] = []
        if self.scope.principals is not None:
            conditions.append(sql.SQL("d.readers && %(principals)s::text[]"))
        if self.filters.paths:
            conditions.append(sql.SQL("d.path LIKE ANY(%(path_patterns)s::text[])"))
        if self.filters.media_types:
            conditions.append(sql.SQL("lower(d.media_type) LIKE ANY(%(media_type_patterns)s::text[])"))
        if self.filters.modified_from is not None or self.filters.modified_before is not None:
            # Elsewhere the number only tells a file's states apart.
            conditions.append(
                sql.SQL("d.source_id IN (SELECT o.id FROM sources AS o WHERE o.kind = 'folder')")
            )
        if self.filters.modified_from is not None:
            conditions.append(sql.SQL("d.mtime_ns >= %(modified_from)s::bigint"))
        if self.filters.modified_before is not None:
            conditions.append(sql.SQL("d.mtime_ns < %(modified_before)s::bigint"))
        if self.filters.metadata:
            conditions.append(sql.SQL("d.metadata @> %(metadata)s::jsonb"))
        return sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("true")

    def parameters(self) -> dict[str, Any]:
        """The values that `condition` names."""
        values: dict[str, Any] = {}
        if self.scope.principals is not None:
            values["principals"] = sorted(self.scope.principals)
        if self.filters.paths:
            values["path_patterns"] = _path_patterns(self.filters.paths)
        if self.filters.media_types:
            values["media_type_patterns"] = [_like(kind.lower()) for kind in self.filters.media_types]
        if self.filters.modified_from is not None:
            values["modified_from"] = _nanoseconds(self.filters.modified_from)
        if self.filters.modified_before is not None:
            values["modified_before"] = _nanoseconds(self.filters.modified_before)
        if self.filters.metadata:
            values["metadata"] = Jsonb(dict(self.filters.metadata))
        return values
