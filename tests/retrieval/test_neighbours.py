"""Neighbours: texts stay exact, nothing is lost, and only what really follows is joined."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.database import Database
from retrieval.neighbours import LONGEST_GAP, NO_GAPS, Gap, gaps_between, merge_neighbours, read_gaps
from retrieval.records import Passage, Scope
from retrieval.search import Searcher, SearchPolicy
from retrieval.stores.pgvector import PgvectorStore
from tests.retrieval.corpus import QueryBagOfWords, make_corpus
from tests.retrieval.hits import passage_of

TEXT = "One is here.\n\nTwo is here.\nThree is here. Four is here."


def cut(words: str, **others: object) -> Passage:
    start = TEXT.index(words)
    return passage_of(TEXT, start, start + len(words), **others)  # type: ignore[arg-type]


def gap_texts(passages: Sequence[Passage], text: str = TEXT) -> dict[Gap, str]:
    return {gap: text[gap.char_start : gap.char_end] for gap in gaps_between(passages)}


def merged(*passages: Passage, longest: int = 1_000) -> list[str]:
    groups = merge_neighbours(passages, gap_texts=gap_texts(passages), longest=longest)
    return [group.passage.text for group in groups]


def test_chunks_that_follow_one_another_become_one_with_the_white_space_between_them() -> None:
    assert merged(cut("Two is here."), cut("One is here.")) == ["One is here.\n\nTwo is here."]


def test_overlapping_chunks_hold_the_overlap_once() -> None:
    assert merged(cut("Two is here.\nThree"), cut("Three is here.")) == ["Two is here.\nThree is here."]
    assert merged(cut("Two is here.\nThree is here."), cut("is here.\nThree")) == [
        "Two is here.\nThree is here."
    ]


def test_what_is_apart_stays_apart() -> None:
    assert merged(cut("Four is here."), cut("One is here.")) == ["Four is here.", "One is here."]


def test_a_gap_that_holds_words_or_was_not_read_is_not_merged_across() -> None:
    one, three = cut("Two is here."), cut("is here. Four")
    assert gaps_between([one, three]) != []
    assert len(merged(one, three)) == 2
    neighbours = [cut("One is here."), cut("Two is here.")]
    assert len(merge_neighbours(neighbours, gap_texts=NO_GAPS, longest=100)) == 2


@pytest.mark.parametrize(
    "other", [{"path": "b.md"}, {"revision": 2}, {"headings": ("Fees",)}, {"title": "Fees"}]
)
def test_other_documents_revisions_and_headings_are_no_neighbours(other: dict[str, object]) -> None:
    assert len(merged(cut("One is here."), cut("Two is here.", **other))) == 2
    assert gaps_between([cut("One is here."), cut("Two is here.", **other)]) == []


def test_a_merged_passage_has_the_place_and_the_chunk_of_its_best_and_the_page_of_its_beginning() -> None:
    pages = (0, TEXT.index("Two"))
    best = passage_of(TEXT, TEXT.index("Two"), TEXT.index("Three") - 1, page_starts=pages)
    other, before = cut("Four is here."), passage_of(TEXT, 0, len("One is here."), page_starts=pages)
    first, second = merge_neighbours(
        [best, other, before], gap_texts=gap_texts([best, other, before]), longest=100
    )
    assert first.members == (0, 2)
    assert first.passage.chunk_id == best.chunk_id
    assert (best.page, first.passage.page) == (2, 1)
    assert second.members == (1,)


def test_the_one_between_joins_both_sides_into_the_best_place() -> None:
    passages = [cut("One is here."), cut("Four is here."), cut("Three is here."), cut("Two is here.")]
    (group,) = merge_neighbours(passages, gap_texts=gap_texts(passages), longest=100)
    assert group.passage.text == TEXT
    assert group.members[0] == 0


def test_nothing_grows_beyond_the_longest() -> None:
    assert merged(cut("Two is here."), cut("One is here."), cut("Three is here."), longest=27) == [
        "One is here.\n\nTwo is here.",
        "Three is here.",
    ]


@st.composite
def cuts(draw: st.DrawFn) -> tuple[str, list[Passage]]:
    """A text and passages of it in any order: touching, apart, overlapping and repeated."""
    text = draw(st.text(alphabet="ab \n😀", min_size=1, max_size=60))
    spans = draw(
        st.lists(
            st.tuples(st.integers(0, len(text) - 1), st.integers(1, 15), st.sampled_from("xy")), max_size=12
        )
    )
    return text, [
        passage_of(text, start, min(len(text), start + length), headings=(heading,))
        for start, length, heading in spans
    ]


@given(cuts(), st.integers(1, 80))
def test_texts_stay_exact_and_nothing_is_lost(drawn: tuple[str, list[Passage]], longest: int) -> None:
    text, passages = drawn
    groups = merge_neighbours(passages, gap_texts=gap_texts(passages, text), longest=longest)
    assert sorted(member for group in groups for member in group.members) == list(range(len(passages)))
    assert [group.members[0] for group in groups] == sorted(group.members[0] for group in groups)
    for group in groups:
        whole = group.passage
        assert text[whole.char_start : whole.char_end] == whole.text
        assert min(group.members) == group.members[0]
        for member in (passages[index] for index in group.members):
            assert member.headings == whole.headings
            assert whole.char_start <= member.char_start <= member.char_end <= whole.char_end
        covered = {offset for index in group.members for offset in range(*_span(passages[index]))}
        assert all(text[offset].isspace() for offset in set(range(*_span(whole))) - covered)
        assert len(group.members) == 1 or len(whole.text) <= longest
    again = merge_neighbours(passages, gap_texts=gap_texts(passages, text), longest=longest)
    assert again == groups


def _span(passage: Passage) -> tuple[int, int]:
    return passage.char_start, passage.char_end


@given(cuts())
def test_only_short_gaps_are_asked_for(drawn: tuple[str, list[Passage]]) -> None:
    gaps = gaps_between(drawn[1])
    assert len(set(gaps)) == len(gaps)
    assert all(0 < gap.char_end - gap.char_start <= LONGEST_GAP for gap in gaps)


def test_a_gap_that_two_sections_share_is_asked_for_once() -> None:
    under = [passage_of("abc", start, start + 1, headings=(heading,)) for heading in "xy" for start in (0, 2)]
    assert len(gaps_between(under)) == 1


async def test_gaps_are_read_from_the_revision_in_code_points(database: Database) -> None:
    corpus = await make_corpus(database, PgvectorStore())
    await corpus.add("animals.md", "Badgers 😀 dig.", "Owls fly.", "Moles dig.")
    searcher = Searcher(
        database=database,
        store=corpus.store,
        embedder=corpus.embedder,
        query_embedder=QueryBagOfWords(corpus.embedder),
        reranker=None,
        policy=SearchPolicy(),
    )
    hits = await searcher.search(corpus.collection, "who can dig or fly", k=5, scope=Scope.everything())
    passages = [hit.passage for hit in hits]
    texts = await read_gaps(database, gaps_between(passages))
    assert sorted(texts.values()) == ["\n\n", "\n\n"]
    (group,) = merge_neighbours(passages, gap_texts=texts, longest=1_000)
    assert group.passage.text == "Badgers 😀 dig.\n\nOwls fly.\n\nMoles dig."


async def test_of_what_is_gone_no_gap_is_read(database: Database) -> None:
    gone = Gap(document_id=uuid4(), revision=1, char_start=0, char_end=2)
    assert await read_gaps(database, [gone]) == {}
    assert await read_gaps(database, []) == {}
