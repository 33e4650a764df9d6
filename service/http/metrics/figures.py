"""Figures that live in the database: how large collections are, how fresh sources, and what workers have to do."""

from __future__ import annotations

import logging
from collections.abc import Coroutine
from typing import Any

from retrieval.collections import list_collections
from retrieval.database import Database, query
from retrieval.errors import DatabaseUnavailableError
from service.http.metrics.backlog import Depth
from service.http.metrics.counters import CollectionSize, SourceState
from service.http.patience import Patience
from service.http.recent import Recent

logger = logging.getLogger("footnote.telemetry")

_FIGURES_MAX_AGE_S = 10.0
_DATABASE_TIMEOUT_S = 5.0


class Figures:
    """Figures that live in the database, read when somebody scrapes, at most every ten seconds."""

    def __init__(self, database: Database, patience: Patience) -> None:
        self._database = database
        self._patience = patience
        self._sizes = Recent(self._read, max_age_s=_FIGURES_MAX_AGE_S)
        self._sources = Recent(self._read_sources, max_age_s=_FIGURES_MAX_AGE_S)
        self._backlog = Recent(self._read_backlog, max_age_s=_FIGURES_MAX_AGE_S)

    async def sizes(self) -> list[CollectionSize] | None:
        """The size of every collection; None where the database does not answer."""
        return await self._sizes.get()

    async def sources(self) -> list[SourceState] | None:
        """How fresh every source is; None where the database does not answer."""
        return await self._sources.get()

    async def backlog(self) -> list[Depth] | None:
        """What workers have to do, by queue; None where the database does not answer."""
        return await self._backlog.get()

    async def _read_sources(self) -> list[SourceState] | None:
        rows = await self._ask(self._database.fetch_all(query("metrics.sources")), "the state of sources")
        return None if rows is None else [SourceState(**row) for row in rows]

    async def _read_backlog(self) -> list[Depth] | None:
        rows = await self._ask(self._database.fetch_all(query("metrics.backlog")), "what workers have to do")
        return None if rows is None else [Depth(**row) for row in rows]

    async def _read(self) -> list[CollectionSize] | None:
        rows = await self._ask(list_collections(self._database), "the sizes of collections")
        if rows is None:
            return None
        return [
            CollectionSize(name=row["name"], documents=row["documents"], chunks=row["chunks"]) for row in rows
        ]

    async def _ask(
        self, asked: Coroutine[Any, Any, list[dict[str, Any]]], what: str
    ) -> list[dict[str, Any]] | None:
        try:
            return await self._patience.wait_for(asked, timeout_s=_DATABASE_TIMEOUT_S)
        except (TimeoutError, DatabaseUnavailableError) as exc:
            logger.warning("%s could not be read: %s", what, str(exc) or "it took too long")
            return None
