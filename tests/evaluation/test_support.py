"""Claims put to the real check, as sentences of an answer are."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

import pytest

from evaluation.support import ClaimJudge
from evaluation.support_sets import Claim
from generation.answers import AnswerPolicy
from generation.entailment import FIGURES, EntailmentModel, Readings
from retrieval.batching import ReadingBatcher, ScoringBatcher
from retrieval.rerankers import Reranker

SOURCE = ("Badgers dig tunnels below the garden.", "They eat worms at night.", "Owls fly over the garden.")


class Counted:
    """Passes pairs on, and keeps them."""

    def __init__(self, reader: ReadingBatcher) -> None:
        self._reader = reader
        self.pairs: list[tuple[str, str]] = []

    async def read(self, pairs: Sequence[tuple[str, str]]) -> Readings:
        self.pairs += pairs
        return await self._reader.read(pairs)


@pytest.fixture
async def scorer(reranker: Reranker) -> AsyncIterator[ScoringBatcher]:
    async with ScoringBatcher(reranker) as batcher:
        yield batcher


@pytest.fixture
async def reader(entailer: EntailmentModel) -> AsyncIterator[Counted]:
    async with ReadingBatcher(entailer, figures=FIGURES) as batcher:
        yield Counted(batcher)


def claim(text: str, source: tuple[str, ...] = SOURCE, *, whole_answer: bool = False) -> Claim:
    return Claim(
        claim=text,
        source=source,
        label="stated",
        set_name="zoo",
        group="g",
        reading="",
        whole_answer=whole_answer,
    )


async def test_a_claim_is_judged_by_its_source_and_every_pair_is_read_once(
    scorer: ScoringBatcher, reader: Counted
) -> None:
    judge = ClaimJudge(scorer=scorer, reader=reader, policy=AnswerPolicy())
    stated = await judge.judge(claim("Badgers dig tunnels below the garden."))
    denied = await judge.judge(claim("Badgers do not dig tunnels below the garden."))
    assert len(reader.pairs) == len({*reader.pairs}) == 8
    assert stated.support > 0.5 > denied.support
    assert stated.quotes == ("Badgers dig tunnels below the garden.",)
    assert denied.quotes == ()
    assert stated.contradicted is not None
    assert denied.contradicted is not None
    assert denied.contradicted > stated.contradicted
    assert stated.likeness is not None
    assert stated.likeness > 0.9


async def test_likeness_alone_tells_no_contradiction_and_the_baseline_may_be_left_out(
    scorer: ScoringBatcher,
) -> None:
    judge = ClaimJudge(scorer=scorer, reader=None, policy=AnswerPolicy(), baseline=False)
    judged = await judge.judge(claim("Badgers dig tunnels below the garden."))
    assert judged.support > 0.5
    assert (judged.contradicted, judged.likeness) == (None, None)


async def test_an_answer_is_supported_as_well_as_its_least_supported_sentence(
    scorer: ScoringBatcher, reader: Counted
) -> None:
    judge = ClaimJudge(scorer=scorer, reader=reader, policy=AnswerPolicy())
    said, made_up = "Badgers dig tunnels below the garden.", "Tickets cost four euros."
    answer = await judge.judge(claim(f"{said} {made_up}", whole_answer=True))
    alone = [await judge.judge(claim(text)) for text in (said, made_up)]
    assert answer.support == pytest.approx(min(each.support for each in alone))
    assert answer.likeness == pytest.approx(min(each.likeness or 0.0 for each in alone))


async def test_what_has_no_words_is_not_supported(scorer: ScoringBatcher, reader: Counted) -> None:
    judge = ClaimJudge(scorer=scorer, reader=reader, policy=AnswerPolicy())
    for nothing in (claim(""), claim("…", whole_answer=True), claim("Owls fly.", ("…",))):
        judged = await judge.judge(nothing)
        assert (judged.support, judged.contradicted) == (0.0, 0.0)
