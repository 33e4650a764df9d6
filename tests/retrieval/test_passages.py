"""Which hits make up a result: copies, long documents, neighbours, and always as many as there can be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.neighbours import gaps_between
from retrieval.passages import PassagePolicy, select
from retrieval.records import Hit, Passage
from tests.retrieval.hits import as_hits, passage_of

TEXT = "".join(f"Sentence {number} is here.\n" for number in range(40))
PLAIN = PassagePolicy(drop_copies=False)


def chunk(number: int, *, path: str = "a.md") -> Passage:
    """The sentence of that number; its neighbours are a line break away."""
    start = TEXT.index(f"Sentence {number} ")
    return passage_of(TEXT, start, TEXT.index("\n", start), path=path)


def names(hits: list[Hit]) -> list[str]:
    return [f"{hit.passage.path[0]}{hit.passage.text.split()[1]}" for hit in hits]


HITS = as_hits(
    [
        chunk(0),
        chunk(5),
        chunk(9),
        chunk(3, path="b.md"),
        chunk(6),
        chunk(7, path="c.md"),
        chunk(1, path="b.md"),
    ]
)


def test_without_any_policy_the_first_k_are_taken_as_they_are() -> None:
    assert select(HITS, 3, PLAIN) == HITS[:3]
    assert PLAIN.handed_in(3) == 3
    assert PassagePolicy(max_per_document=2).handed_in(3) == 12


def test_a_copy_makes_room_for_the_next_hit() -> None:
    hits = as_hits([chunk(0), chunk(0, path="b.md"), chunk(1)])
    first, second = select(hits, 2, PassagePolicy())
    assert [place.path for place in first.also_at] == ["b.md"]
    assert second == hits[2]
    assert select(hits, 2, PLAIN) == hits[:2]


def test_a_cap_gives_other_documents_their_turn() -> None:
    assert names(select(HITS, 4, PassagePolicy(max_per_document=1))) == ["a0", "a5", "b3", "c7"]
    assert names(select(HITS, 4, PassagePolicy(max_per_document=2))) == ["a0", "a5", "b3", "c7"]
    assert names(select(HITS, 3, PassagePolicy(max_per_document=1))) == ["a0", "b3", "c7"]


def test_a_cap_never_leaves_a_result_short() -> None:
    alone = as_hits([chunk(number) for number in range(0, 20, 2)])
    assert select(alone, 8, PassagePolicy(max_per_document=1)) == alone[:8]
    assert len(select(HITS, 7, PassagePolicy(max_per_document=1))) == 7


def test_merged_neighbours_make_room_and_keep_the_best_score() -> None:
    hits = as_hits([chunk(5), chunk(20), chunk(6), chunk(30), chunk(7)])
    gaps = gaps_between([hit.passage for hit in hits])
    texts = {gap: TEXT[gap.char_start : gap.char_end] for gap in gaps}
    result = select(hits, 3, PassagePolicy(merge=True), gap_texts=texts)
    assert [hit.passage.text for hit in result] == [
        "Sentence 5 is here.\nSentence 6 is here.",
        "Sentence 20 is here.",
        "Sentence 30 is here.",
    ]
    assert [(hit.score, hit.rerank) for hit in result] == [(hits[i].score, hits[i].rerank) for i in (0, 1, 3)]


def test_a_merged_passage_keeps_the_copies_of_all_its_members() -> None:
    hits = as_hits([chunk(5), chunk(6), chunk(6, path="b.md"), chunk(5, path="c.md")])
    texts = dict.fromkeys(gaps_between([hit.passage for hit in hits]), "\n")
    (merged,) = select(hits, 4, PassagePolicy(merge=True), gap_texts=texts)
    assert [place.path for place in merged.also_at] == ["c.md", "b.md"]


@pytest.mark.parametrize("policy", [PassagePolicy(), PassagePolicy(merge=True, max_per_document=1)])
def test_nothing_makes_nothing(policy: PassagePolicy) -> None:
    assert select([], 10, policy) == []


POLICIES = st.builds(
    PassagePolicy,
    drop_copies=st.booleans(),
    max_per_document=st.sampled_from([None, 1, 2, 5]),
    merge=st.booleans(),
    longest=st.sampled_from([10, 50, 400]),
)


@given(
    st.lists(
        st.tuples(st.integers(0, 12), st.sampled_from(["a.md", "b.md", "c.md"])), max_size=25, unique=True
    ),
    st.integers(1, 30),
    POLICIES,
)
def test_a_result_is_in_order_as_long_as_can_be_and_exact(
    drawn: list[tuple[int, str]], k: int, policy: PassagePolicy
) -> None:
    hits = as_hits([chunk(number, path=path) for number, path in drawn])
    gaps = gaps_between([hit.passage for hit in hits])
    texts = {gap: TEXT[gap.char_start : gap.char_end] for gap in gaps}
    result = select(hits, k, policy, gap_texts=texts)
    scores = [hit.score for hit in result]
    assert scores == sorted(scores, reverse=True)
    assert not hits or result[0].score == hits[0].score
    for hit in result:
        for place in (hit.passage, *hit.also_at):
            assert TEXT[place.char_start : place.char_end] == place.text
    distinct = len({number for number, _ in drawn}) if policy.drop_copies else len(hits)
    assert len(result) <= k
    if not policy.merge:
        assert len(result) == min(k, distinct)
    shown = {
        number for number, _ in drawn if any(f"Sentence {number} " in hit.passage.text for hit in result)
    }
    if len(result) < k:
        assert shown == {number for number, _ in drawn}
    assert select(hits, k, policy, gap_texts=texts) == result
