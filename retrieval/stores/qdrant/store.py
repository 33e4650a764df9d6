"""The store: an index's vectors in a collection of Qdrant, written in bounded requests, confirmed by Postgres."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from qdrant_client import models

from retrieval.database import Connection, Database
from retrieval.filters import Selection
from retrieval.stores import HeldVector, Index, StoreKind
from retrieval.stores.qdrant.conditions import has_id, of_documents, pushed_down
from retrieval.stores.qdrant.confirming import best_confirmed
from retrieval.stores.qdrant.connecting import connect
from retrieval.stores.qdrant.layout import DENSE, WORDS, lists_words, make_collection
from retrieval.stores.qdrant.points import make_points, points_a_request
from retrieval.stores.qdrant.reading import read_holdings, read_vector, read_vectors
from retrieval.stores.qdrant.refusals import asking, collection_name
from retrieval.stores.qdrant.words import of_question, read_words
from retrieval.visible import visible_chunks

logger = logging.getLogger(__name__)

_IDS_A_REQUEST = 10_000
# Requests that write and are on their way at once, of all documents together.
_WRITES_AT_ONCE = 4

# Where no more chunks than this may be looked at, each of them is compared.
_EXACT_BELOW = 20_000
# How many vectors a walk keeps in view at least; recall grows with it.
_LEAST_BREADTH = 200

# The ids of so many documents are sent with a question at most. A server has an index of them; a local client
# compares each of them with every point.
_MOST_DOCUMENTS = 10_000
_MOST_DOCUMENTS_LOCALLY = 20


def _how(limit: int, *, exact: bool, filtered: bool) -> models.SearchParams:
    """How a server is to search. Under a condition it looks at neighbours of neighbours, too (ACORN): without, a walk
    found as few as 2 chunks in trials where one document in ten could be looked at."""
    if exact:
        return models.SearchParams(exact=True)
    return models.SearchParams(
        exact=False,
        hnsw_ef=max(2 * limit, _LEAST_BREADTH),
        acorn=models.AcornSearchParams(enable=True) if filtered else None,
    )


class QdrantStore:
    """Points are numbered by chunk id and carry `document_id` and `readers`.

    A server is shared by many processes. A folder (`path`) is for one process alone, holds all vectors in memory and
    suits some ten thousand chunks; with neither url nor path the vectors go when the process ends (for tests).

    words: indexes that are made from now on also list the words of their chunks, for lexical search to take its
    candidates from there. An index keeps what it was made with.

    Every method raises `StoreUnavailableError` where Qdrant cannot be reached or refuses, `IndexMissingError` where it
    has lost the index, and `ConfigurationError` where it does not accept the key.
    """

    kind: StoreKind = "qdrant"

    def __init__(
        self,
        *,
        url: str | None = None,
        api_key: str | None = None,
        path: Path | None = None,
        words: bool = False,
    ) -> None:
        """Raises `ConfigurationError` for a url or path that cannot be, `StoreUnavailableError` for a folder in use."""
        self._qdrant = connect(url=url, api_key=api_key, path=path)
        self._client = self._qdrant.client
        self._words = words
        # Which indexes list words: a fact of their collections, that never changes.
        self._with_words: dict[int, bool] = {}
        self._writes = asyncio.Semaphore(_WRITES_AT_ONCE)

    async def create(self, index: Index, connection: Connection) -> None:
        """Make the index's collection. Raises `ConfigurationError` where its name is taken by something else."""
        await make_collection(self._qdrant, index, words=self._words)

    async def drop(self, index: Index, connection: Connection) -> None:
        self._with_words.pop(index.id, None)
        async with asking(self._qdrant, index):
            await self._client.delete_collection(collection_name(index))

    async def write(
        self,
        index: Index,
        chunk_ids: Sequence[int],
        vectors: NDArray[np.float32],
        *,
        document_id: UUID,
        readers: Sequence[str],
        connection: Connection,
    ) -> None:
        """Add vectors at once, ahead of the caller's transaction; those of an id that is already there are replaced."""
        index.check_dimension(vectors)
        assert len(chunk_ids) == len(vectors), "one vector for each chunk"
        with_words = await self._has_words(index)
        size = points_a_request(index.dimension)

        async def send(part: slice) -> None:
            async with self._writes:
                words = await read_words(connection, chunk_ids[part]) if with_words else {}
                points = make_points(
                    chunk_ids[part], vectors[part], words, document_id=document_id, readers=readers
                )
                async with asking(self._qdrant, index):
                    await self._client.upsert(collection_name(index), points, wait=True)

        try:
            async with asyncio.TaskGroup() as group:
                for first in range(0, len(chunk_ids), size):
                    group.create_task(send(slice(first, first + size)))
        except ExceptionGroup as failed:
            error = failed.exceptions[0]
            raise error from error.__cause__

    async def forget(self, index: Index, chunk_ids: Sequence[int]) -> None:
        async with asking(self._qdrant, index):
            for first in range(0, len(chunk_ids), _IDS_A_REQUEST):
                ids: list[models.ExtendedPointId] = [*chunk_ids[first : first + _IDS_A_REQUEST]]
                await self._client.delete(collection_name(index), models.PointIdsList(points=ids), wait=True)

    async def set_readers(self, index: Index, document_id: UUID, readers: Sequence[str]) -> None:
        async with asking(self._qdrant, index):
            await self._client.set_payload(
                collection_name(index),
                {"readers": list(readers)},
                points=of_documents([document_id]),
                wait=True,
            )

    async def nearest(
        self,
        index: Index,
        vector: NDArray[np.float32],
        *,
        limit: int,
        selection: Selection,
        visible: int,
        connection: Connection,
    ) -> list[tuple[int, float]]:
        index.check_dimension(vector)
        return await self._best(
            index,
            vector.tolist(),
            DENSE,
            limit=limit,
            selection=selection,
            exact=visible <= _EXACT_BELOW or not self._qdrant.is_server,
            connection=connection,
        )

    async def word_candidates(
        self,
        index: Index,
        words: Mapping[int, int],
        *,
        limit: int,
        selection: Selection,
        connection: Connection,
    ) -> list[int] | None:
        if not self._words or not await self._has_words(index):
            return None
        best = await self._best(
            index,
            of_question(words),
            WORDS,
            limit=limit,
            selection=selection,
            exact=True,  # an index of words always is
            connection=connection,
        )
        return [chunk_id for chunk_id, _ in best]

    async def _has_words(self, index: Index) -> bool:
        if index.id not in self._with_words:
            self._with_words[index.id] = await lists_words(self._qdrant, index)
            if self._words and not self._with_words[index.id]:
                logger.warning(
                    "store.words is 'qdrant', but index %d was made without words; their candidates come from Postgres "
                    "until it is built anew: footnote reindex",
                    index.id,
                )
        return self._with_words[index.id]

    async def _best(
        self,
        index: Index,
        asked: list[float] | models.SparseVector,
        using: str,
        *,
        limit: int,
        selection: Selection,
        exact: bool,
        connection: Connection,
    ) -> list[tuple[int, float]]:
        """The best chunks that the selection holds, by one of a point's vectors."""
        most = _MOST_DOCUMENTS if self._qdrant.is_server else _MOST_DOCUMENTS_LOCALLY
        condition = await pushed_down(connection, index, selection, most_documents=most)

        async def ask(wanted: int, exactly: bool) -> list[tuple[int, float]]:
            return await self._query(index, asked, using, condition, limit=wanted, exact=exactly)

        async def confirm(chunk_ids: Sequence[int]) -> set[int]:
            return await visible_chunks(connection, index.collection_id, chunk_ids, selection)

        return await best_confirmed(ask, confirm, limit=limit, exact=exact, ties=using == DENSE)

    async def cosines(
        self, index: Index, vector: NDArray[np.float32], chunk_ids: Sequence[int], *, connection: Connection
    ) -> Mapping[int, float]:
        index.check_dimension(vector)
        if not chunk_ids:
            return {}
        found = await self._query(
            index, vector.tolist(), DENSE, has_id(chunk_ids), limit=len(chunk_ids), exact=True
        )
        return dict(found)

    async def likeness(
        self, index: Index, chunk_id: int, chunk_ids: Sequence[int], *, connection: Connection
    ) -> Mapping[int, float]:
        vector = await read_vector(self._qdrant, index, chunk_id)
        return {} if vector is None else await self.cosines(index, vector, chunk_ids, connection=connection)

    async def _query(
        self,
        index: Index,
        asked: list[float] | models.SparseVector,
        using: str,
        condition: models.Filter | None,
        *,
        limit: int,
        exact: bool,
    ) -> list[tuple[int, float]]:
        params = _how(limit, exact=exact, filtered=condition is not None)
        async with asking(self._qdrant, index):
            answer = await self._client.query_points(
                collection_name(index),
                query=asked,
                using=using,
                query_filter=condition,
                # A local client warns that it was told.
                search_params=params if self._qdrant.is_server else None,
                limit=limit,
                with_payload=False,
            )
        return [(int(point.id), point.score) for point in answer.points]

    async def vectors(
        self, index: Index, chunk_ids: Sequence[int], connection: Connection
    ) -> Mapping[int, NDArray[np.float32]]:
        return await read_vectors(self._qdrant, index, chunk_ids)

    async def count(self, index: Index, connection: Connection) -> int:
        async with asking(self._qdrant, index):
            return (await self._client.count(collection_name(index), exact=True)).count

    async def holdings(
        self, index: Index, *, after: int, limit: int, measured: bool, connection: Connection
    ) -> list[HeldVector]:
        return await read_holdings(self._qdrant, index, after=after, limit=limit, measured=measured)

    async def discard(self, index: Index, chunk_ids: Sequence[int], connection: Connection) -> None:
        await self.forget(index, chunk_ids)

    async def optimize(self, index: Index, database: Database, *, wait: bool = False) -> bool:
        """Nothing to do: Qdrant sees to its graphs itself."""
        return False

    async def close(self) -> None:
        await self._client.close()
