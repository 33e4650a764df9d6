"""Uploads: files that come over HTTP are put into a folder of their collection, which is a source like any other.

There is one road into the index: an upload ends with its source being due, and whoever refreshes sources takes the file
in. What is said of the document (readers, metadata) is written down before its file lies in the folder, so that no
refresh can open it to others; a file without a document's row is for nobody.

A path that is taken by what the uploader may not see is taken in a further folder (a layer) of the same collection:
neither is the hidden document replaced nor does its path show.
"""

from __future__ import annotations

import asyncio
import mimetypes
import os
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, LiteralString
from uuid import UUID, uuid4

from psycopg.types.json import Jsonb

from ingest.granting import interim_readers
from retrieval.collections import ensure_collection
from retrieval.database import Connection, Database, query
from retrieval.errors import FootnoteError, InvalidRequestError, NotFoundError
from retrieval.indexes import active_index
from retrieval.metadata import check_metadata
from retrieval.readers import set_own_readers, take_from_copy
from retrieval.records import Collection, Scope
from retrieval.stores import Index, VectorStore
from service.settings import Settings

_INCOMING = ".incoming"
_LEFT_BEHIND_S = 86_400
"""Not written to for so long, a file is coming in no more: whoever received it has ended."""
_MAX_LAYERS = 1_000
_STEP_NS = 20_000_000
"""In what steps file systems keep times, at most (`ingest/sources/folder.py`)."""


class NoRoomError(FootnoteError):
    """The disk has no room for a file."""

    retryable = True


class WrongFileError(FootnoteError):
    """A file is not one that could be taken in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A file that has come in whole, and lies aside. `path` has been checked (`service/upload_paths.py`)."""

    path: str
    lies_at: Path
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What an uploader says of documents; None keeps what was said before, or takes what the settings say."""

    readers: tuple[str, ...] | None = None
    metadata: Mapping[str, str] | None = None


def uploads_folder(settings: Settings) -> Path:
    """Where uploaded files lie: <collection>/<layer>/<path>."""
    return settings.uploads.folder or settings.home / "uploads"


def incoming_file(settings: Settings) -> Path:
    """A new place for a file that is coming in, on the file system on which it will stay.

    Files that processes which were killed have left there are removed.
    """
    folder = uploads_folder(settings) / _INCOMING
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for file in folder.iterdir():
        with suppress(FileNotFoundError):  # it has just come in
            if file.stat().st_mtime < time.time() - _LEFT_BEHIND_S:
                file.unlink()
    return folder / uuid4().hex


def check_readers(readers: Sequence[str], scope: Scope) -> None:
    """Raise `InvalidRequestError` unless whoever says who may read a document is among them."""
    if scope.principals is not None and not scope.principals & set(readers):
        raise InvalidRequestError(
            "none of these readers is you: you could not see the document. Add public, or a user or group that "
            "your key counts as."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Uploads:
    """Takes files that came in to where they stay."""

    settings: Settings
    database: Database
    store: VectorStore

    async def keep(
        self, files: Sequence[Incoming], *, collection: str, said: Said, scope: Scope, caller_id: UUID
    ) -> list[UUID]:
        """Put files into a collection, which is made where there is none; returns their documents, in their order.

        Raises `InvalidRequestError`, `NotFoundError`, `NoRoomError`; each file is kept whole or not at all.
        """
        if not scope.has_collection(collection):
            raise NotFoundError(
                f"there is no collection {collection[:80]!r}, or nothing in it that the caller may read."
            )
        check_metadata(said.metadata or {})
        if said.readers is not None:
            check_readers(said.readers, scope)
        found = await ensure_collection(self.database, collection)
        return [await self._keep(file, found, said, scope, caller_id) for file in files]

    async def _keep(
        self, file: Incoming, collection: Collection, said: Said, scope: Scope, caller_id: UUID
    ) -> UUID:
        former: tuple[str, ...] | None = None
        async with self.database.transaction() as connection:
            await connection.execute(query("uploads.one_at_a_time"), {"collection_id": collection.id})
            place = await self._find_place(connection, file, collection, scope)
            index = await active_index(connection, collection.id)
            if place.document_id is None:
                check_readers(said.readers or self.settings.ingest.readers, scope)
                document_id = await self._reserve(connection, place, file, said)
            else:
                document_id = place.document_id
                former = await self._renew(connection, index, document_id, said)
            before = await _fetch(connection, query("uploads.known"), {"document_id": document_id})
            mtime_ns = await asyncio.to_thread(
                _move, file.lies_at, place.root / file.path, 0 if before is None else before["mtime_ns"]
            )
            await connection.execute(
                query("uploads.note"),
                {
                    "document_id": document_id,
                    "size_bytes": file.size_bytes,
                    "mtime_ns": mtime_ns,
                    "uploaded_by": caller_id,
                },
            )
            await connection.execute(query("schedule.mark_due"), {"source_id": place.source_id})
        if former is not None and index is not None and said.readers is not None:
            await take_from_copy(
                self.database,
                self.store,
                index,
                document_id,
                former=former,
                readers=interim_readers(former, said.readers),
            )
        return document_id

    async def _find_place(
        self, connection: Connection, file: Incoming, collection: Collection, scope: Scope
    ) -> _Place:
        """The document that the caller sees at the path; else the first layer in which the path is free."""
        cursor = await connection.execute(
            query("uploads.in_the_way"),
            {
                "collection_id": collection.id,
                "path": file.path,
                "principals": None if scope.principals is None else sorted(scope.principals),
            },
        )
        rows = await cursor.fetchall()
        same = [row for row in rows if row["path"] == file.path and row["is_visible"]]
        taken = {row["layer"] for row in rows}
        home = uploads_folder(self.settings) / collection.name
        for layer in [same[0]["layer"]] if same else range(_MAX_LAYERS):
            root = home / str(layer)
            if same or (layer not in taken and await asyncio.to_thread(_is_free, root, root / file.path)):
                source = await _fetch(
                    connection,
                    query("uploads.ensure_source"),
                    {"collection_id": collection.id, "location": str(root), "layer": layer},
                )
                assert source is not None, "an upsert returns its row"
                return _Place(
                    source_id=source["id"],
                    collection_id=collection.id,
                    root=root,
                    document_id=same[0]["id"] if same else None,
                )
        raise InvalidRequestError(f"the path '{file.path[:80]}' cannot be kept: choose another.")

    async def _reserve(self, connection: Connection, place: _Place, file: Incoming, said: Said) -> UUID:
        row = await _fetch(
            connection,
            query("uploads.reserve"),
            {
                "collection_id": place.collection_id,
                "source_id": place.source_id,
                "path": file.path,
                "media_type": mimetypes.guess_type(file.path)[0] or "application/octet-stream",
                "readers": list(said.readers or self.settings.ingest.readers),
                "metadata": Jsonb(dict(said.metadata or {})),
            },
        )
        assert row is not None, "an insert returns its row"
        document_id: UUID = row["id"]
        return document_id

    async def _renew(
        self, connection: Connection, index: Index | None, document_id: UUID, said: Said
    ) -> tuple[str, ...]:
        """What is said of a document holds for the file that comes; what the index has of it goes to nobody new."""
        row = await _fetch(
            connection,
            query("uploads.renew"),
            {
                "document_id": document_id,
                "metadata": None if said.metadata is None else Jsonb(dict(said.metadata)),
            },
        )
        assert row is not None, "the document was found, and uploads come one at a time"
        former = tuple(row["readers"])
        if said.readers is None:
            return former
        until_then = interim_readers(former, said.readers)
        if index is None:
            await connection.execute(
                query("readers.set_own"),
                {"document_id": document_id, "own": list(said.readers), "readers": list(until_then)},
            )
        else:
            await set_own_readers(
                connection, self.store, index, document_id, said.readers, readers=until_then
            )
        return former


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    source_id: UUID
    collection_id: int
    root: Path
    document_id: UUID | None


async def _fetch(
    connection: Connection, statement: LiteralString, parameters: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    cursor = await connection.execute(statement, parameters)
    return await cursor.fetchone()


def _is_free(root: Path, file: Path) -> bool:
    """Whether a file that no document knows of, or a folder of such, is not in the way."""
    if os.path.lexists(file):
        return False
    return all(
        parent.is_dir() for parent in file.parents if parent.is_relative_to(root) and os.path.lexists(parent)
    )


def _move(incoming: Path, file: Path, former_mtime_ns: int) -> int:
    """Put a file where it stays, durably, in one step for whoever reads there; returns its time, which is never that of
    the file before."""
    status = incoming.stat()
    mtime_ns = max(status.st_mtime_ns, former_mtime_ns + _STEP_NS)
    if mtime_ns != status.st_mtime_ns:
        os.utime(incoming, ns=(status.st_atime_ns, mtime_ns))
        mtime_ns = incoming.stat().st_mtime_ns  # as the file system keeps it
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    incoming.replace(file)
    descriptor = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return mtime_ns


async def remove_file(database: Database, document_id: UUID) -> bool:
    """Remove the file of a document that was uploaded, and have its source looked at again; False where it is of
    another source, whose files are not ours."""
    row = await database.fetch_one(query("uploads.file"), {"document_id": document_id})
    if row is None:
        return False
    await asyncio.to_thread(_unlink, Path(row["location"]), row["path"])
    await database.execute(query("schedule.mark_due"), {"source_id": row["source_id"]})
    return True


def _unlink(root: Path, path: str) -> None:
    (root / path).unlink(missing_ok=True)
    for folder in PurePosixPath(path).parents:
        with suppress(OSError):  # it is not empty, or another upload has just used it
            if str(folder) != ".":
                (root / folder).rmdir()
