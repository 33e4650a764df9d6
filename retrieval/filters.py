"""Filters: which documents a search may look at. Who is asking (`Scope`) is one part, what they narrow down to another.

Both become one condition on the table `documents`, which every query of a search contains.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from retrieval.records import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a caller narrows a search down to; empty parts narrow nothing. A document has to fit every part.

    paths: globs as in `docs/*.md`, of which one has to fit the whole path; `*` also crosses slashes.
    media_types: of which one has to be the document's.
    modified_from, modified_before: aware times; the file's own time of last change lies in [from, before).
    metadata: names and the values that the document's metadata have to have.
    """

    paths: tuple[str, ...] = ()
    media_types: tuple[str, ...] = ()
    modified_from: datetime | None = None
    modified_before: datetime | None = None
    metadata: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The documents that a search may look at: those that the caller may read and that fit the filters."""

    scope: Scope
    filters: Filters = field(default_factory=Filters)

    @property
    def is_everything(self) -> bool:
        return self.scope.principals is None and self.filters == Filters()

    def condition(self) -> sql.Composable:
        """The condition on `documents AS d`; its values are in `parameters`."""
        conditions: list[sql.Composable] = []
        if self.scope.principals is not None:
            conditions.append(sql.SQL("d.readers && %(principals)s::text[]"))
        if self.filters.paths:
            conditions.append(sql.SQL("d.path LIKE ANY(%(path_patterns)s::text[])"))
        if self.filters.media_types:
            conditions.append(sql.SQL("d.media_type = ANY(%(media_types)s::text[])"))
        if self.filters.modified_from is not None:
            conditions.append(sql.SQL("d.mtime_ns >= %(modified_from)s"))
        if self.filters.modified_before is not None:
            conditions.append(sql.SQL("d.mtime_ns < %(modified_before)s"))
        if self.filters.metadata:
            conditions.append(sql.SQL("d.metadata @> %(metadata)s"))
        return sql.SQL(" AND ").join(conditions) if conditions else sql.SQL("true")

    def parameters(self) -> dict[str, Any]:
        """The values that `condition` names."""
        values: dict[str, Any] = {}
        if self.scope.principals is not None:
            values["principals"] = sorted(self.scope.principals)
        if self.filters.paths:
            values["path_patterns"] = [_like(glob) for glob in self.filters.paths]
        if self.filters.media_types:
            values["media_types"] = list(self.filters.media_types)
        if self.filters.modified_from is not None:
            values["modified_from"] = _nanoseconds(self.filters.modified_from)
        if self.filters.modified_before is not None:
            values["modified_before"] = _nanoseconds(self.filters.modified_before)
        if self.filters.metadata:
            values["metadata"] = Jsonb(dict(self.filters.metadata))
        return values


def _like(glob: str) -> str:
    """A glob as a pattern of LIKE."""
    escaped = glob.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return escaped.replace("*", "%").replace("?", "_")


def _nanoseconds(moment: datetime) -> int:
    return int(moment.timestamp() * 1_000_000) * 1_000
