"""What of a model's reply can be searched for, and why nothing can."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.replies import (
    LONGEST_PASSAGE,
    LONGEST_QUERY,
    Unusable,
    is_same,
    read_passage,
    read_queries,
    read_query,
)

QUESTION = "hi, how long does the other parent stay at home after 1 May 2024?"
QUERY = "parental leave of the other parent after 1 May 2024"


@pytest.mark.parametrize(
    "reply",
    [
        QUERY,
        f"  {QUERY}\n",
        f'"{QUERY}"',
        f"Query: {QUERY}",
        f"**Rewritten query:** {QUERY}",
        f"Search query: “{QUERY}”",
        f"The answer is: {QUERY}",
        f"1. {QUERY}\n2. something else",
        f"Here is the query:\n\n{QUERY}",
        f"Sure! Here is a better query:\n```\n{QUERY}\n```",
        f"<think>They want leave.\nSo…</think>\n{QUERY}",
        f"{QUERY}\x00",
    ],
)
def test_a_query_is_taken_out_of_what_it_is_wrapped_in(reply: str) -> None:
    assert read_query(reply, QUESTION) == QUERY


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ("", "wrote nothing"),
        ("\n```\n```\n", "wrote nothing"),
        ("***", "wrote nothing"),
        ("<think>It never ends", "wrote nothing"),
        ("I'm sorry, but I can't help with that.", "declined"),
        ("As an AI, I do not stay at home.", "declined"),
        ("I don't have information on parental leave.", "declined"),
        ("parent " * 100, "wrote 699 characters"),
        ("weather tomorrow in Lisbon 1 2024", "no word in common"),
        ("parental leave of the other parent", "left out 2 of the question's numbers"),
        ("parental leave after 1 May 2023", "left out 1 of the question's numbers"),
    ],
)
def test_what_cannot_be_searched_for_is_told(reply: str, why: str) -> None:
    result = read_query(reply, QUESTION)
    assert isinstance(result, Unusable)
    assert why in result.why


def test_codes_are_kept_whatever_their_case() -> None:
    assert (
        read_query("error e-4017 printer", "What is error E-4017 of the printer?") == "error e-4017 printer"
    )
    assert isinstance(read_query("error 4017 printer", "What is error X4017 of the printer?"), Unusable)


def test_a_short_name_is_a_word_in_common() -> None:
    assert read_query("API definition", "What is an API?") == "API definition"
    assert read_query("anything at all", "What is it?") == "anything at all"


def test_words_may_come_from_the_conversation() -> None:
    assert isinstance(read_query("Is Lisbon warm?", "And in Porto?"), Unusable)
    assert read_query("Is Lisbon warm?", "And in Porto?", background="What of Lisbon?") == "Is Lisbon warm?"


def test_a_question_in_another_script_is_rewritten_too() -> None:
    assert read_query("员工 产假 时间", "员工有多少周的产假？") == "员工 产假 时间"
    assert isinstance(read_query("天气", "员工有多少周的产假？"), Unusable)


def test_variants_are_different_from_each_other_and_from_the_question() -> None:
    reply = (
        "Here are three queries:\n1) leave of the other parent\n2) Leave of the other parent.\n"
        f"3) {QUESTION.upper()}\n- paternity: how long do parents stay\n* parent at home, weeks"
    )
    assert read_queries(reply, QUESTION, most=2, cut=False) == [
        "leave of the other parent",
        "paternity: how long do parents stay",
    ]


def test_a_line_that_the_limit_cut_off_is_left_out() -> None:
    reply = "leave of the other parent\nhow long may the oth"
    assert read_queries(reply, QUESTION, most=3, cut=True) == ["leave of the other parent"]
    assert isinstance(read_queries("how long may the oth", QUESTION, most=3, cut=True), Unusable)


def test_only_the_question_again_is_no_variant() -> None:
    assert read_queries(QUESTION, QUESTION, most=3, cut=False) == Unusable(why="only repeated the question")
    refusal = read_queries("I cannot help with that.", QUESTION, most=3, cut=False)
    assert refusal == Unusable(why="declined")


def test_a_passage_is_one_paragraph_that_ends_with_a_sentence() -> None:
    assert (
        read_passage("Passage: The other parent\nhas 6 weeks.", QUESTION) == "The other parent has 6 weeks."
    )
    long = read_passage("The other parent has six weeks. " * 200, QUESTION)
    assert isinstance(long, str)
    assert long.endswith("weeks.")
    assert LONGEST_PASSAGE - 50 < len(long) <= LONGEST_PASSAGE
    assert isinstance(read_passage("I cannot provide that.", QUESTION), Unusable)


def test_queries_are_the_same_but_for_signs() -> None:
    assert is_same("How  long?", "how long")
    assert not is_same("???", "!!!")


@given(st.text(max_size=300), st.text(min_size=1, max_size=60), st.booleans())
def test_any_reply_gives_bounded_plain_text_or_a_reason(reply: str, question: str, cut: bool) -> None:
    query = read_query(reply, question)
    queries = read_queries(reply * 8, question, most=3, cut=cut)
    passage = read_passage(reply * 8, question)
    texts = [query, passage, *(queries if isinstance(queries, list) else [])]
    assert isinstance(queries, Unusable) or 0 < len(queries) <= 3
    for text in texts:
        if isinstance(text, str):
            assert 0 < len(text) <= (LONGEST_PASSAGE if text is passage else LONGEST_QUERY)
            assert "\n" not in text
            assert "\x00" not in text
            assert text.encode()
