"""Renames: a document whose file got another path stays the same document, with its id, its history and its vectors."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from uuid import UUID

import psycopg

from ingest.catalog import SourceRecord
from ingest.errors import FileTooLargeError, FileUnreadableError
from ingest.plan import Move, RefreshPlan, match_moves, possible_moves
from ingest.reading import in_thread
from ingest.sources import FoundFile, Source
from ingest.titles import shorten_title, title_from_path
from retrieval.database import Connection, Database, query


async def find_moves(source: Source, plan: RefreshPlan, *, max_bytes: int) -> RefreshPlan:
    """The plan with renamed files told from new ones by their content."""
    hashes: dict[str, bytes] = {}
    for found in possible_moves(plan):
        try:
            hashes[found.path] = await in_thread(_content_hash, source, found, max_bytes)
        except (FileUnreadableError, FileTooLargeError):
            continue  # it is tried again, and its failure reported, when it is its turn
    return match_moves(plan, hashes)


def _content_hash(source: Source, found: FoundFile, max_bytes: int) -> bytes:
    return hashlib.sha256(source.fetch(found, max_bytes=max_bytes)).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What became of moves. `done`: ids of documents that have their new path. `stale`: those among them whose text has
    to be made anew, because their old path was their title, or told the parser what else they are."""

    done: frozenset[UUID]
    stale: frozenset[UUID]


async def move_documents(database: Database, record: SourceRecord, moves: Sequence[Move]) -> Moved:
    """Give documents their new paths, all at once, so that two can exchange theirs.

    A document that another run has moved or published anew, or whose new path another run has just filled, is left as
    it is: what is noted of a file has to be true of the text that is kept of it.
    """
    if not moves:
        return Moved(done=frozenset(), stale=frozenset())
    try:
        async with database.transaction() as connection:
            titles = await _held_titles(connection, record, moves)
            free = _free(moves, titles, await _taken_paths(connection, record, moves))
            keeps_text = {move.document.id: _keeps_text(move, titles[move.document.id]) for move in free}
            await _exchange_paths(connection, record, free, keeps_text)
    except psycopg.errors.UniqueViolation:
        # Another run has published a file at one of the paths since they were looked at.
        return Moved(done=frozenset(), stale=frozenset())
    return Moved(
        done=frozenset(keeps_text),
        stale=frozenset(document_id for document_id, keeps in keeps_text.items() if not keeps),
    )


async def _exchange_paths(
    connection: Connection, record: SourceRecord, moves: Sequence[Move], keeps_text: Mapping[UUID, bool]
) -> None:
    await connection.execute(
        query("catalog.step_aside"), {"source_id": record.id, "paths": [move.found.path for move in moves]}
    )
    await connection.execute(query("catalog.leave_paths"), {"ids": [move.document.id for move in moves]})
    for move in moves:
        await connection.execute(
            query("catalog.arrive"),
            {
                "document_id": move.document.id,
                "path": move.found.path,
                "size_bytes": move.found.size_bytes,
                "mtime_ns": move.found.mtime_ns,
                "keeps_text": keeps_text[move.document.id],
            },
        )


def _free(moves: Sequence[Move], held: Mapping[UUID, str], taken: Mapping[str, UUID]) -> list[Move]:
    """The moves of documents that are held, to paths that no document has but one that leaves it."""
    free = [move for move in moves if move.document.id in held]
    while True:
        leaving = {move.document.id for move in free}
        still = [move for move in free if taken.get(move.found.path, move.document.id) in leaving]
        if len(still) == len(free):
            return free
        free = still


async def _held_titles(
    connection: Connection, record: SourceRecord, moves: Sequence[Move]
) -> Mapping[UUID, str]:
    """Titles of the documents that are still what and where they were known to be, whose rows are held from now on."""
    cursor = await connection.execute(
        query("catalog.lock_moving"),
        {"source_id": record.id, "ids": [move.document.id for move in moves]},
    )
    before = {move.document.id: (move.document.path, move.document.revision) for move in moves}
    return {
        row["id"]: row["title"]
        for row in await cursor.fetchall()
        if before[row["id"]] == (row["path"], row["revision"])
    }


async def _taken_paths(
    connection: Connection, record: SourceRecord, moves: Sequence[Move]
) -> Mapping[str, UUID]:
    cursor = await connection.execute(
        query("catalog.current_at"),
        {"source_id": record.id, "paths": [move.found.path for move in moves]},
    )
    return {row["path"]: row["id"] for row in await cursor.fetchall()}


def _keeps_text(move: Move, title: str) -> bool:
    """Whether the new path makes the same of the file as the old one: some parsers go by a name's extension, and the
    title may be the document's own, or the same from both."""
    before, after = PurePosixPath(move.document.path), PurePosixPath(move.found.path)
    old, new = (shorten_title(title_from_path(str(path))) for path in (before, after))
    return before.suffix.lower() == after.suffix.lower() and (title != old or old == new)
