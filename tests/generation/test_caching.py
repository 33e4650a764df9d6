"""Answers that are kept, and those that are shared while they are made."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

import pytest

from generation.answers import NO_USAGE, Answer, AnswerPolicy
from generation.caching import AnswerCache, answer_key
from generation.errors import LLMUnavailableError
from generation.events import AnswerEvent, Delta, Done, Retrieved
from generation.llms.scripted import ScriptedLLM
from generation.rewriting import Turn
from retrieval.kept import Kept
from tests.generation.build import hits, passage

ANSWER = Answer(
    status="refused",
    sentences=(),
    citations=(),
    missing="because",
    looked_at=(),
    model="m",
    usage=NO_USAGE,
)


class Work:
    """Makes an answer piece by piece, when it is let."""

    def __init__(self, *, error: Exception | None = None, model: str = "m", waits: bool = False) -> None:
        self.begun = 0
        self.closed = 0
        self.goes_on = asyncio.Event()
        self._error = error
        self._model = model
        if not waits:
            self.goes_on.set()

    async def make(self) -> AsyncGenerator[AnswerEvent, None]:
        self.begun += 1
        try:
            yield Retrieved(looked_at=())
            yield Delta(text="It ")
            yield Delta(text="is.")
            await self.goes_on.wait()
            if self._error is not None:
                raise self._error
            yield Done(answer=replace(ANSWER, model=self._model))
        finally:
            self.closed += 1


def cache() -> AnswerCache:
    return AnswerCache(Kept(max_bytes=100_000, max_age_s=100))


async def ask(cache: AnswerCache, work: Work, key: str = "k") -> list[AnswerEvent]:
    async with aclosing(cache.stream(key, work.make, model="m")) as events:
        return [event async for event in events]


async def test_the_same_question_is_answered_once_and_says_the_same_again() -> None:
    kept, work = cache(), Work()
    first, second = await ask(kept, work), await ask(kept, work)
    assert work.begun == 1
    assert second == [first[0], Delta(text="It is."), first[-1]]
    await ask(kept, work, key="another")
    assert work.begun == 2
    figures = kept.figures()
    assert (figures.hits, figures.misses, figures.entries) == (1, 2, 2)
    assert figures.size_bytes > 0


async def test_equal_questions_at_one_time_share_one_making() -> None:
    kept, work = cache(), Work(waits=True)
    asked = [asyncio.create_task(ask(kept, work)) for _ in range(5)]
    await asyncio.sleep(0.01)
    work.goes_on.set()
    first, *others = await asyncio.gather(*asked)
    assert work.begun == 1
    assert all(other == first for other in others)
    assert (kept.figures().misses, kept.figures().shared) == (1, 4)


async def test_one_who_leaves_takes_nothing_from_the_others() -> None:
    kept, work = cache(), Work(waits=True)
    first, second = [asyncio.create_task(ask(kept, work)) for _ in range(2)]
    await asyncio.sleep(0.01)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    assert work.closed == 0
    work.goes_on.set()
    assert isinstance((await second)[-1], Done)


async def test_what_nobody_follows_any_more_is_given_up_and_made_anew_for_the_next() -> None:
    kept, work = cache(), Work(waits=True)
    asked = [asyncio.create_task(ask(kept, work)) for _ in range(3)]
    await asyncio.sleep(0.01)
    for task in asked:
        task.cancel()
    await asyncio.gather(*asked, return_exceptions=True)
    assert work.closed == 1
    work.goes_on.set()
    assert isinstance((await ask(kept, work))[-1], Done)
    assert work.begun == 2


async def test_a_follower_who_reads_slowly_holds_nobody_up() -> None:
    kept, work = cache(), Work()
    async with aclosing(kept.stream("k", work.make, model="m")) as slow:
        await anext(slow)
        async with asyncio.timeout(5):
            assert isinstance((await ask(kept, work))[-1], Done)
    assert work.begun == 1


async def test_a_failure_reaches_all_who_share_it_and_is_not_kept() -> None:
    kept = cache()
    failing = Work(error=LLMUnavailableError("it broke off"), waits=True)
    asked = [asyncio.create_task(ask(kept, failing)) for _ in range(3)]
    await asyncio.sleep(0.01)
    failing.goes_on.set()
    for outcome in await asyncio.gather(*asked, return_exceptions=True):
        assert isinstance(outcome, LLMUnavailableError)
    assert isinstance((await ask(kept, Work()))[-1], Done)
    assert failing.begun == 1


async def test_an_answer_of_a_model_that_stepped_in_is_not_kept() -> None:
    kept, work = cache(), Work(model="the second in order")
    await ask(kept, work)
    await ask(kept, work)
    assert work.begun == 2


FOUND = hits(passage("Leave is 16 weeks."), passage("Cats sleep.", path="cats.md"))
POLICY = AnswerPolicy()
LLM = ScriptedLLM("x")
TURNS = [Turn(question="What?", answer="That.")]
KEY = answer_key("Q?", TURNS, FOUND, llm=LLM, policy=POLICY)


def test_the_key_is_the_same_for_what_makes_the_same_answer() -> None:
    rescored = [replace(hit, score=0.1, also_at=(hit.passage,)) for hit in FOUND]
    assert answer_key("Q?", TURNS, rescored, llm=ScriptedLLM("y"), policy=AnswerPolicy()) == KEY
    beyond = hits(*(passage(f"Number {n}.") for n in range(POLICY.passages + 1)))
    assert answer_key("Q?", (), beyond, llm=None, policy=POLICY) == answer_key(
        "Q?", (), beyond[:-1], llm=None, policy=POLICY
    )


@pytest.mark.parametrize(
    "change",
    [
        {"revision": 4},
        {"char_start": 1},
        {"path": "renamed.md"},
        {"title": "Renamed"},
        {"headings": ("Other",)},
        {"page_starts": (0, 3)},
        {"text": "Leave is 17 weeks."},
    ],
)
def test_a_passage_that_differs_in_anything_is_another_key(change: dict[str, object]) -> None:
    changed = [replace(FOUND[0], passage=replace(FOUND[0].passage, **change)), FOUND[1]]  # type: ignore[arg-type]
    assert answer_key("Q?", TURNS, changed, llm=LLM, policy=POLICY) != KEY


def test_so_is_another_question_conversation_model_policy_or_order() -> None:
    keys = {
        KEY,
        answer_key("R?", TURNS, FOUND, llm=LLM, policy=POLICY),
        answer_key("Q?", (), FOUND, llm=LLM, policy=POLICY),
        answer_key("Q?", TURNS, FOUND[::-1], llm=LLM, policy=POLICY),
        answer_key("Q?", TURNS, FOUND[:1], llm=LLM, policy=POLICY),
        answer_key("Q?", TURNS, FOUND, llm=None, policy=POLICY),
        answer_key("Q?", TURNS, FOUND, llm=ScriptedLLM("x", location="outside"), policy=POLICY),
        answer_key("Q?", TURNS, FOUND, llm=LLM, policy=AnswerPolicy(unsupported="mark")),
    }
    assert len(keys) == 8
