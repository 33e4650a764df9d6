"""Callers await, threads run the model: every caller gets its own rows, whatever happens to the others."""

from __future__ import annotations

import asyncio
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from retrieval.batching import EmbeddingBatcher, ScoringBatcher
from retrieval.embedders import EmbedderIdentity
from retrieval.errors import InvalidRequestError, ModelError

WIDTH = 3
IDENTITY = EmbedderIdentity(
    model="arithmetic",
    fingerprint="0" * 64,
    dimension=WIDTH,
    pooling="mean",
    normalized=False,
    query_prefix="",
    document_prefix="",
    precision="fp32",
)


class Model:
    """An embedder and reranker whose rows are arithmetic, that keeps a record of its jobs.

    `before` runs on the model's thread at the start of each job and may wait or raise.
    """

    identity = IDENTITY
    name = "arithmetic"
    max_tokens = 512
    cosine_bounds = (0.0, 1.0)

    def __init__(
        self,
        *,
        parallelism: int = 1,
        batch_size: int = 4,
        before: Callable[[Sequence[str]], None] = lambda _: None,
    ) -> None:
        self.parallelism = parallelism
        self.batch_size = batch_size
        self.jobs: list[list[str]] = []
        self._before = before

    def count_tokens(self, text: str) -> int:
        return len(text)

    def token_ends(self, text: str) -> Sequence[int]:
        return range(1, len(text) + 1)

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self._begin(texts)
        return np.array([_row(text) for text in texts], dtype=np.float32).reshape(-1, WIDTH)

    def embed_query(self, text: str) -> NDArray[np.float32]:
        self._begin([f"question {text}"])
        return np.array(_row(text), dtype=np.float32)

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        self._begin([" | ".join(pair) for pair in pairs])
        return np.array([_score(*pair) for pair in pairs], dtype=np.float32)

    def close(self) -> None:
        raise AssertionError("the batcher does not own the model")

    def _begin(self, texts: Sequence[str]) -> None:
        self.jobs.append(list(texts))
        self._before(texts)


def _row(text: str) -> list[int]:
    return [len(text), sum(map(ord, text)), 1]


def _score(question: str, passage: str) -> int:
    return len(question) - len(passage)


class Gate:
    """Holds the model's thread until it is opened; `entered` is set once a job waits there."""

    def __init__(self) -> None:
        self.entered = threading.Event()
        self.opened = threading.Event()

    def __call__(self, texts: Sequence[str]) -> None:
        self.entered.set()
        assert self.opened.wait(10)

    async def wait_entered(self) -> None:
        assert await asyncio.to_thread(self.entered.wait, 10)


async def _queued(*tasks: asyncio.Task[NDArray[np.float32]]) -> None:
    """Let tasks run up to where they wait."""
    for _ in range(5):
        await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)


calls = st.lists(
    st.tuples(
        st.lists(st.text("abc ", max_size=6), max_size=9),
        st.integers(0, 3),
        st.sampled_from(["keep", "cancel"]),
    ),
    max_size=8,
)


@settings(max_examples=60, deadline=None)
@given(calls=calls, parallelism=st.integers(1, 3), batch_size=st.integers(1, 5))
def test_every_caller_gets_its_own_rows_in_order_whoever_else_comes_and_goes(
    calls: list[tuple[list[str], int, str]], parallelism: int, batch_size: int
) -> None:
    model = Model(parallelism=parallelism, batch_size=batch_size)

    async def run() -> None:
        async with EmbeddingBatcher(model) as batcher:
            tasks = []
            for texts, turns, fate in calls:
                task = asyncio.create_task(batcher.embed_documents(texts))
                for _ in range(turns):
                    await asyncio.sleep(0)
                if fate == "cancel":
                    task.cancel()
                tasks.append(task)
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for (texts, _, _), result in zip(calls, results, strict=True):
            if not isinstance(result, BaseException):
                assert result.tolist() == [_row(text) for text in texts]
        kept = [result for result in results if not isinstance(result, asyncio.CancelledError)]
        assert len(kept) >= sum(fate == "keep" for _, _, fate in calls)

    asyncio.run(run())
    assert all(1 <= len(job) <= batch_size for job in model.jobs)


async def test_texts_of_documents_are_counted_and_questions_are_not() -> None:
    async with EmbeddingBatcher(Model()) as batcher:
        await batcher.embed_documents(["a", "b", "c"])
        await batcher.embed_query("a")
        done = batcher.documents_done()
        assert done.items == 3
        assert done.seconds > 0


async def test_pairs_are_scored_in_order() -> None:
    pairs = [("why", "because"), ("who", "no one"), ("", "")] * 5
    async with ScoringBatcher(Model(parallelism=2)) as batcher:
        logits, none = await asyncio.gather(batcher.score(pairs), batcher.score([]))
    assert logits.tolist() == [_score(*pair) for pair in pairs]
    assert logits.dtype == np.float32
    assert none.shape == (0,)


async def test_no_texts_need_no_job() -> None:
    model = Model()
    async with EmbeddingBatcher(model) as batcher:
        assert (await batcher.embed_documents([])).shape == (0, WIDTH)
    assert model.jobs == []


async def test_a_question_goes_before_the_documents_that_wait() -> None:
    gate = Gate()
    model = Model(before=gate, batch_size=2)
    async with EmbeddingBatcher(model) as batcher:
        document = asyncio.create_task(batcher.embed_documents([f"text {index}" for index in range(6)]))
        await gate.wait_entered()
        question = asyncio.create_task(batcher.embed_query("why"))
        await _queued(document, question)
        gate.opened.set()
        assert (await question).tolist() == _row("why")
        await document
    assert model.jobs[1] == ["question why"]


async def test_a_question_does_not_wait_for_documents_that_have_threads_of_their_own() -> None:
    gate = Gate()
    model = Model(before=lambda texts: None if texts == ["question why"] else gate(texts))
    async with EmbeddingBatcher(model, documents_nice=0) as batcher:
        document = asyncio.create_task(batcher.embed_documents(["text"] * 6))
        await gate.wait_entered()
        assert (await batcher.embed_query("why")).tolist() == _row("why")
        assert not document.done()
        gate.opened.set()
        assert (await document).tolist() == [_row("text")] * 6


@pytest.mark.skipif(sys.platform != "linux", reason="only there a thread has a priority of its own")
async def test_threads_of_documents_give_way_and_those_of_questions_do_not() -> None:
    seen: dict[str, int] = {}

    def note(texts: Sequence[str]) -> None:
        seen[texts[0]] = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    ours = os.getpriority(os.PRIO_PROCESS, 0)
    async with EmbeddingBatcher(Model(before=note), documents_nice=19) as batcher:
        await asyncio.gather(batcher.embed_documents(["text"]), batcher.embed_query("why"))
    assert seen == {"text": 19, "question why": ours}


async def test_closing_ends_the_threads_of_both_questions_and_documents() -> None:
    before = set(threading.enumerate())
    async with EmbeddingBatcher(Model(), documents_nice=0) as batcher:
        await asyncio.gather(batcher.embed_documents(["text"]), batcher.embed_query("why"))
    for work in (batcher.embed_documents(["late"]), batcher.embed_query("late")):
        with pytest.raises(ModelError, match="it is closed"):
            await work
    assert not [thread for thread in set(threading.enumerate()) - before if "arithmetic" in thread.name]


async def test_one_long_document_keeps_every_thread_busy() -> None:
    together = threading.Barrier(2)
    model = Model(parallelism=2, batch_size=16, before=lambda _: _wait_for_the_other(together))
    async with EmbeddingBatcher(model) as batcher:
        await batcher.embed_documents(["a part"] * 4)
    assert sorted(map(len, model.jobs)) == [2, 2]


def _wait_for_the_other(barrier: threading.Barrier) -> None:
    barrier.wait(10)


async def test_the_texts_of_many_callers_share_a_job() -> None:
    gate = Gate()
    model = Model(before=gate, batch_size=8)
    async with EmbeddingBatcher(model) as batcher:
        first = asyncio.create_task(batcher.embed_documents(["first"]))
        await gate.wait_entered()
        others = [asyncio.create_task(batcher.embed_documents([f"other {index}"])) for index in range(5)]
        await _queued(*others)
        gate.opened.set()
        await asyncio.gather(first, *others)
    assert model.jobs == [["first"], [f"other {index}" for index in range(5)]]


async def test_a_cancelled_caller_takes_its_waiting_texts_with_it() -> None:
    gate = Gate()
    model = Model(before=gate, batch_size=2)
    async with EmbeddingBatcher(model) as batcher:
        cancelled = asyncio.create_task(batcher.embed_documents(["begun", "begun", "never", "never"]))
        await gate.wait_entered()
        patient = asyncio.create_task(batcher.embed_documents(["patient"]))
        await _queued(cancelled, patient)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        gate.opened.set()
        assert (await patient).tolist() == [_row("patient")]
    assert model.jobs == [["begun", "begun"], ["patient"]]


async def test_a_caller_may_set_a_time_limit_of_its_own() -> None:
    gate = Gate()
    async with EmbeddingBatcher(Model(before=gate)) as batcher:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await batcher.embed_query("slow")
        gate.opened.set()


def _fail_on_poison(texts: Sequence[str]) -> None:
    if "poison" in texts:
        raise ModelError("the model choked")


async def test_a_failure_reaches_the_caller_whose_text_caused_it_and_no_other() -> None:
    gate = Gate()

    def before(texts: Sequence[str]) -> None:
        if texts[0] == "first":
            gate(texts)
        _fail_on_poison(texts)

    model = Model(before=before, batch_size=16)
    async with EmbeddingBatcher(model) as batcher:
        first = asyncio.create_task(batcher.embed_documents(["first"]))
        await gate.wait_entered()
        good = asyncio.create_task(batcher.embed_documents(["good", "fine"]))
        bad = asyncio.create_task(batcher.embed_documents(["good", "poison"]))
        other = asyncio.create_task(batcher.embed_documents(["well"]))
        await _queued(good, bad, other)
        gate.opened.set()
        results = await asyncio.gather(first, good, bad, other, return_exceptions=True)
        assert [isinstance(result, ModelError) for result in results] == [False, False, True, False]
        assert (await good).tolist() == [_row("good"), _row("fine")]
        assert (await batcher.embed_documents(["after"])).tolist() == [_row("after")]
    assert model.jobs[1] == ["good", "fine", "good", "poison", "well"], "one job held them all"


async def test_a_failed_documents_other_texts_are_not_begun() -> None:
    model = Model(before=_fail_on_poison, batch_size=1)
    async with EmbeddingBatcher(model) as batcher:
        with pytest.raises(ModelError, match="the model choked"):
            await batcher.embed_documents(["fine", "poison", "never", "never"])
    assert model.jobs == [["fine"], ["poison"]]


async def test_a_request_that_the_model_refuses_is_refused_as_such() -> None:
    def refuse(texts: Sequence[str]) -> None:
        raise InvalidRequestError("not valid Unicode")

    async with EmbeddingBatcher(Model(before=refuse)) as batcher:
        with pytest.raises(InvalidRequestError, match="not valid Unicode"):
            await batcher.embed_query("odd")


async def test_an_unexpected_failure_is_a_model_error_with_its_cause_and_without_the_text() -> None:
    def crash(texts: Sequence[str]) -> None:
        raise KeyError(texts[0])

    async with EmbeddingBatcher(Model(before=crash)) as batcher:
        with pytest.raises(
            ModelError, match=r"the model arithmetic failed unexpectedly \(KeyError\)"
        ) as failure:
            await batcher.embed_documents(["a secret"])
        assert isinstance(failure.value.__cause__, KeyError)
        assert "secret" not in str(failure.value)


async def test_rows_of_a_wrong_shape_are_a_model_error() -> None:
    class Short(Model):
        def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
            return super().embed_documents(texts)[:-1]

    async with EmbeddingBatcher(Short()) as batcher:
        with pytest.raises(ModelError, match=r"returned an array \(1, 3\), expected \(2, 3\)"):
            await batcher.embed_documents(["one", "two"])


async def test_closing_waits_for_what_runs_fails_what_waits_and_leaves_nothing_behind() -> None:
    threads_before = set(threading.enumerate())
    tasks_before = asyncio.all_tasks()
    gate = Gate()
    batcher = EmbeddingBatcher(Model(before=gate, batch_size=2))
    async with batcher:
        running = asyncio.create_task(batcher.embed_documents(["begun", "begun"]))
        await gate.wait_entered()
        waiting = asyncio.create_task(batcher.embed_documents(["late"]))
        await _queued(running, waiting)
        asyncio.get_running_loop().call_later(0.05, gate.opened.set)
    assert (await running).tolist() == [_row("begun")] * 2
    with pytest.raises(ModelError, match="was closed before it came to this text"):
        await waiting
    with pytest.raises(ModelError, match="it is closed"):
        await batcher.embed_documents(["too late"])
    assert asyncio.all_tasks() == tasks_before
    assert [
        thread for thread in set(threading.enumerate()) - threads_before if "arithmetic" in thread.name
    ] == []


async def test_leaving_in_a_hurry_still_answers_every_caller() -> None:
    gate = Gate()
    model = Model(before=gate)

    async def serve(started: asyncio.Future[asyncio.Task[NDArray[np.float32]]]) -> None:
        async with EmbeddingBatcher(model) as batcher:
            started.set_result(asyncio.create_task(batcher.embed_documents(["begun"])))
            await gate.wait_entered()

    started: asyncio.Future[asyncio.Task[NDArray[np.float32]]] = asyncio.get_running_loop().create_future()
    server = asyncio.create_task(serve(started))
    caller = await started
    await gate.wait_entered()
    await asyncio.sleep(0.05)
    server.cancel()
    threading.Timer(0.05, gate.opened.set).start()
    with pytest.raises(asyncio.CancelledError):
        await server
    with pytest.raises(ModelError, match="was stopped at this text"):
        await caller


async def test_the_event_loop_pays_little_for_a_text() -> None:
    model = Model(parallelism=2, batch_size=4)
    texts = ["text"] * 2000
    async with EmbeddingBatcher(model) as batcher:
        begin = time.process_time()
        await asyncio.gather(
            *(batcher.embed_documents(texts[start : start + 10]) for start in range(0, 2000, 10))
        )
        spent_s = time.process_time() - begin
    assert spent_s / len(texts) < 0.001, "embedding one takes 10 to 40 ms"
