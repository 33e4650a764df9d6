"""The memory of files that were looked at and not taken in, and why."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

from ingest.sources import FoundFile
from retrieval.database import Database, query

TRIES_WHEN_STOPPED = 3
"""How often a file is tried whose parser had to be stopped, or over which a model's process ended: a machine that was
busy or short of memory may have been the reason, or the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownFailure:
    """What the last run knew of a file that it did not take in.

    outcome: "failed", or "skipped" where there was nothing in it to take in.
    """

    path: str
    outcome: Literal["failed", "skipped"]
    error: str
    retryable: bool
    size_bytes: int
    mtime_ns: int
    recipe: str

    def lasts(self, found: FoundFile, recipe: str) -> bool:
        """Whether the file would end the same way again."""
        return not self.retryable and (self.size_bytes, self.mtime_ns, self.recipe) == (
            found.size_bytes,
            found.mtime_ns,
            recipe,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A file that could not be ingested, and why."""

    collection: str
    location: str
    path: str
    error: str
    retryable: bool
    failed_at: datetime
    attempts: int


async def known_failures(database: Database, source_id: UUID) -> dict[str, KnownFailure]:
    """What is remembered of a source's files that were not taken in, by path."""
    rows = await database.fetch_all(query("failures.known"), {"source_id": source_id})
    return {row["path"]: KnownFailure(**row) for row in rows}


async def record_failure(
    database: Database, source_id: UUID, failure: KnownFailure, *, give_up_after: int | None = None
) -> KnownFailure:
    """Remember a file that was not taken in, and return it as remembered.

    `give_up_after`: it counts as lasting after so many tries of the same file, whatever `failure.retryable` says.
    """
    row = await database.fetch_one(
        query("failures.record"),
        {
            "source_id": source_id,
            "path": failure.path,
            "outcome": failure.outcome,
            "error": failure.error,
            "retryable": failure.retryable,
            "size_bytes": failure.size_bytes,
            "mtime_ns": failure.mtime_ns,
            "recipe": failure.recipe,
            "give_up_after": give_up_after,
        },
    )
    assert row is not None, "an upsert returns its row"
    return KnownFailure(**row)


async def keep_failures(database: Database, source_id: UUID, paths: Collection[str], *, below: str) -> None:
    """Forget what is remembered of a source's files at and below `below`, other than `paths`."""
    await database.execute(
        query("failures.keep"), {"source_id": source_id, "paths": list(paths), "below": below}
    )


async def list_failures(database: Database, *, limit: int = 100) -> list[Failure]:
    """Files that could not be ingested, newest first."""
    return [Failure(**row) for row in await database.fetch_all(query("failures.list"), {"limit": limit})]


async def count_failures(database: Database) -> int:
    """How many files could not be ingested."""
    row = await database.fetch_one(query("failures.count"))
    return 0 if row is None else int(row["n"])
