from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from generation.context import choose_context
from generation.evidence import Evidence
from generation.tokens import approximate_tokens
from retrieval.neighbours import gaps_between
from retrieval.records import Passage
from tests.generation.build import passage


def evidence(*passages: Passage) -> list[Evidence]:
    return [Evidence(passage=p, score=0.9, answering=2.0, sentences=()) for p in passages]


def test_passages_are_numbered_from_one() -> None:
    first, second = passage("One.", path="a.md"), passage("Two.", path="b.md")
    chosen = choose_context(evidence(first, second), token_budget=1_000)
    assert [(c.number, c.passage) for c in chosen] == [(1, first), (2, second)]


def test_a_passage_that_does_not_fit_makes_room_for_a_shorter_one() -> None:
    first, long, short = (
        passage("One.", path="a.md"),
        passage("Two. " * 400, path="b.md"),
        passage("Three.", path="c.md"),
    )
    chosen = choose_context(evidence(first, long, short), token_budget=100)
    assert [c.passage for c in chosen] == [first, short]


def test_a_passage_within_another_is_left_out() -> None:
    whole, part = passage("One. Two. Three."), passage("Two.", before="One. ")
    assert [c.passage for c in choose_context(evidence(whole, part), token_budget=1_000)] == [whole]


def test_neighbouring_chunks_are_read_as_one_passage_in_the_place_of_the_better() -> None:
    text = "The leave is\nsixteen weeks. It is paid."
    second, first = passage("sixteen weeks. It is paid.", before="The leave is\n"), passage("The leave is")
    other = passage("Elsewhere.", path="b.md")
    texts = dict.fromkeys(gaps_between([second, first]), "\n")
    chosen = choose_context(evidence(second, other, first), token_budget=1_000, gap_texts=texts)
    assert [(c.number, c.passage.text) for c in chosen] == [(1, text), (2, "Elsewhere.")]
    unread = choose_context(evidence(second, other, first), token_budget=1_000)
    assert [c.passage for c in unread] == [second, first, other]


@given(st.lists(st.integers(0, 19), max_size=12, unique=True), st.integers(20, 400))
def test_merging_takes_no_more_of_the_budget(numbers: list[int], budget: int) -> None:
    sentences = [f"Sentence {number} of the text." for number in range(20)]
    whole = "\u3000".join(sentences)
    passages = [passage(sentences[n], before=whole[: whole.index(sentences[n])]) for n in numbers]
    texts = dict.fromkeys(gaps_between(passages), "\u3000")
    chosen = choose_context(evidence(*passages), token_budget=budget, gap_texts=texts)
    apart = choose_context(evidence(*passages), token_budget=budget)
    assert sum(approximate_tokens(c.passage.text) + 12 for c in chosen) <= max(budget, 40)
    assert all(any(part.passage.text in c.passage.text for c in chosen) for part in apart)
    for c in chosen:
        assert whole[c.passage.char_start : c.passage.char_end] == c.passage.text


@given(st.integers(min_value=-5, max_value=200))
def test_the_best_passage_is_cut_at_a_sentence_rather_than_left_out(budget: int) -> None:
    text = "The first sentence is here. " * 30
    (chosen,) = choose_context(evidence(passage(text, before="Before. ")), token_budget=budget)
    assert chosen.passage.text.endswith("here.")
    assert ("Before. " + text)[chosen.passage.char_start : chosen.passage.char_end] == chosen.passage.text
    assert approximate_tokens(chosen.passage.text) <= max(budget, 10)


def test_tokens_are_estimated_on_the_high_side_in_every_script() -> None:
    assert approximate_tokens("") == 0
    assert approximate_tokens("Staff get sixteen weeks of leave.") >= 7
    assert approximate_tokens("员工享有十六周的产假。") == 11


def test_the_best_passage_is_read_first_and_the_second_best_last() -> None:
    ranked = [passage(f"Text {number}.", path=f"{number}.md") for number in range(1, 6)]
    chosen = choose_context(evidence(*ranked), token_budget=10_000)
    assert [(c.number, c.passage.path) for c in chosen] == [
        (1, "1.md"),
        (2, "3.md"),
        (3, "4.md"),
        (4, "5.md"),
        (5, "2.md"),
    ]


def test_passages_are_counted_in_the_model_s_own_tokens_where_it_tells() -> None:
    found = evidence(*(passage("Words that tell nothing of their tokens.", path=f"{n}.md") for n in range(3)))
    few = choose_context(found, token_budget=80, count=lambda text: 28)
    all_of_them = choose_context(found, token_budget=80, count=lambda text: 1)
    assert (len(few), len(all_of_them)) == (1, 3)
