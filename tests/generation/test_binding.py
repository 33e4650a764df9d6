from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.binding import links

AMAZON = "The Amazon rainforest represents over half of the planet's remaining rainforests."
BRAZIL = "Currently, Brazil is the second-largest global producer of soybeans after the United States."


def test_a_copied_sentence_binds_what_its_source_does() -> None:
    found = links(AMAZON, [BRAZIL, AMAZON])
    assert (found.held, found.broken, found.added) == (1.0, 0, False)


def test_the_subject_of_one_sentence_with_what_another_says_is_a_broken_link() -> None:
    claim = "The Amazon rainforest is the second-largest global producer of soybeans."
    assert links(claim, [AMAZON, BRAZIL]).broken == 1


@pytest.mark.parametrize("between", [", and the", "; the", " while the", ", but the"])
def test_two_sentences_joined_are_two_clauses_and_no_broken_link(between: str) -> None:
    claim = f"The gate opens at nine{between} canteen serves lunch at noon."
    sources = ["The gate opens at nine.", "The canteen serves lunch at noon."]
    assert links(claim, sources).broken == 0


def test_a_relative_clause_that_no_source_holds_is_added() -> None:
    source = ["Warsaw's name in the Polish language is Warszawa."]
    assert links("Warsaw's name in Polish is Warszawa, which is a proper noun.", source).added
    assert not links("Warszawa, which is Warsaw's name in Polish, stands here.", source).added


def test_words_that_no_source_has_are_open_links_and_not_broken_ones() -> None:
    found = links("The harbour office closes early.", ["The office closes at five."])
    assert found.broken == 0
    assert 0 < found.held < 1


@given(st.text(max_size=200), st.lists(st.text(max_size=100), max_size=3))
def test_any_text_has_links(claim: str, sentences: list[str]) -> None:
    found = links(claim, sentences)
    assert 0 <= found.held <= 1
    assert found.broken >= 0
