"""Nothing is told that is taken back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.answers import CheckedSentence, Citation, Unsupported
from generation.draft import Draft, Told
from generation.events import CitationAdded, SentenceChecked, SentenceDropped
from tests.generation.build import passage

PLACES = [Citation.of(passage("One two three four.", path=f"{n}.md"), 0, 3) for n in range(4)]
SENTENCES = st.lists(st.tuples(st.booleans(), st.lists(st.sampled_from(PLACES), min_size=1, max_size=3)))


def checked(supported: bool, places: list[Citation]) -> CheckedSentence:
    return CheckedSentence(
        text="It is so.",
        supported=supported,
        support=0.9 if supported else 0.1,
        places=tuple(dict.fromkeys(places)) if supported else (),
    )


def tell(draft: Draft, sentences: list[tuple[bool, list[Citation]]]) -> list[Told]:
    told = [event for n, one in enumerate(sentences) for event in draft.add(checked(*one), 10 * (n + 1))]
    return [*told, *draft.finish()]


@pytest.mark.parametrize("policy", ["drop", "mark", "refuse"])
@given(sentences=SENTENCES)
def test_what_was_told_is_what_the_draft_holds_in_the_end(
    policy: Unsupported, sentences: list[tuple[bool, list[Citation]]]
) -> None:
    draft = Draft(policy)
    told = tell(draft, sentences)
    final = [event for event in told if isinstance(event, SentenceChecked)]
    places = [event for event in told if isinstance(event, CitationAdded)]
    assert tuple(event.sentence for event in final) == draft.sentences
    assert [event.number for event in final] == [*range(len(final))]
    assert tuple(event.citation for event in places) == draft.citations
    assert [event.number for event in places] == [*range(len(places))]
    assert draft.dropped == sum(isinstance(event, SentenceDropped) for event in told)
    known = 0
    for event in told:
        known += isinstance(event, CitationAdded)
        if isinstance(event, SentenceChecked):
            assert all(number < known for number in event.sentence.citations)


def test_dropping_tells_what_is_supported_at_once() -> None:
    draft = Draft("drop")
    assert [type(event) for event in draft.add(checked(True, PLACES[:1]), 10)] == [
        CitationAdded,
        SentenceChecked,
    ]
    assert [*draft.add(checked(False, PLACES), 20)] == [SentenceDropped(settled=20)]
    assert [*draft.finish()] == []


def test_marking_waits_for_a_supported_sentence_because_without_one_there_is_no_answer() -> None:
    draft = Draft("mark")
    assert [*draft.add(checked(False, PLACES), 10)] == []
    told = [*draft.add(checked(True, PLACES[:1]), 20)]
    assert [event.sentence.supported for event in told if isinstance(event, SentenceChecked)] == [False, True]
    alone = Draft("mark")
    assert tell(alone, [(False, PLACES)] * 2) == [SentenceDropped(settled=10), SentenceDropped(settled=20)]


def test_refusing_tells_nothing_until_all_are_known_to_be_supported() -> None:
    draft = Draft("refuse")
    assert [*draft.add(checked(True, PLACES[:1]), 10)] == []
    assert any(isinstance(event, SentenceChecked) for event in draft.finish())
    assert tell(Draft("refuse"), [(True, PLACES[:1]), (False, PLACES)]) == [SentenceDropped(settled=20)]
