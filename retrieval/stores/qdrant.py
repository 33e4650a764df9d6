"""Vectors in Qdrant, one collection per index, searched exactly: on a server, or in a folder of this process's own.

Qdrant knows nothing of Postgres' transactions: a vector is written before the transaction that publishes its chunk is
committed. Where that is rolled back the vector stays behind, and search drops it: it asks Postgres what is current.
"""

from __future__ import annotations

import logging
import re
import sqlite3
import warnings
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from json import JSONDecodeError
from pathlib import Path
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from retrieval.database import Connection, Database
from retrieval.errors import ConfigurationError, FootnoteError, IndexMissingError, StoreUnavailableError
from retrieval.filters import Selection
from retrieval.records import Scope
from retrieval.stores import HeldVector, Index, StoreKind

logger = logging.getLogger(__name__)

# Qdrant refuses requests above 32 MB; as JSON, 256 vectors of 4,096 dimensions are about 20 MB.
_POINTS_A_REQUEST = 256
_IDS_A_REQUEST = 10_000
_TIMEOUT_S = 30

# How many chunks beyond the limit are fetched to put chunks of equal cosine into the order of their ids. Among more
# equals than this (the same text in a thousand documents) it is Qdrant that chooses.
_MAX_TIES = 1_000

_NOBODY = UUID(int=0)


def _name(index: Index) -> str:
    return f"footnote_{index.id}"


def _has_id(chunk_ids: Sequence[int]) -> models.Filter:
    return models.Filter(must=[models.HasIdCondition(has_id=list(chunk_ids))])


def _held(index: Index, point: models.Record) -> HeldVector:
    payload = point.payload or {}
    try:
        document_id = UUID(str(payload.get("document_id")))
    except ValueError:
        document_id = _NOBODY
    readers = payload.get("readers")
    norm = None
    if point.vector is not None:
        norm = index.measure(np.asarray(point.vector, dtype=np.float32))
    return HeldVector(
        chunk_id=int(point.id),
        norm=norm,
        document_id=document_id,
        readers=frozenset(readers if isinstance(readers, list) else ()),
    )


def _readable_by(scope: Scope) -> models.Filter | None:
    if scope.principals is None:
        return None
    may_read = models.MatchAny(any=sorted(scope.principals))
    return models.Filter(must=[models.FieldCondition(key="readers", match=may_read)])


def _connect(url: str, api_key: str | None, *, shown: str) -> AsyncQdrantClient:
    if api_key is not None and url.startswith("http:"):
        logger.warning(
            "The key for Qdrant at %s travels unencrypted: keep that network private, or use https.", shown
        )
    try:
        if not url:
            raise ValueError("it is empty")
        with warnings.catch_warnings():
            # Said above, in words that fit a log.
            warnings.filterwarnings("ignore", "Api key is used with an insecure connection", UserWarning)
            # The check of versions would ask the server here and now, and warn where it does not answer.
            return AsyncQdrantClient(url, api_key=api_key, timeout=_TIMEOUT_S, check_compatibility=False)
    except ValueError as exc:
        raise ConfigurationError(
            f"store.url (FOOTNOTE_STORE__URL) is {shown!r}, which does not say where a server is. "
            "It looks like http://host:6333."
        ) from exc


def _open(path: Path) -> AsyncQdrantClient:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return AsyncQdrantClient(path=str(path))
    except RuntimeError as exc:
        raise StoreUnavailableError(
            f"Qdrant's folder '{path}' is in use by another process, and serves only one at a time. "
            "Stop the other one, or run a Qdrant server and set store.url (FOOTNOTE_STORE__URL)."
        ) from exc
    except (OSError, sqlite3.Error, ValueError, KeyError) as exc:
        raise ConfigurationError(
            f"Qdrant's folder '{path}' cannot be opened ({type(exc).__name__}: {exc}). Make it readable and writable, "
            "restore it from a backup, or move it away and build the indexes anew: footnote reindex."
        ) from exc


class QdrantStore:
    """Points are numbered by chunk id and carry `document_id` and `readers`.

    A server is shared by many processes. A folder (`path`) is for one process alone, holds all vectors in memory and
    suits some ten thousand chunks; with neither url nor path the vectors go when the process ends (for tests).

    Every method raises `StoreUnavailableError` where Qdrant cannot be reached or refuses, `IndexMissingError` where it
    has lost the index, and `ConfigurationError` where it does not accept the key.
    """

    kind: StoreKind = "qdrant"

    def __init__(
        self, *, url: str | None = None, api_key: str | None = None, path: Path | None = None
    ) -> None:
        """Raises `ConfigurationError` for a url or path that cannot be, `StoreUnavailableError` for a folder in use."""
        assert url is None or path is None, "a server or a folder, not both"
        self._is_server = url is not None
        if url is not None:
            # Whoever puts a name and a password into the address must not find them in a log.
            shown = re.sub(r"//[^/]*@", "//", url)
            self._where = f"Qdrant at {shown}"
            self._client = _connect(url, api_key, shown=shown)
        elif path is not None:
            self._where = f"Qdrant's folder '{path}'"
            self._client = _open(path)
        else:
            self._where = "Qdrant in memory"
            self._client = AsyncQdrantClient(":memory:")
        # A local client searches exactly whatever it is told, and warns that it was told.
        self._search_params = models.SearchParams(exact=True) if self._is_server else None

    async def create(self, index: Index, connection: Connection) -> None:
        """Make the index's collection. Raises `ConfigurationError` where its name is taken by something else."""
        async with self._asking(index):
            if await self._client.collection_exists(_name(index)):
                await self._check_vacant(index)
            else:
                # Of unit vectors the dot product is the cosine.
                vectors = models.VectorParams(size=index.dimension, distance=models.Distance.DOT)
                await self._client.create_collection(_name(index), vectors_config=vectors)
            if self._is_server:
                for field in ("document_id", "readers"):
                    await self._client.create_payload_index(
                        _name(index), field, models.PayloadSchemaType.KEYWORD, wait=True
                    )

    async def _check_vacant(self, index: Index) -> None:
        config = (await self._client.get_collection(_name(index))).config.params.vectors
        held = (await self._client.count(_name(index), exact=True)).count
        if held or not isinstance(config, models.VectorParams) or config.size != index.dimension:
            raise ConfigurationError(
                f"{self._where} already has a collection '{_name(index)}' (vectors: {held:,}) that this database does "
                "not know of: another Footnote uses it, or an earlier database did. Give each Footnote a Qdrant of its "
                "own, or delete that collection if nobody needs it."
            )

    async def drop(self, index: Index, connection: Connection) -> None:
        async with self._asking(index):
            await self._client.delete_collection(_name(index))

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
        payload = {"document_id": str(document_id), "readers": list(readers)}
        async with self._asking(index):
            for first in range(0, len(chunk_ids), _POINTS_A_REQUEST):
                ids: list[models.ExtendedPointId] = [*chunk_ids[first : first + _POINTS_A_REQUEST]]
                batch = models.Batch(
                    ids=ids,
                    vectors=vectors[first : first + _POINTS_A_REQUEST].tolist(),
                    payloads=[payload] * len(ids),
                )
                await self._client.upsert(_name(index), batch, wait=True)

    async def forget(self, index: Index, chunk_ids: Sequence[int]) -> None:
        async with self._asking(index):
            for first in range(0, len(chunk_ids), _IDS_A_REQUEST):
                ids: list[models.ExtendedPointId] = [*chunk_ids[first : first + _IDS_A_REQUEST]]
                await self._client.delete(_name(index), models.PointIdsList(points=ids), wait=True)

    async def set_readers(self, index: Index, document_id: UUID, readers: Sequence[str]) -> None:
        of_document = models.FieldCondition(
            key="document_id", match=models.MatchValue(value=str(document_id))
        )
        async with self._asking(index):
            await self._client.set_payload(
                _name(index),
                {"readers": list(readers)},
                points=models.Filter(must=[of_document]),
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
        found = await self._query(index, vector, _readable_by(selection.scope), limit + 1)
        if len(found) > limit and found[limit][1] == found[limit - 1][1]:
            # Equal cosines on both sides of the cut: Qdrant orders them as it likes.
            found = await self._query(index, vector, _readable_by(selection.scope), limit + _MAX_TIES)
        return sorted(found, key=lambda pair: (-pair[1], pair[0]))[:limit]

    async def cosines(
        self, index: Index, vector: NDArray[np.float32], chunk_ids: Sequence[int], *, connection: Connection
    ) -> Mapping[int, float]:
        index.check_dimension(vector)
        if not chunk_ids:
            return {}
        return dict(await self._query(index, vector, _has_id(chunk_ids), len(chunk_ids)))

    async def likeness(
        self, index: Index, chunk_id: int, chunk_ids: Sequence[int], *, connection: Connection
    ) -> Mapping[int, float]:
        async with self._asking(index):
            # Points come in the order of their ids, from this one on.
            points, _ = await self._client.scroll(
                _name(index), limit=1, offset=chunk_id, with_payload=False, with_vectors=True
            )
        if not points or points[0].id != chunk_id:
            return {}
        vector = np.asarray(points[0].vector, dtype=np.float32)
        return await self.cosines(index, vector, chunk_ids, connection=connection)

    async def _query(
        self, index: Index, vector: NDArray[np.float32], condition: models.Filter | None, limit: int
    ) -> list[tuple[int, float]]:
        async with self._asking(index):
            answer = await self._client.query_points(
                _name(index),
                query=vector.tolist(),
                query_filter=condition,
                search_params=self._search_params,
                limit=limit,
                with_payload=False,
            )
        return [(int(point.id), point.score) for point in answer.points]

    async def count(self, index: Index, connection: Connection) -> int:
        async with self._asking(index):
            return (await self._client.count(_name(index), exact=True)).count

    async def holdings(
        self, index: Index, *, after: int, limit: int, measured: bool, connection: Connection
    ) -> list[HeldVector]:
        held: list[HeldVector] = []
        start: models.ExtendedPointId | None = after + 1
        async with self._asking(index):
            while start is not None and len(held) < limit:
                points, start = await self._client.scroll(
                    _name(index),
                    limit=min(limit - len(held), _POINTS_A_REQUEST if measured else _IDS_A_REQUEST),
                    offset=start,
                    with_payload=True,
                    with_vectors=measured,
                )
                held += [_held(index, point) for point in points]
        return held

    async def discard(self, index: Index, chunk_ids: Sequence[int], connection: Connection) -> None:
        await self.forget(index, chunk_ids)

    async def optimize(self, index: Index, database: Database) -> bool:
        """Nothing to do: Qdrant sees to its graphs itself."""
        return False

    async def close(self) -> None:
        await self._client.close()

    @asynccontextmanager
    async def _asking(self, index: Index) -> AsyncIterator[None]:
        """Turn what Qdrant's client raises into Footnote's own errors."""
        try:
            yield
        except UnexpectedResponse as exc:
            raise self._refusal(index, exc) from exc
        except ResourceExhaustedResponse as exc:
            raise StoreUnavailableError(
                f"{self._where} has too much to do and asks to come again in {exc.retry_after_s} s. Try again later."
            ) from exc
        except (ResponseHandlingException, JSONDecodeError) as exc:
            cause = exc.source if isinstance(exc, ResponseHandlingException) else exc
            raise StoreUnavailableError(
                f"{self._where} cannot be reached or did not answer as Qdrant does ({type(cause).__name__}). "
                "Start it, or correct store.url (FOOTNOTE_STORE__URL), and try again."
            ) from exc
        except (OSError, sqlite3.Error) as exc:
            raise StoreUnavailableError(
                f"{self._where} cannot be read or written: {exc}. Make room or mend its permissions, and try again."
            ) from exc
        except ValueError as exc:
            # The local client's only word for a collection that it does not have.
            if self._is_server or await self._client.collection_exists(_name(index)):
                raise
            raise self._missing(index) from exc

    def _refusal(self, index: Index, exc: UnexpectedResponse) -> FootnoteError:
        match exc.status_code:
            case 401 | 403:
                return ConfigurationError(
                    f"{self._where} does not accept the key (HTTP {exc.status_code}). "
                    "Set store.api_key (FOOTNOTE_STORE__API_KEY) to one that may read and write."
                )
            case 404:
                return self._missing(index)
            case status:
                return StoreUnavailableError(
                    f"{self._where} refused to work on collection '{_name(index)}' "
                    f"(HTTP {status} {exc.reason_phrase}). Its log says why; mend that and try again."
                )

    def _missing(self, index: Index) -> IndexMissingError:
        return IndexMissingError(
            f"{self._where} has no collection '{_name(index)}', which held the vectors of index {index.id}. "
            "Restore it from a backup, or build the index anew: footnote reindex."
        )
