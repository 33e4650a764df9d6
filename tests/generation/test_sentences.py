from __future__ import annotations

from itertools import pairwise

from hypothesis import example, given
from hypothesis import strategies as st

from generation.sentences import LONGEST_SENTENCE, Sentence, split_passage, split_sentences

TEXTS = st.text(
    alphabet=st.one_of(
        st.sampled_from(list("aBé7 \t\n.?!:;,-|•。！\u2028\r😀\u200d")),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=300,
)


def texts(text: str, **options: int) -> list[str]:
    return [sentence.text for sentence in split_sentences(text, **options)]


@given(TEXTS)
@example("😀 Dr. Zoë paid 3.5 million. 🏳️‍🌈 Yes!")
@example("a\r\nb. c\x00d. e")
@example("Ask J.\u00a0Smith, J.\u0085Smith, J.\u3000Smith. \ud800 is no character.")
def test_every_sentence_stands_where_it_says_in_order_and_apart(text: str) -> None:
    sentences = split_sentences(text)
    for sentence in sentences:
        assert text[sentence.start : sentence.end] == sentence.text
        assert sentence.text == sentence.text.strip()
        assert any(character.isalnum() for character in sentence.text)
        assert len(sentence.text) <= LONGEST_SENTENCE
    assert all(before.end <= after.start for before, after in pairwise(sentences))


@given(TEXTS)
def test_nothing_that_can_be_read_is_lost_but_list_markers(text: str) -> None:
    covered = {place for s in split_sentences(text) for place in range(s.start, s.end)}
    lost = [text[i] for i in range(len(text)) if text[i].isalpha() and i not in covered]
    assert len(lost) <= text.count(".") + text.count(")") + text.count("）")


@given(TEXTS, st.integers(min_value=20, max_value=60))
def test_no_sentence_is_longer_than_asked_and_no_number_is_parted(text: str, longest: int) -> None:
    text = f"{text} 1234567 {text}"
    sentences = split_sentences(text, longest=longest)
    assert all(len(sentence.text) <= longest for sentence in sentences)
    assert any("1234567" in sentence.text for sentence in sentences)


def test_abbreviations_decimals_and_currencies_do_not_end_a_sentence() -> None:
    text = (
        "Dr. Smith of No. 5 paid $1.5 million in the U.S. last year. It rose by 3.5 percent, e.g. in Galway."
    )
    assert texts(text) == [
        "Dr. Smith of No. 5 paid $1.5 million in the U.S. last year.",
        "It rose by 3.5 percent, e.g. in Galway.",
    ]


def test_list_items_and_table_rows_are_sentences_without_their_markers() -> None:
    text = "You may bring:\n- one laptop\n• two screens\n1. a chair\nb) a lamp\nGrade | Days\nJunior | 25"
    assert texts(text) == [
        "You may bring:",
        "one laptop",
        "two screens",
        "a chair",
        "a lamp",
        "Grade | Days",
        "Junior | 25",
    ]


def test_hard_wrapped_lines_are_one_sentence_quoted_with_its_line_break() -> None:
    text = "Flights are booked at least 14 days ahead and trains at least\n7 days ahead, through the desk. Ask first."
    assert texts(text) == [
        "Flights are booked at least 14 days ahead and trains at least\n7 days ahead, through the desk.",
        "Ask first.",
    ]


def test_short_lines_stand_alone() -> None:
    assert texts("Emergencies\nDial 112 first\nThen extension 4999") == [
        "Emergencies",
        "Dial 112 first",
        "Then extension 4999",
    ]


def test_sentences_of_scripts_without_spaces_are_found() -> None:
    assert texts("这是一句话。这是第二句！") == ["这是一句话。", "这是第二句！"]


def test_a_long_sentence_is_cut_at_a_clause_and_never_inside_a_number() -> None:
    text = "the first part of it takes 1 000 000 steps, " * 20
    pieces = texts(text, longest=100)
    assert all(piece.endswith(",") for piece in pieces)
    assert texts("9" * 90 + " " + "8" * 90, longest=100) == ["9" * 90, "8" * 90]


def units(text: str) -> list[Sentence]:
    """What can be quoted of a document's text; every piece stands where it says."""
    pieces = split_passage(text)
    assert all(text[piece.start : piece.end] == piece.text for piece in pieces)
    return pieces


def test_code_between_fences_is_one_piece_and_prose_around_it_is_as_ever() -> None:
    code = "def paid(weeks):\n    return weeks * 5\n\nprint(paid(24))"
    before, after = "It is computed. Look at this:", "All of it is paid. Nobody is left out."
    pieces = units(f"{before}\n\n```python\n{code}\n```\n\n{after}\n")
    assert [piece.text for piece in pieces if piece.is_code] == [code]
    assert [piece.text for piece in pieces if not piece.is_code] == texts(before) + texts(after)


def test_long_code_is_passed_over_where_the_text_beside_it_says_something() -> None:
    code = "\n".join(f"step_{number} = work(step_{number - 1})" for number in range(1, 40))
    prose = "The steps are taken one after the other."
    assert [piece.text for piece in units(f"{prose}\n\n~~~\n{code}\n~~~\n")] == [prose]
    alone = f"## Steps\n\n```python\n{code}\n```"
    assert units(alone) == split_sentences(alone)


def test_where_it_is_not_clear_what_a_fence_does_it_does_nothing() -> None:
    prose = "Days are carried over until the end of March."
    for text in (f"work(1)\n```\n\n{prose}", f"a = 1\n```\n{prose}\n```python\nb = 2", "```"):
        assert units(text) == split_sentences(text)
    cut = f"{prose}\n```\none()\n```\n{prose}\n```python\ntwo("
    assert units(cut) == split_sentences(cut)
    cut = f"```sh\none\n```\n{prose}\n```sh\ntwo"
    assert [piece.text for piece in units(cut)][:2] == ["one", prose]


@given(st.lists(st.sampled_from(["```\n", "```python\n", "~~~\n", "It is paid. ", "a = 1\n", "\n", "# A\n"])))
def test_pieces_of_any_text_are_in_order_and_apart(parts: list[str]) -> None:
    pieces = units("".join(parts))
    assert all(before.end <= after.start for before, after in pairwise(pieces))
    assert all(any(character.isalnum() for character in piece.text) for piece in pieces)
