"""Reconciling: whether documents, revisions, places, chunks, vectors and words agree. `mending.py` makes them agree.

Everything in Postgres is read in one snapshot, so that what is published meanwhile is seen whole or not at all. Memory
stays bounded: counting is done in SQL, texts and vectors are walked in batches.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal, LiteralString

from psycopg import sql

from retrieval.database import Connection, Database, query
from retrieval.errors import IndexMissingError, StoreUnavailableError
from retrieval.exactness import Inspected, document_batches, inspect_documents
from retrieval.holdings import Discrepancies, find_discrepancies
from retrieval.indexes import IndexState, active_index, indexes_in_state
from retrieval.listings import LISTING_CHECKS, allow_memory, check_listing
from retrieval.records import Collection
from retrieval.stores import VectorStore

Depth = Literal["quick", "usual", "deep"]
"""quick: what SQL can count. usual: also every text and vector, and the order of postings. deep: also the words of
every chunk, and every vector of a store that has to send it."""

EXAMPLES = 5

# They look at every posting once more, for what makes a search less good and not wrong.
_SLOW_CHECKS = frozenset({"postings_unsorted"})

# By SQL alone, of one collection; each names the documents concerned.
DOCUMENT_CHECKS: tuple[LiteralString, ...] = (
    "document_without_revision",
    "document_without_chunks",
    "revision_superseded",
    "revision_not_superseded",
    "chunk_without_place",
    "chunk_of_removed_document",
    "chunk_in_other_collection",
    "place_without_chunk",
)

_LEFT_BEHIND: tuple[IndexState, ...] = ("building", "retired")

# Of no collection: what a collection or a document has left behind.
STRAY_CHECKS: tuple[LiteralString, ...] = (
    "chunk_without_document",
    "revision_without_document",
    "place_without_document",
    "words_without_chunk",
    "segment_without_collection",
    "table_without_index",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """Something that does not agree. `examples` are paths and ids, a few of `count`; never a document's text.

    is_notice: worth knowing, but nothing that makes an answer wrong or incomplete.
    """

    kind: str
    collection: str | None
    count: int
    examples: tuple[str, ...]
    is_notice: bool = False

    def plus(self, other: Finding) -> Finding:
        """Both, of the same kind and collection, as one."""
        examples = (*self.examples, *other.examples)[:EXAMPLES]
        return replace(self, count=self.count + other.count, examples=examples)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexCounts:
    """How many there are of each.

    vectors: None where the store could not be asked.
    words: the different words of each chunk, all together; each is a posting where the chunk is in a segment.
    """

    documents: int
    revisions: int
    places: int
    chunks: int
    vectors: int | None
    words: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectionState:
    """A collection's index as it was found."""

    counts: IndexCounts
    findings: tuple[Finding, ...]


async def check_collection(
    database: Database, store: VectorStore, collection: Collection, *, depth: Depth = "usual"
) -> CollectionState:
    """Hold a collection's index against itself. That the store is away or has lost the index is a finding, too.

    Raises `DatabaseUnavailableError`, and `ConfigurationError` where the store does not let us in."""
    async with database.snapshot() as connection:
        findings = [
            finding
            for kind in DOCUMENT_CHECKS
            if (finding := await _run(connection, kind, collection)) is not None
        ]
        findings += await _check_listings(connection, collection, depth)
        if depth != "quick":
            findings += await _check_texts(connection, collection, words=depth == "deep")
        vectors, of_indexes = await _check_indexes(database, connection, store, collection, depth)
        counts = await _counts(connection, collection, vectors)
    return CollectionState(counts=counts, findings=(*findings, *of_indexes))


async def check_strays(database: Database) -> tuple[Finding, ...]:
    """What belongs to no collection at all."""
    async with database.snapshot() as connection:
        found = [await _run(connection, kind, None) for kind in STRAY_CHECKS]
    return tuple(finding for finding in found if finding is not None)


async def _run(connection: Connection, kind: LiteralString, collection: Collection | None) -> Finding | None:
    cursor = await connection.execute(
        sql.SQL("SELECT example, count(*) OVER () AS total FROM ({}\n) AS found LIMIT %(examples)s").format(
            sql.SQL(query(f"reconciling.{kind}"))
        ),
        {"collection_id": None if collection is None else collection.id, "examples": EXAMPLES},
    )
    rows = await cursor.fetchall()
    if not rows:
        return None
    return Finding(
        kind=kind,
        collection=None if collection is None else collection.name,
        count=rows[0]["total"],
        examples=tuple(row["example"] for row in rows),
    )


async def _counts(connection: Connection, collection: Collection, vectors: int | None) -> IndexCounts:
    cursor = await connection.execute(query("reconciling.counts"), {"collection_id": collection.id})
    row = await cursor.fetchone()
    assert row is not None, "a count returns a row"
    return IndexCounts(**row, vectors=vectors)


async def _check_listings(connection: Connection, collection: Collection, depth: Depth) -> list[Finding]:
    tally = _Tally(collection.name)
    await allow_memory(connection)
    for kind in LISTING_CHECKS:
        if depth != "quick" or kind not in _SLOW_CHECKS:
            count, examples = await check_listing(connection, kind, collection.id, examples=EXAMPLES)
            tally.count(kind, count, examples)
    return tally.findings()


async def _check_texts(connection: Connection, collection: Collection, *, words: bool) -> list[Finding]:
    tally = _Tally(collection.name)
    async for batch in document_batches(connection, collection.id):
        for inspected in await inspect_documents(connection, batch, words=words):
            _note_flaws(tally, inspected)
    return tally.findings()


def _note_flaws(tally: _Tally, inspected: Inspected) -> None:
    path = inspected.path
    tally.add("place_wrong", [f"{path} (chunk {i})" for i in inspected.misplaced])
    tally.add("chunk_altered", [f"{path} (chunk {i})" for i in inspected.altered])
    tally.add("words_wrong", [f"{path} (chunk {i})" for i in inspected.other_words])
    tally.add("place_gap", [path] if inspected.has_gap else [])
    tally.add("pages_wrong", [path] if inspected.has_bad_pages else [])


async def _check_indexes(
    database: Database, connection: Connection, store: VectorStore, collection: Collection, depth: Depth
) -> tuple[int | None, list[Finding]]:
    """How many vectors the active index has, and what is wrong with it and the others."""
    tally = _Tally(collection.name)
    for state in _LEFT_BEHIND:
        left = await indexes_in_state(connection, collection.id, state)
        tally.add(f"index_{state}", [f"index {index.id} in {index.store}" for index in left], is_notice=True)
    active = await active_index(connection, collection.id)
    vectors: int | None = None
    try:
        if active is None:
            vectors = 0
            cursor = await connection.execute(query("indexes.count_chunks"), {"collection_id": collection.id})
            row = await cursor.fetchone()
            if row is not None and row["chunks"]:
                tally.add("index_missing", [f"no index for {row['chunks']:,} chunks"])
        elif active.store != store.kind:
            tally.add("index_elsewhere", [f"index {active.id} in {active.store}"])
        else:
            # Asked first, because it says whether there is anything to count.
            await store.holdings(active, after=0, limit=1, measured=False, connection=connection)
            vectors = await store.count(active, connection)
            if depth != "quick":
                deep = depth == "deep"
                found = await find_discrepancies(database, connection, store, active, all_measured=deep)
                _note_discrepancies(tally, found)
    except IndexMissingError:
        assert active is not None, "only an index can be missed"
        tally.add("index_missing", [f"index {active.id} in {active.store}"])
    except StoreUnavailableError as exc:
        tally.add("store_unavailable", [str(exc)])
    return vectors, tally.findings()


def _note_discrepancies(tally: _Tally, found: Discrepancies) -> None:
    for kind, chunk_ids in (
        ("vector_missing", found.missing),
        ("vector_without_chunk", found.strays),
        ("vector_wrong", found.wrong),
        ("vector_readers_wrong", found.readers),
    ):
        tally.count(kind, len(chunk_ids), _name(chunk_ids, found.paths))


def _name(chunk_ids: Iterable[int], paths: Mapping[int, str]) -> list[str]:
    first = sorted(chunk_ids, key=lambda i: (i not in paths, i))[:EXAMPLES]
    return [f"{paths[i]} (chunk {i})" if i in paths else f"chunk {i}" for i in first]


class _Tally:
    """Counts findings of a collection by kind and keeps a few examples of each."""

    def __init__(self, collection: str) -> None:
        self._collection = collection
        self._counts: dict[str, int] = {}
        self._examples: dict[str, list[str]] = {}
        self._notices: set[str] = set()

    def add(self, kind: str, examples: Sequence[str], *, is_notice: bool = False) -> None:
        self.count(kind, len(examples), examples)
        if is_notice:
            self._notices.add(kind)

    def count(self, kind: str, number: int, examples: Sequence[str]) -> None:
        if number:
            self._counts[kind] = self._counts.get(kind, 0) + number
            kept = self._examples.setdefault(kind, [])
            kept += examples[: EXAMPLES - len(kept)]

    def findings(self) -> list[Finding]:
        return [
            Finding(
                kind=kind,
                collection=self._collection,
                count=number,
                examples=tuple(self._examples[kind]),
                is_notice=kind in self._notices,
            )
            for kind, number in self._counts.items()
        ]
