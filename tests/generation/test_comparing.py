from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from generation.comparing import MOST_READ, Compared, compare
from generation.entailment import FIGURES, Readings
from retrieval.records import Passage
from tests.generation.build import passage


class OverlapReader:
    """States a pair by the words that both have in common; keeps what it read."""

    def __init__(self) -> None:
        self.pairs: list[tuple[str, str]] = []

    async def read(self, pairs: Sequence[tuple[str, str]]) -> Readings:
        self.pairs += pairs
        rows = np.zeros((len(pairs), FIGURES), dtype=np.float32)
        for row, (claim, source) in zip(rows, pairs, strict=True):
            words = set(claim.lower().split())
            shared = len(words & set(source.lower().split())) / max(1, len(words))
            row[:2] = -11 + 20 * shared, 4 * shared - 2
        return rows


LEAVE = passage("Birth parents have 26 weeks of leave. Other parents have 6 weeks of leave.", path="leave.md")
HOTELS = passage("The hotel limit in Berlin is €175 a night. In Tokyo it is €230.", path="travel.md")
LONG = passage(" ".join(f"Rule {i} of the house concerns room {i}." for i in range(80)), path="rules.md")


async def compared(claim: str, passages: Sequence[Passage], reader: OverlapReader | None = None) -> Compared:
    return await compare(claim, passages, reader=reader or OverlapReader())


async def test_few_pairs_are_read_however_long_the_passages_are() -> None:
    reader = OverlapReader()
    await compared("Rule 17 of the house concerns room 17.", [LONG, LEAVE, HOTELS], reader)
    assert len(reader.pairs) == MOST_READ + 1


async def test_the_place_is_the_sentence_that_says_so() -> None:
    found = await compared("Birth parents have 26 weeks of leave.", [HOTELS, LONG, LEAVE])
    assert found.places[0][1].text == "Birth parents have 26 weeks of leave."


async def test_a_claim_from_two_sentences_is_given_both_places() -> None:
    found = await compared("Birth parents have 26 weeks of leave, other parents 6 weeks.", [LEAVE])
    assert {sentence.text for _, sentence in found.places} == {
        "Birth parents have 26 weeks of leave.",
        "Other parents have 6 weeks of leave.",
    }


async def test_the_order_of_passages_does_not_matter() -> None:
    passages = [LEAVE, HOTELS, LONG]
    first = await compared("The hotel limit in Berlin is €175 for parents.", passages)
    for seed in range(5):
        random.Random(seed).shuffle(passages)
        assert await compared("The hotel limit in Berlin is €175 for parents.", passages) == first


async def test_without_words_or_passages_nothing_is_stated() -> None:
    assert (await compared("It is 16 weeks.", [])).verdict.stated == 0.0
    assert (await compared("…", [LEAVE])).places == ()


@settings(max_examples=50, deadline=None)
@given(claim=st.text(max_size=80), texts=st.lists(st.text(min_size=1, max_size=120), max_size=3))
async def test_any_text_is_compared_without_an_error(claim: str, texts: list[str]) -> None:
    passages = [passage(text, path=f"{i}.md") for i, text in enumerate(texts)]
    found = await compared(claim, passages)
    assert 0 <= found.verdict.stated <= 1
    assert 0 <= found.verdict.contradicted <= 1
    for place, sentence in found.places:
        assert place.text[sentence.start : sentence.end] == sentence.text
