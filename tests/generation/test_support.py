from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from generation.answers import AnswerPolicy, CheckedSentence
from generation.citations import CitedSentence
from generation.context import NumberedPassage
from generation.entailment import FIGURES, EntailmentModel
from generation.sentences import split_sentences
from generation.support import check_support
from retrieval.batching import ReadingBatcher, ScoringBatcher
from retrieval.rerankers import Reranker
from tests.generation.build import passage

LEAVE = passage(
    "Birth parents have 26 weeks of leave. The other parent has 6 weeks of leave on full pay. "
    "Tomás Brennan, the Head of People, confirms the dates within ten working days.",
    path="leave.md",
    title="Parental leave at Ardfallen",
)
HOTELS = passage(
    "The hotel limit in Berlin is €175 a night. In Tokyo it is €230.", path="travel.md", title="Travel"
)
PASSAGES = [NumberedPassage(number=1, passage=LEAVE), NumberedPassage(number=2, passage=HOTELS)]


@pytest.fixture
async def scorer(reranker: Reranker) -> AsyncIterator[ScoringBatcher]:
    async with ScoringBatcher(reranker) as batcher:
        yield batcher


@pytest.fixture(params=["likeness", "entailment"])
async def reader(
    request: pytest.FixtureRequest, entailer: EntailmentModel
) -> AsyncIterator[ReadingBatcher | None]:
    """Both ways of checking."""
    if request.param == "likeness":
        yield None
        return
    async with ReadingBatcher(entailer, figures=FIGURES) as batcher:
        yield batcher


async def check(
    text: str,
    *cited: int,
    scorer: ScoringBatcher,
    reader: ReadingBatcher | None,
    question: str = "How long is the leave?",
) -> CheckedSentence:
    sentence = CitedSentence(text=text, separator=" ", passages=cited)
    return await check_support(
        sentence, PASSAGES, question=question, scorer=scorer, policy=AnswerPolicy(), reader=reader
    )


async def test_a_stated_sentence_is_supported_by_the_sentence_that_states_it(
    scorer: ScoringBatcher, reader: ReadingBatcher | None
) -> None:
    checked = await check(
        "The other parent gets six weeks of leave on full pay.", 1, scorer=scorer, reader=reader
    )
    assert checked.supported
    assert checked.support > 0.7
    (place,) = checked.places
    assert place.quote == "The other parent has 6 weeks of leave on full pay."
    assert LEAVE.text[place.char_start : place.char_end] == place.quote


@pytest.mark.parametrize(
    "text",
    [
        "The other parent gets eight weeks of leave on full pay.",
        "The other parent gets 26 weeks of leave on full pay for 9 months.",
        "Siobhán Keane, the Head of People, confirms the dates within ten working days.",
        "The hotel limit in Vienna is €175 a night.",
        "Staff may bring their dogs to the office.",
        "I hope this helps!",
        "Yes.",
    ],
)
async def test_a_changed_number_or_name_and_a_made_up_sentence_are_not_supported(
    text: str, scorer: ScoringBatcher, reader: ReadingBatcher | None
) -> None:
    checked = await check(text, 1, 2, scorer=scorer, reader=reader)
    assert not checked.supported
    assert checked.support < 0.5
    assert checked.places == ()


@pytest.mark.parametrize("cited", [(), (2,)])
async def test_a_sentence_with_no_or_the_wrong_citation_gets_the_right_one(
    cited: tuple[int, ...], scorer: ScoringBatcher, reader: ReadingBatcher | None
) -> None:
    checked = await check("Birth parents have 26 weeks of leave.", *cited, scorer=scorer, reader=reader)
    assert checked.supported
    assert [place.path for place in checked.places] == ["leave.md"]


async def test_a_sentence_that_draws_on_two_places_is_given_both(
    scorer: ScoringBatcher, reader: ReadingBatcher | None
) -> None:
    checked = await check(
        "Birth parents have 26 weeks of leave and other parents 6 weeks.", 1, scorer=scorer, reader=reader
    )
    assert checked.supported
    # The one that supports it more comes first, and that is for the model to say.
    assert {place.quote for place in checked.places} == {
        "Birth parents have 26 weeks of leave.",
        "The other parent has 6 weeks of leave on full pay.",
    } or len(checked.places) == 1


async def test_a_title_may_name_what_the_sentence_names(
    scorer: ScoringBatcher, reader: ReadingBatcher | None
) -> None:
    assert (
        await check("Birth parents at Ardfallen have 26 weeks of leave.", 1, scorer=scorer, reader=reader)
    ).supported


async def test_a_short_answer_is_read_together_with_its_question(
    scorer: ScoringBatcher, reader: ReadingBatcher | None
) -> None:
    question = "What is the hotel limit in Berlin?"
    assert (await check("€175 a night.", 2, scorer=scorer, reader=reader, question=question)).supported
    assert not (await check("€150 a night.", 2, scorer=scorer, reader=reader, question=question)).supported


async def test_without_passages_nothing_is_supported(
    scorer: ScoringBatcher, reader: ReadingBatcher | None
) -> None:
    sentence = CitedSentence(text="It is 16 weeks.", separator="", passages=())
    checked = await check_support(
        sentence, [], question="?", scorer=scorer, policy=AnswerPolicy(), reader=reader
    )
    assert (checked.supported, checked.support, checked.places) == (False, 0.0, ())


@pytest.mark.parametrize(
    "text",
    [
        "Birth parents do not have 26 weeks of leave.",
        "The other parent does not have 6 weeks of leave on full pay.",
        "The hotel limit in Tokyo is not €230.",
    ],
)
async def test_what_the_source_denies_is_not_supported(
    text: str, scorer: ScoringBatcher, entailer: EntailmentModel
) -> None:
    async with ReadingBatcher(entailer, figures=FIGURES) as reader:
        assert not (await check(text, 1, 2, scorer=scorer, reader=reader)).supported


@pytest.mark.parametrize("passage", PASSAGES)
async def test_every_sentence_of_a_source_is_supported_by_itself(
    passage: NumberedPassage, scorer: ScoringBatcher, reader: ReadingBatcher | None
) -> None:
    for sentence in split_sentences(passage.passage.text):
        checked = await check(sentence.text, passage.number, scorer=scorer, reader=reader)
        assert checked.supported
        assert sentence.text in {place.quote for place in checked.places}


@pytest.mark.parametrize(
    ("claim", "source"),
    [
        ("The daily dose is 5 mg.", "The daily dose is 5 g."),
        ("The office opens at 9 am.", "The office opens at 9 pm."),
        ("The freezer is kept at -5 degrees.", "The freezer is kept at 5 degrees."),
    ],
)
async def test_the_same_number_in_another_unit_or_with_another_sign_is_not_supported(
    claim: str, source: str, scorer: ScoringBatcher, reader: ReadingBatcher | None
) -> None:
    for text, supported in ((claim, True), (source, False)):
        checked = await check_support(
            CitedSentence(text=claim, separator="", passages=(1,)),
            [NumberedPassage(number=1, passage=passage(text))],
            question="What does it say?",
            scorer=scorer,
            policy=AnswerPolicy(),
            reader=reader,
        )
        assert checked.supported is supported
