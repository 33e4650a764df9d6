"""The engine that works in this process: a few files at a time, their parsers beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ingest.budget import ByteBudget
from ingest.catalog import SourceRecord
from ingest.engines import OF_ONE_FILE, Done, Settle, Work
from ingest.errors import FileReplacedError
from ingest.patience import OUTAGES, Patience
from ingest.pipeline import Pipeline
from ingest.sources import Source
from retrieval.errors import FootnoteError

# What a file is reckoned with of which its source does not say how large it is.
_UNKNOWN_BYTES = 32 * 1024**2


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalEngine:
    """Takes files in through a pipeline.

    in_flight: files at work at once, so that the embedder never waits for a parser or a disk.
    bytes_in_flight: how many bytes of files may be at work at once; a larger file goes alone.
    """

    pipeline: Pipeline
    source: Source
    record: SourceRecord
    patience: Patience
    in_flight: int = 8
    bytes_in_flight: int = 256 * 1024**2

    async def index_all(self, files: Sequence[Work], settle: Settle) -> None:
        """As `Engine.index_all`."""
        budget = ByteBudget(self.bytes_in_flight)

        async def take_next(waiting: Iterator[Work]) -> None:
            for work in waiting:
                async with budget.spend(work.found.size_bytes or _UNKNOWN_BYTES):
                    await settle(await self._index(work))

        waiting = iter(files)
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(self.in_flight):
                    group.create_task(take_next(waiting))
        except BaseExceptionGroup as group:
            # Not `except*`: what is raised there comes out wrapped in another group on some releases of Python 3.11.
            ours, others = group.split(FootnoteError)
            if ours is None or others is not None:
                raise
            raise _first(ours) from group

    async def _index(self, work: Work) -> Done:
        found, known = work.found, work.known
        try:
            indexed = await self.patience.wait_out(
                lambda: self.pipeline.index_file(self.source, self.record, found, known)
            )
        except FileReplacedError as exc:
            again = work.as_replaced(exc)
            return Done(work=work, result=exc) if again is None else await self._index(again)
        except OUTAGES:
            raise  # those of a model are errors of a model, too
        except OF_ONE_FILE as exc:
            return Done(work=work, result=exc)
        return Done(work=work, result=indexed)


def _first(group: BaseExceptionGroup[FootnoteError]) -> FootnoteError:
    first = group.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
