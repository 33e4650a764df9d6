"""Readiness: whether each part does its work now, found out by letting it work."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

import numpy as np

from retrieval.errors import FootnoteError
from service.footnote import Footnote
from service.http.patience import Patience
from service.http.recent import Recent
from service.sections import EmbedderSettings, RerankerSettings

logger = logging.getLogger("footnote.readiness")

Ask = Callable[[], Coroutine[Any, Any, None]]

_MAX_AGE_S = 5.0
_DATABASE_TIMEOUT_S = 2.0
_MODEL_TIMEOUT_S = 10.0
_OUTSIDE_MAX_AGE_S = 300.0
_NORM_TOLERANCE = 0.01


class _NotReadyError(Exception):
    """A part answered, but not as it should."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PartState:
    """Whether a part is ready; `detail` says why in words that may be shown to anybody."""

    ready: bool
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Readiness:
    """The state of every part by its name."""

    parts: dict[str, PartState]

    @property
    def ready(self) -> bool:
        return all(part.ready for part in self.parts.values())

    def as_json(self) -> dict[str, Any]:
        return {
            "ready": self.ready,
            "parts": {
                name: {"ready": part.ready, "detail": part.detail} for name, part in self.parts.items()
            },
        }


_STOPPING = Readiness(parts={"service": PartState(ready=False, detail="it is stopping")})


class ReadinessCheck:
    """Asks the parts at most every five seconds, so that no prober can load the service."""

    def __init__(self, footnote: Footnote, patience: Patience) -> None:
        self._footnote = footnote
        self._patience = patience
        self._recent = Recent(self._ask, max_age_s=_MAX_AGE_S)
        self._ask_embedder = _seldom_outside(self._embedder, footnote.settings.embedder)
        self._ask_reranker = _seldom_outside(self._reranker, footnote.settings.reranker)
        self._is_stopping = False

    def stop(self) -> None:
        """Say from now on that the service is not ready: it is stopping, though it still answers."""
        self._is_stopping = True

    async def get(self) -> Readiness:
        if self._is_stopping:
            return _STOPPING
        return await self._recent.get()

    async def _ask(self) -> Readiness:
        checks = (
            ("database", self._database, _DATABASE_TIMEOUT_S),
            ("embedder", self._ask_embedder, _MODEL_TIMEOUT_S),
            ("reranker", self._ask_reranker, _MODEL_TIMEOUT_S),
        )
        async with asyncio.TaskGroup() as group:
            tasks = {
                name: group.create_task(self._state(name, ask, timeout_s=limit))
                for name, ask, limit in checks
            }
        return Readiness(parts={name: task.result() for name, task in tasks.items()})

    async def _database(self) -> None:
        await self._footnote.database.fetch_one("SELECT 1 AS one")

    async def _embedder(self) -> None:
        vector = await self._footnote.embedding.embed_query("ready")
        if vector.shape != (self._footnote.embedder.identity.dimension,) or not np.isfinite(vector).all():
            raise _NotReadyError("it returns vectors that are none")
        if abs(float(np.linalg.norm(vector)) - 1) > _NORM_TOLERANCE:
            raise _NotReadyError("it returns vectors that are not of unit length")

    async def _reranker(self) -> None:
        scores = await self._footnote.scoring.score([("Is it ready?", "It is ready.")])
        if scores.shape != (1,) or not np.isfinite(scores).all():
            raise _NotReadyError("it returns scores that are none")

    async def _state(self, name: str, ask: Ask, *, timeout_s: float) -> PartState:
        started = time.perf_counter()
        try:
            await self._patience.wait_for(ask(), timeout_s=timeout_s)
        except TimeoutError:
            logger.warning("the %s is not ready: no answer within %g s", name, timeout_s)
            return PartState(ready=False, detail=f"no answer within {timeout_s:g} s")
        except _NotReadyError as exc:
            logger.warning("the %s is not ready: %s", name, exc)
            return PartState(ready=False, detail=str(exc))
        except FootnoteError as exc:
            # The message may name hosts and paths, which an unknown prober need not know.
            logger.warning("the %s is not ready: %s", name, exc)
            return PartState(ready=False, detail="it does not work; the service's log says why")
        return PartState(ready=True, detail=f"answered in {(time.perf_counter() - started) * 1000:.0f} ms")


def _seldom_outside(ask: Ask, model: EmbedderSettings | RerankerSettings) -> Ask:
    """Providers outside charge for every request: one that answered is believed for five minutes."""
    if model.kind != "remote" or model.location == "inside":
        return ask
    return Recent(ask, max_age_s=_OUTSIDE_MAX_AGE_S).get
