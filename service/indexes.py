"""Indexes as an operator handles them: build anew and switch, list, let answer again, give up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

from retrieval.batching import EmbeddingBatcher
from retrieval.collections import find_collection
from retrieval.comparing import Comparison, QueryEmbedder, Side, compare_indexes
from retrieval.database import Database
from retrieval.dropping import drop_index
from retrieval.embedders import load_embedder
from retrieval.errors import (
    ExtraMissingError,
    IndexMissingError,
    ModelError,
    StoreUnavailableError,
    WeightsError,
)
from retrieval.filling import Progress
from retrieval.indexes import IndexRecord, find_index, index_records, indexes_to_oneself, store_of
from retrieval.records import Collection
from retrieval.reindexing import KEPT, Rebuilt, rebuild_index
from retrieval.sameness import check_same_model
from retrieval.stores import Index, VectorStore, load_store
from retrieval.switching import Activated, activate_index
from service.intake import Intake
from service.outside import check_embedder_allowed, may_see
from service.settings import Settings
from service.specs import embedder_spec, store_spec

Tell = Callable[[str], None]

_CHECKED_AT_ONCE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """On what terms a new index may take the former one's place.

    sample: how many chunks the two are compared on. questions: what else is asked of both.
    min_neighbours, min_found: the least that `Comparison.neighbours` and `Comparison.found` have to be.
    switch: False to build and compare only. keep: how many former indexes stay.
    """

    sample: int = 200
    questions: tuple[str, ...] = ()
    min_neighbours: float | None = None
    min_found: float | None = None
    switch: bool = True
    keep: int = KEPT


@dataclass(frozen=True, slots=True, kw_only=True)
class Reindexed:
    """What became of a collection's index. `refusal`: which of the terms the new one did not meet."""

    rebuilt: Rebuilt
    comparison: Comparison
    compared_with: Index | None
    refusal: str | None


async def reindex(
    intake: Intake, collection: str, *, configured: Settings, terms: Terms, tell: Tell, progress: Progress
) -> Reindexed:
    """Build a collection's index anew with the embedder and store of `intake`, compare it, and switch to it.

    `configured`: the settings that other processes run under, whose embedder may be the former one. Raises what
    `rebuild_index` and `compare_indexes` raise.
    """
    seen: list[tuple[Comparison, Index | None, str | None]] = []

    async def approve(new: Index, former: Index | None) -> bool:
        tell(f"comparing on {terms.sample:,} chunks")
        async with _former_embedder(former, found, intake, configured, tell) as embedder:
            comparison = await _compare(intake, new, former, embedder, terms)
        refusal = refusal_of(comparison, terms)
        seen.append((comparison, former, refusal))
        return terms.switch and refusal is None

    found = await find_collection(intake.database, collection)
    check_embedder_allowed(intake.settings, found)
    rebuilt = await rebuild_index(
        intake.database,
        intake.store,
        found,
        intake.embedder.identity,
        intake.embedding,
        progress=progress,
        approve=approve,
        keep=terms.keep,
    )
    comparison, former, refusal = seen[0]
    return Reindexed(rebuilt=rebuilt, comparison=comparison, compared_with=former, refusal=refusal)


async def _compare(
    intake: Intake, new: Index, former: Index | None, embedder: QueryEmbedder | None, terms: Terms
) -> Comparison:
    side: Side | None = None
    if former is not None and (store := store_of(former, intake.store)) is not None:
        side = Side(index=former, store=store, embedder=embedder)
    comparison = await compare_indexes(
        intake.database,
        Side(index=new, store=intake.store, embedder=intake.embedding),
        side,
        sample=terms.sample,
        questions=terms.questions,
    )
    if former is not None and side is None:
        missing = (
            f"index {former.id} keeps its vectors in {former.store}; the configured store is {new.store}."
        )
        return replace(comparison, missing=missing)
    return comparison


@asynccontextmanager
async def _former_embedder(
    former: Index | None, collection: Collection, intake: Intake, configured: Settings, tell: Tell
) -> AsyncIterator[QueryEmbedder | None]:
    """The embedder of the former index, where it is the new one's too, or the configured one; else None."""
    if former is None or former.embedder_hash == intake.embedder.identity.digest():
        yield None if former is None else intake.embedding
        return
    if configured.embedder == intake.settings.embedder or not may_see(configured.embedder, collection):
        yield None
        return
    try:
        spec = await asyncio.to_thread(embedder_spec, configured, tell, deferred=True)
        embedder = await asyncio.to_thread(load_embedder, spec)
    except (ExtraMissingError, WeightsError, ModelError) as exc:
        tell(f"searches cannot be compared, for the configured embedder cannot be loaded: {exc}")
        yield None
        return
    try:
        if embedder.identity.digest() != former.embedder_hash:
            yield None
            return
        async with EmbeddingBatcher(embedder) as batcher:
            yield batcher
    finally:
        embedder.close()


async def check_same_models(intake: Intake, tell: Tell) -> None:
    """Look whether the embedder still makes the vectors of the indexes that answer and were built with it.

    Raises `IndexMismatchError` where it does not, and `ModelError`.
    """
    ours = (intake.embedder.identity.digest(), intake.store.kind)
    records = [
        record
        for record in await index_records(intake.database)
        if record.state == "active"
        and (record.index.embedder_hash, record.index.store) == ours
        and may_see(intake.settings.embedder, record.collection)
    ]
    for start in range(0, len(records), _CHECKED_AT_ONCE):
        part = records[start : start + _CHECKED_AT_ONCE]
        # At once, so that the server is asked about all of them together.
        done = await asyncio.gather(
            *(_check_same_model(intake, record, tell) for record in part), return_exceptions=True
        )
        for failure in done:
            if failure is not None:
                raise failure


async def _check_same_model(intake: Intake, record: IndexRecord, tell: Tell) -> None:
    name = record.collection.name
    try:
        await check_same_model(intake.database, intake.store, record.index, name, intake.embedding)
    except (IndexMissingError, StoreUnavailableError) as exc:
        tell(f"whether '{name}' was built with the model that answers now is not known: {exc}")


def refusal_of(comparison: Comparison, terms: Terms) -> str | None:
    """Why an index may not take the former one's place by these terms; None where it may."""
    least, agreed = terms.min_neighbours, comparison.neighbours
    if least is not None and comparison.missing is not None:
        return f"it cannot be compared with the former index: {comparison.missing}"
    if least is not None and agreed is not None and agreed < least:
        return f"{agreed:.0%} of the neighbours are those of the former index; at least {least:.0%} were asked for"
    least, found = terms.min_found, comparison.found
    if least is not None and found is not None and found < least:
        return f"it finds the document of {found:.0%} of the sentences; at least {least:.0%} were asked for"
    return None


async def activate(intake: Intake, index_id: int, *, progress: Progress) -> Activated:
    """Let a former index answer again. Raises what `find_index` and `activate_index` raise."""
    check_embedder_allowed(intake.settings, (await find_index(intake.database, index_id)).collection)
    return await activate_index(
        intake.database,
        intake.store,
        index_id,
        identity=intake.embedder.identity,
        embedder=intake.embedding,
        progress=progress,
    )


async def drop(database: Database, settings: Settings, index_id: int) -> IndexRecord:
    """Give up an index that does not answer. Raises `NotFoundError`, `IndexBusyError`, and what `drop_index` raises."""
    record = await find_index(database, index_id)
    async with indexes_to_oneself(database, record.collection):
        store = load_store(store_spec(settings))
        try:
            await drop_index(database, store, record.index)
        finally:
            await store.close()
    return record


async def count_vectors(
    database: Database, settings: Settings, *, collection: str | None
) -> list[tuple[IndexRecord, int | None]]:
    """All indexes, or those of a collection, each with its number of vectors; None where its store does not tell."""
    found = None if collection is None else await find_collection(database, collection)
    records = await index_records(database, collection=found)
    store = load_store(store_spec(settings))
    try:
        return [(record, await _count(database, store, record)) for record in records]
    finally:
        await store.close()


async def _count(database: Database, configured: VectorStore, record: IndexRecord) -> int | None:
    store = store_of(record.index, configured)
    if store is None or (store.kind == "pgvector" and record.size_bytes is None):
        return None
    try:
        async with database.snapshot() as connection:
            return await store.count(record.index, connection)
    except (IndexMissingError, StoreUnavailableError):
        return None


def changed_settings(configured: Settings, used: Settings) -> dict[str, str]:
    """What has to be set for other processes to have the embedder that was used, by name; empty where they have it."""
    before, after = configured.embedder, used.embedder
    pairs = (("kind", before.kind, after.kind), ("model", before.model, after.model))
    return {f"embedder.{name}": new for name, old, new in pairs if old != new}
