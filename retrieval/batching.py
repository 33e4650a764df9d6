"""The one bridge from async code to the synchronous models: callers await, worker tasks run the model on threads.

A batcher owns threads and tasks, as many as the model can use at once, but not the model. The texts of concurrent
callers are pooled into jobs of the model's batch size; a question goes before every document that waits, and where a
model computes on the machine's cores before those at work, too, whose threads have a lower priority.

Nothing is refused for being too much: a caller holds its own texts and waits until they are done, so what waits
here is bounded by the number of callers. A caller that is cancelled or runs out of its own time limit takes its
texts with it; those that a job has already begun run on, and their result is dropped.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from retrieval.embedders import Embedder
from retrieval.errors import FootnoteError, ModelError
from retrieval.priority import lower_thread
from retrieval.rerankers import Reranker
from retrieval.throughput import Done, Throughput

Rows = NDArray[np.float32]
Item = TypeVar("Item")


class EmbeddingBatcher:
    """Embeds for concurrent callers on the threads that `embedder` can use. To be entered with `async with`.

    documents_nice: for an embedder that computes on this machine's cores, on the threads that call it. Documents then
    have threads of their own with this nice value, so that a question waits neither for a thread nor for a core. None
    where a device that takes one batch at a time does the work: there, threads beside would only make it wait.
    Leaving waits for jobs that run and fails callers that still wait with `ModelError`.
    """

    def __init__(self, embedder: Embedder, *, documents_nice: int | None = None) -> None:
        width = embedder.identity.dimension
        self._questions: _Lane[str] = _Lane(
            lambda texts: embedder.embed_query(texts[0])[np.newaxis], batch_size=1, row_shape=(width,)
        )
        self._documents = _Lane(embedder.embed_documents, batch_size=embedder.batch_size, row_shape=(width,))
        name, workers = embedder.identity.model, embedder.parallelism
        self._crews: tuple[_Crew[str], ...]  # of questions first, of documents last
        if documents_nice is None:
            self._crews = (_Crew(name, (self._questions, self._documents), workers=workers),)
        else:
            self._crews = (
                _Crew(name, (self._questions,), workers=workers),
                _Crew(name, (self._documents,), workers=workers, nice=documents_nice),
            )

    async def embed_documents(self, texts: Sequence[str]) -> Rows:
        """Embed texts, in order: float32 of shape (len(texts), dimension). Raises `ModelError`."""
        return await self._crews[-1].run(self._documents, texts)

    async def embed_query(self, text: str) -> Rows:
        """Embed a question, ahead of all documents: float32 of shape (dimension,). Raises `ModelError`."""
        rows = await self._crews[0].run(self._questions, (text,))
        vector: Rows = rows[0]
        return vector

    def waiting(self) -> dict[str, int]:
        """How many texts no job has taken yet."""
        return {"questions": self._questions.waiting, "documents": self._documents.waiting}

    def documents_done(self) -> Done:
        """How many texts of documents were embedded, and in which time."""
        return self._documents.throughput.done()

    async def __aenter__(self) -> Self:
        for crew in self._crews:
            crew.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.gather(*(crew.stop() for crew in self._crews))


class ScoringBatcher:
    """Scores pairs for concurrent callers on the threads that `reranker` can use; as `EmbeddingBatcher`."""

    def __init__(self, reranker: Reranker) -> None:
        self._pairs = _Lane(reranker.score, batch_size=reranker.batch_size, row_shape=())
        self._crew = _Crew(reranker.name, (self._pairs,), workers=reranker.parallelism)

    async def score(self, pairs: Sequence[tuple[str, str]]) -> Rows:
        """Raw logits of (question, passage) pairs, in order: float32 of shape (len(pairs),). Raises `ModelError`."""
        return await self._crew.run(self._pairs, pairs)

    def waiting(self) -> int:
        """How many pairs no job has taken yet."""
        return self._pairs.waiting

    async def __aenter__(self) -> Self:
        self._crew.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._crew.stop()


class PairModel(Protocol):
    """A model that reads pairs of texts and returns several figures of each."""

    @property
    def name(self) -> str: ...

    @property
    def parallelism(self) -> int: ...

    @property
    def batch_size(self) -> int: ...

    def read(self, pairs: Sequence[tuple[str, str]]) -> Rows:
        """float32 of shape (len(pairs), figures)."""
        ...


class ReadingBatcher:
    """Reads pairs for concurrent callers on the threads that `model` can use; as `EmbeddingBatcher`."""

    def __init__(self, model: PairModel, *, figures: int) -> None:
        self._pairs = _Lane(model.read, batch_size=model.batch_size, row_shape=(figures,))
        self._crew = _Crew(model.name, (self._pairs,), workers=model.parallelism)

    async def read(self, pairs: Sequence[tuple[str, str]]) -> Rows:
        """The figures of each pair, in order: float32 of shape (len(pairs), figures). Raises `ModelError`."""
        return await self._crew.run(self._pairs, pairs)

    def waiting(self) -> int:
        """How many pairs no job has taken yet."""
        return self._pairs.waiting

    async def __aenter__(self) -> Self:
        self._crew.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._crew.stop()


@dataclass(slots=True, eq=False)
class _Call(Generic[Item]):
    """One caller's items: the first `taken` are in jobs, `finished` of them have their rows."""

    items: Sequence[Item]
    rows: Rows
    done: asyncio.Future[None]
    taken: int = 0
    finished: int = 0

    @property
    def waiting(self) -> int:
        """Items that no job has taken; a call that failed or was cancelled wants none of its own any more."""
        return 0 if self.done.done() else len(self.items) - self.taken


@dataclass(frozen=True, slots=True, kw_only=True)
class _Share(Generic[Item]):
    """The part of a call that goes into one job."""

    call: _Call[Item]
    start: int
    stop: int

    @property
    def items(self) -> Sequence[Item]:
        return self.call.items[self.start : self.stop]

    def deliver(self, rows: Rows) -> None:
        call = self.call
        call.rows[self.start : self.stop] = rows
        call.finished += self.stop - self.start
        if call.finished == len(call.items) and not call.done.done():
            call.done.set_result(None)

    def fail(self, error: FootnoteError) -> None:
        if not self.call.done.done():
            self.call.done.set_exception(error)


class _Lane(Generic[Item]):
    """The calls that wait for one method of the model, oldest first."""

    def __init__(
        self, run: Callable[[Sequence[Item]], Rows], *, batch_size: int, row_shape: tuple[int, ...]
    ) -> None:
        self.run = run
        self.row_shape = row_shape
        self.throughput = Throughput()
        self._batch_size = batch_size
        self._calls: deque[_Call[Item]] = deque()

    @property
    def waiting(self) -> int:
        """Items that no job has taken."""
        return sum(call.waiting for call in self._calls)

    def add(self, items: Sequence[Item]) -> _Call[Item]:
        rows = np.empty((len(items), *self.row_shape), dtype=np.float32)
        call = _Call(items, rows, asyncio.get_running_loop().create_future())
        self._calls.append(call)
        return call

    def take(self, idle: int) -> list[_Share[Item]]:
        """The next job: at most a batch, and at most an even part for each of the `idle` workers."""
        self._calls = deque(call for call in self._calls if call.waiting)
        even_part = -(-self.waiting // idle)
        room = min(self._batch_size, even_part)
        shares = []
        for call in self._calls:
            if room == 0:
                break
            start, call.taken = call.taken, call.taken + min(room, call.waiting)
            shares.append(_Share(call=call, start=start, stop=call.taken))
            room -= call.taken - start
        return shares

    def fail_all(self, error: ModelError) -> None:
        for call in self._calls:
            if call.waiting:
                call.done.set_exception(error)
        self._calls.clear()


class _Crew(Generic[Item]):
    """Worker tasks, each with a thread, that run the jobs of some lanes; an earlier lane goes before a later one.

    nice: the least nice value of the threads (`retrieval.priority`).
    """

    def __init__(self, model: str, lanes: Sequence[_Lane[Item]], *, workers: int, nice: int = 0) -> None:
        self._model = model
        self._nice = nice
        self._lanes = lanes
        self._workers = workers
        self._idle = workers
        self._work_arrived = asyncio.Event()
        self._threads: ThreadPoolExecutor | None = None
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._threads = ThreadPoolExecutor(
            self._workers,
            thread_name_prefix=self._model,
            initializer=lower_thread,
            initargs=(self._nice,),
        )
        self._tasks = [asyncio.create_task(self._work(self._threads)) for _ in range(self._workers)]

    async def stop(self) -> None:
        """Fail what waits, wait for what runs."""
        threads, self._threads = self._threads, None
        for lane in self._lanes:
            lane.fail_all(ModelError(f"the model {self._model} was closed before it came to this text"))
        self._work_arrived.set()
        try:
            await asyncio.gather(*self._tasks)
        finally:
            if threads is not None:
                threads.shutdown()

    async def run(self, lane: _Lane[Item], items: Sequence[Item]) -> Rows:
        """Queue the items and wait for their rows."""
        if self._threads is None:
            raise ModelError(f"the model {self._model} takes no more texts: it is closed")
        if not items:
            return np.empty((0, *lane.row_shape), dtype=np.float32)
        call = lane.add(items)
        self._work_arrived.set()
        await call.done
        return call.rows

    async def _work(self, threads: ThreadPoolExecutor) -> None:
        while True:
            if job := self._next_job():
                self._idle -= 1
                await self._run_job(threads, *job)
                self._idle += 1
            elif self._threads is None:
                return
            else:
                self._work_arrived.clear()
                await self._work_arrived.wait()

    def _next_job(self) -> tuple[_Lane[Item], list[_Share[Item]]] | None:
        for lane in self._lanes:
            if shares := lane.take(self._idle):
                return lane, shares
        return None

    async def _run_job(
        self, threads: ThreadPoolExecutor, lane: _Lane[Item], shares: Sequence[_Share[Item]]
    ) -> None:
        """Run one job and hand every caller its part; a failure reaches the caller whose items caused it."""
        items = [item for share in shares for item in share.items]
        try:
            with lane.throughput.job(len(items)):
                rows = await asyncio.get_running_loop().run_in_executor(threads, lane.run, items)
                self._check(rows, (len(items), *lane.row_shape))
        except asyncio.CancelledError:
            for share in shares:
                share.fail(ModelError(f"the model {self._model} was stopped at this text"))
            raise
        except Exception as exc:  # noqa: BLE001  nothing is swallowed: it is raised where the caller waits
            if len(shares) == 1:
                shares[0].fail(self._as_ours(exc))
                return
            for share in shares:
                if not share.call.done.done():
                    await self._run_job(threads, lane, [share])
            return
        start = 0
        for share in shares:
            stop = start + share.stop - share.start
            share.deliver(rows[start:stop])
            start = stop

    def _check(self, rows: Rows, expected: tuple[int, ...]) -> None:
        if rows.shape != expected:
            raise ModelError(f"the model {self._model} returned an array {rows.shape}, expected {expected}")

    def _as_ours(self, exc: Exception) -> FootnoteError:
        if isinstance(exc, FootnoteError):
            return exc
        error = ModelError(f"the model {self._model} failed unexpectedly ({type(exc).__name__})")
        error.__cause__ = exc
        return error
