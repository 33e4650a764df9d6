"""The stages of a run that is spread over processes or machines: rows of bytes in, rows of bytes out.

    ReadStage → EmbedStage → PublishStage

Each stage is built once in a process, from a blueprint, and then called with batches, as engines that spread work want
it; none of them knows which engine that is. A row is a pickle that this code made, in processes that trust each other
as the threads of one do. A row may be worked on again after the machine that had it is gone, at any stage: reading and
embedding change nothing, and publishing the same content twice does nothing the second time.
"""

from __future__ import annotations

import asyncio
import logging
import pickle
import threading
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any, TypeGuard, TypeVar

import numpy as np
from numpy.typing import NDArray

from ingest.catalog import touch_document
from ingest.chunking import EmbedTexts, TokenEnds
from ingest.engines import OF_ONE_FILE, Done, Settle, Work
from ingest.engines.blueprint import Blueprint
from ingest.errors import FileReplacedError
from ingest.parsers import ParsedDocument
from ingest.parsers.text import plainly
from ingest.patience import OUTAGES
from ingest.pipeline import Indexed
from ingest.stages import ReadFile, draft_file, embed_draft, read_file
from retrieval.batching import EmbeddingBatcher
from retrieval.errors import FootnoteError
from retrieval.publishing import DocumentChangedError, RevisionDraft, publish
from retrieval.stores import load_store

logger = logging.getLogger(__name__)

T = TypeVar("T")

# Another run may publish the same document in between; more often than this means that something else is wrong.
_PASSES = 3
_FILES_AT_ONCE = 2
"""In one process that reads: while one file is parsed, another one is fetched."""
_CONNECTIONS = 4
"""Of one process that publishes, and of one that embeds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A file's new content, in chunks. notes: what its parser left out."""

    draft: RevisionDraft
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """A file's new content, ready to be published."""

    cut: Cut
    vectors: dict[bytes, NDArray[np.float32]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What reading made of a file: it is cut already, but where the embedder has to be asked for that."""

    work: Work
    result: Cut | ReadFile | FootnoteError


@dataclass(frozen=True, slots=True, kw_only=True)
class Embedded:
    """What embedding made of a file; what there was nothing to embed of passes through."""

    work: Work
    result: Draft | ReadFile | FootnoteError


Pass = Callable[[Sequence[Work]], AsyncIterator[Done]]
"""Takes each file through all stages once."""


async def index_in_passes(files: Sequence[Work], settle: Settle, through_all: Pass) -> None:
    """As `ingest.engines.Engine.index_all`: in one pass, and another one for what other runs changed meanwhile."""
    waiting = list(files)
    for is_last in (*(False,) * (_PASSES - 1), True):
        again: list[Work] = []
        async for done in through_all(waiting):
            if isinstance(done.result, DocumentChangedError) and not is_last:
                again.append(done.work)
                continue
            if _concerns_all(done.result):
                raise done.result
            for note in done.notes:
                logger.warning("%s", plainly(f"{done.work.found.path}: {note}"))
            await settle(done)
        if not again:
            return
        waiting = again


def _concerns_all(result: Indexed | FootnoteError) -> TypeGuard[FootnoteError]:
    return isinstance(result, OUTAGES) or (
        isinstance(result, FootnoteError) and not isinstance(result, OF_ONE_FILE)
    )


def pack(row: Work | Read | Embedded | Done) -> bytes:
    """A row as bytes."""
    return pickle.dumps(row, protocol=pickle.HIGHEST_PROTOCOL)


def unpack(packed: bytes) -> Any:
    """A row from the bytes that `pack` made of it."""
    return pickle.loads(packed)  # noqa: S301  made by this code, see the module's words


class Stage(ABC):
    """An event loop of the stage's own, in a thread that lives as long as the process."""

    def __init__(self, blueprint: Blueprint) -> None:
        blueprint.check_version()
        self.blueprint = blueprint
        self._stack = AsyncExitStack()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name=type(self).__name__, daemon=True)
        self._thread.start()
        try:
            self.run(self.open(self._stack))
        except FootnoteError:
            self.close()
            raise

    @abstractmethod
    async def open(self, stack: AsyncExitStack) -> None:
        """Build what the stage works with; `stack` closes it."""

    @abstractmethod
    async def work_on(self, row: Any) -> Read | Embedded | Done:
        """Work on one row. What fails for its file alone is its result."""

    def __call__(self, rows: Sequence[bytes]) -> list[bytes]:
        """Work on a batch of rows at once. Threads may call it for several batches."""

        async def work_on_all() -> list[Read | Embedded | Done]:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self.work_on(unpack(row))) for row in rows]
            return [task.result() for task in tasks]

        return [pack(row) for row in self.run(work_on_all())]

    def cut(
        self,
        read: ReadFile,
        notes: tuple[str, ...],
        token_ends: TokenEnds,
        embed: EmbedTexts | None = None,
    ) -> Cut:
        """Cut a file that was read."""
        blueprint = self.blueprint
        draft = draft_file(
            blueprint.record, read, policy=blueprint.chunk_policy, token_ends=token_ends, embed=embed
        )
        return Cut(draft=draft, notes=notes)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run on the stage's loop, and wait for it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def close(self) -> None:
        """Close what was opened. An engine that ends its processes need not call it."""
        self.run(self._stack.aclose())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class ReadStage(Stage):
    """`Work` to `Read`: fetches, parses, and cuts, for which processors are had more easily than where models run."""

    async def open(self, stack: AsyncExitStack) -> None:
        self._source = await asyncio.to_thread(self.blueprint.open_source)
        self._parser = await stack.enter_async_context(self.blueprint.parser_pool())
        self._tokenizer = self.blueprint.load_tokenizer()
        self._turns = asyncio.Semaphore(_FILES_AT_ONCE)

    async def work_on(self, row: Work) -> Read:
        async with self._turns:
            return await self._read(row)

    async def _read(self, work: Work) -> Read:
        try:
            read = await read_file(
                self._source,
                work.found,
                work.known,
                recipe=self.blueprint.recipe,
                parser=self._parser,
                max_bytes=self.blueprint.max_file_bytes,
            )
        except FileReplacedError as exc:
            again = work.as_replaced(exc)
            return Read(work=work, result=exc) if again is None else await self._read(again)
        except FootnoteError as exc:
            return Read(work=work, result=exc)
        if read.parsed is None or self.blueprint.chunk_policy.asks_embedder:
            return Read(work=work, result=read)
        cut = await asyncio.to_thread(self.cut, read, read.parsed.notes, self._tokenizer.token_ends)
        return Read(work=work, result=cut)


class EmbedStage(Stage):
    """`Read` to `Embedded`: embeds what the index has no vector of."""

    async def open(self, stack: AsyncExitStack) -> None:
        self._embedder = await asyncio.to_thread(self.blueprint.load_embedder)
        stack.callback(self._embedder.close)
        self._database = await stack.enter_async_context(
            self.blueprint.open_database(max_connections=_CONNECTIONS)
        )
        self._batcher = await stack.enter_async_context(EmbeddingBatcher(self._embedder))

    async def work_on(self, row: Read) -> Embedded:
        read = row.result
        try:
            match read:
                case Cut():
                    return Embedded(work=row.work, result=await self._embed(read))
                case ReadFile(parsed=ParsedDocument(notes=notes)):
                    embedder = self._embedder
                    cut = await asyncio.to_thread(
                        self.cut, read, notes, embedder.token_ends, embedder.embed_documents
                    )
                    return Embedded(work=row.work, result=await self._embed(cut))
                case _:
                    return Embedded(work=row.work, result=read)
        except FootnoteError as exc:
            return Embedded(work=row.work, result=exc)

    async def _embed(self, cut: Cut) -> Draft:
        vectors = await self.blueprint.patience.wait_out(
            lambda: embed_draft(self._database, cut.draft, self._batcher)
        )
        return Draft(cut=cut, vectors=vectors)


class PublishStage(Stage):
    """`Embedded` to `Done`: publishes, a transaction for each document."""

    async def open(self, stack: AsyncExitStack) -> None:
        self._store = load_store(self.blueprint.store)
        stack.push_async_callback(self._store.close)
        self._database = await stack.enter_async_context(
            self.blueprint.open_database(max_connections=_CONNECTIONS)
        )

    async def work_on(self, row: Embedded) -> Done:
        match row.result:
            case FootnoteError() as error:
                return Done(work=row.work, result=error)
            case ReadFile():
                return await self._settle(row.work, lambda: self._touch(row.work))
            case Draft() as ready:
                done = await self._settle(row.work, lambda: self._publish(row.work, ready))
                return replace(done, notes=ready.cut.notes)

    async def _settle(self, work: Work, write: Callable[[], Awaitable[Indexed]]) -> Done:
        try:
            return Done(work=work, result=await self.blueprint.patience.wait_out(write))
        except FootnoteError as exc:
            return Done(work=work, result=exc)

    async def _touch(self, work: Work) -> Indexed:
        assert work.known is not None, "only what is known can be unchanged"
        found = work.found
        await touch_document(self._database, work.known, size_bytes=found.size_bytes, mtime_ns=found.mtime_ns)
        return Indexed(outcome="unchanged", chunks=0)

    async def _publish(self, work: Work, ready: Draft) -> Indexed:
        """Where the very content is there already, it counts as done: most likely this run did it, and the machine
        that knew is gone."""
        await publish(self._database, self._store, self.blueprint.index, ready.cut.draft, ready.vectors)
        return Indexed(
            outcome="added" if work.known is None else "updated", chunks=len(ready.cut.draft.chunks)
        )
