"""Figures that live in the database: how large collections are, and how fresh sources."""

from __future__ import annotations

import logging

from retrieval.collections import list_collections
from retrieval.database import Database, query
from retrieval.errors import DatabaseUnavailableError
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

    async def sizes(self) -> list[CollectionSize] | None:
        """The size of every collection; None where the database does not answer."""
        return await self._sizes.get()

    async def sources(self) -> list[SourceState] | None:
        """How fresh every source is; None where the database does not answer."""
        return await self._sources.get()

    async def _read_sources(self) -> list[SourceState] | None:
        try:
            rows = await self._patience.wait_for(
                self._database.fetch_all(query("metrics.sources")), timeout_s=_DATABASE_TIMEOUT_S
            )
        except (TimeoutError, DatabaseUnavailableError) as exc:
            logger.warning("the state of sources could not be read: %s", str(exc) or "it took too long")
            return None
        return [SourceState(**row) for row in rows]

    async def _read(self) -> list[CollectionSize] | None:
        try:
            rows = await self._patience.wait_for(
                list_collections(self._database), timeout_s=_DATABASE_TIMEOUT_S
            )
        except (TimeoutError, DatabaseUnavailableError) as exc:
            logger.warning("the sizes of collections could not be read: %s", str(exc) or "it took too long")
            return None
        return [
            CollectionSize(name=row["name"], documents=row["documents"], chunks=row["chunks"]) for row in rows
        ]
