"""Whether what is indexed of a document is what its text says: every chunk at its place, every place in order.

The comparison is done here and not in SQL, where `substring` reads a text from its beginning for every chunk: a text of
four megabytes takes two minutes there.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from retrieval.database import Connection, query
from retrieval.publishing import hash_text
from retrieval.records import contextual_text

# Texts that are held in memory at once; a larger one is held alone.
_BYTES_AT_ONCE = 4_000_000
_SIZES_AT_ONCE = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkAtPlace:
    """A chunk as it is stored, where it is said to stand."""

    chunk_id: int
    ordinal: int
    char_start: int
    char_end: int
    headings: Sequence[str]
    text: str
    text_hash: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class CurrentText:
    """A document's current revision."""

    document_id: UUID
    path: str
    title: str
    text: str
    page_starts: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspected:
    """What is wrong with a document, by the ids of the chunks concerned.

    misplaced: the text has something else at their place, or they do not begin and end after the chunk before them.
    altered: their title, headings or text are not those that were embedded.
    other_words: the words that lexical search finds them by are not those of their text; looked for where asked.
    has_gap: places are not numbered 0 to n - 1.
    has_bad_pages: pages do not begin one after the other inside the text.
    contexts: what is embedded of the chunks of `other_words`.
    """

    document_id: UUID
    path: str
    misplaced: tuple[int, ...] = ()
    altered: tuple[int, ...] = ()
    other_words: tuple[int, ...] = ()
    has_gap: bool = False
    has_bad_pages: bool = False
    contexts: tuple[str, ...] = ()

    @property
    def is_sound(self) -> bool:
        return not (self.misplaced or self.altered or self.other_words or self.has_gap or self.has_bad_pages)


def inspect(current: CurrentText, places: Sequence[ChunkAtPlace]) -> Inspected:
    """Compare a text with its chunks, which are given in the order of their ordinals."""
    misplaced: list[int] = []
    altered: list[int] = []
    start_before, end_before = -1, 0
    for place in places:
        # Chunks may overlap, as far as their policy says, but each goes on where the one before it could not.
        follows = place.char_start > start_before and end_before < place.char_end <= len(current.text)
        if not follows or current.text[place.char_start : place.char_end] != place.text:
            misplaced.append(place.chunk_id)
        else:
            start_before, end_before = place.char_start, place.char_end
        if hash_text(contextual_text(current.title, place.headings, place.text)) != place.text_hash:
            altered.append(place.chunk_id)
    starts = list(current.page_starts)
    return Inspected(
        document_id=current.document_id,
        path=current.path,
        misplaced=tuple(dict.fromkeys(misplaced)),
        altered=tuple(dict.fromkeys(altered)),
        has_gap=[place.ordinal for place in places] != list(range(len(places))),
        has_bad_pages=starts != sorted(starts) or any(not 0 <= s <= len(current.text) for s in starts),
    )


async def inspect_documents(
    connection: Connection, document_ids: Sequence[UUID], *, words: bool
) -> list[Inspected]:
    """Those of some documents with which something is wrong. `words`: look for other words, too, which takes longer."""
    cursor = await connection.execute(query("reconciling.texts"), {"document_ids": list(document_ids)})
    texts = [
        CurrentText(
            document_id=row["id"],
            path=row["path"],
            title=row["title"],
            text=row["text"],
            page_starts=row["page_starts"],
        )
        for row in await cursor.fetchall()
    ]
    places = await _places(connection, document_ids)
    found = []
    for current in texts:
        chunks = places.get(current.document_id, [])
        inspected = inspect(current, chunks)
        if words:
            inspected = await _inspect_words(connection, inspected, current, chunks)
        if not inspected.is_sound:
            found.append(inspected)
    return found


async def document_batches(connection: Connection, collection_id: int) -> AsyncIterator[list[UUID]]:
    """The current documents of a collection, in batches whose texts fit into memory together."""
    after: UUID | None = None
    batch: list[UUID] = []
    total = 0
    while True:
        cursor = await connection.execute(
            query("reconciling.document_sizes"),
            {"collection_id": collection_id, "after": after, "limit": _SIZES_AT_ONCE},
        )
        rows = await cursor.fetchall()
        for row in rows:
            if batch and total + row["size_bytes"] > _BYTES_AT_ONCE:
                yield batch
                batch, total = [], 0
            batch.append(row["id"])
            total += row["size_bytes"]
        if len(rows) < _SIZES_AT_ONCE:
            break
        after = rows[-1]["id"]
    if batch:
        yield batch


async def _places(connection: Connection, document_ids: Sequence[UUID]) -> dict[UUID, list[ChunkAtPlace]]:
    cursor = await connection.execute(query("reconciling.places"), {"document_ids": list(document_ids)})
    places: dict[UUID, list[ChunkAtPlace]] = {}
    for row in await cursor.fetchall():
        places.setdefault(row["document_id"], []).append(
            ChunkAtPlace(
                chunk_id=row["chunk_id"],
                ordinal=row["ordinal"],
                char_start=row["char_start"],
                char_end=row["char_end"],
                headings=row["headings"],
                text=row["text"],
                text_hash=bytes(row["text_hash"]),
            )
        )
    return places


async def _inspect_words(
    connection: Connection, inspected: Inspected, current: CurrentText, chunks: Sequence[ChunkAtPlace]
) -> Inspected:
    """The same with chunks whose words are not those of their text, save those that are altered anyway."""
    contexts = {
        chunk.chunk_id: contextual_text(current.title, chunk.headings, chunk.text)
        for chunk in chunks
        if chunk.chunk_id not in inspected.altered
    }
    cursor = await connection.execute(
        query("listings.other_words"), {"chunk_ids": list(contexts), "texts": list(contexts.values())}
    )
    other = sorted(row["id"] for row in await cursor.fetchall())
    return replace(inspected, other_words=tuple(other), contexts=tuple(contexts[i] for i in other))
