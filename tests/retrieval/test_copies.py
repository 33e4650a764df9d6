"""Copies: what counts as the same words, what never does, and that nothing is lost."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.copies import context_words, plain_words, without_copies
from retrieval.records import Hit
from tests.retrieval.hits import as_hits, passage_of

CLAUSE = "The notice period is three months. It begins at the end of a calendar month, and “never” before 1 May 2024."


def hits_of(*texts: str) -> list[Hit]:
    """One hit a text, each from a file of its own, all with one title."""
    return as_hits([passage_of(text, path=f"{number}.md") for number, text in enumerate(texts)])


def kept(*texts: str) -> list[str]:
    return [hit.passage.text for hit in without_copies(hits_of(*texts))]


@pytest.mark.parametrize(
    "copy",
    [
        CLAUSE,
        CLAUSE.upper(),
        CLAUSE.replace(" ", "\n"),
        CLAUSE.replace("calendar", "calen-\ndar"),
        CLAUSE.replace("calendar", "calen\u00addar"),
        CLAUSE.replace("“never”", '"never"'),
        CLAUSE.replace("calendar month", "**calendar month**"),
        "> " + CLAUSE.replace(". It", ".\n> It"),
        "- " + CLAUSE.removesuffix("."),
        CLAUSE.replace("months. It", "months.\n\nIt"),
        "It begins at the end of a calendar month, and “never” before 1 May 2024.",
        "The notice period is three months.",
    ],
)
def test_typography_and_less_of_the_same_make_a_copy(copy: str) -> None:
    first, second = hits_of(CLAUSE, copy)
    assert without_copies([first, second])[0].also_at == (second.passage,)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("It costs 5 euros.", "It costs 6 euros."),
        ("It costs 5 euros.", "It costs 5.5 euros."),
        ("It costs 5 euros.", "It costs -5 euros."),
        ("It costs 5 euros.", "It costs (5) euros."),
        ("> 5 mg a day.", "< 5 mg a day."),
        ("- 5 degrees.", "5 degrees."),
        ("Less than 10⁵ cells.", "Less than 105 cells."),
        ("Ann paid 5, Bob paid 7.", "Ann paid 7, Bob paid 5."),
        ("Smoking is allowed.", "Smoking is not allowed."),
        ("The employer pays the fee.", "The employee pays the fee."),
        ("Use version 2.1 of the library.", "Use version 2.10 of the library."),
        ("It is open.", "It is open?"),
        ("A board of 6' by 2.", 'A board of 6" by 2.'),
        ("It is 6′ long.", "It is 6 long."),
        ("A dose of ,5 mg.", "A dose of 5 mg."),
        ("Written in C#.", "Written in C++."),
        ("It is not true that the office is open.", "The office is open."),
        ("The office is open on Mondays only.", "The office is open."),
        ("It weighs a ton. It is 3 .5 m.", "It is 3."),
        ("A", "B"),
        ("***", "+++"),
    ],
)
def test_a_word_a_figure_or_a_sign_makes_another_passage(one: str, other: str) -> None:
    assert kept(one, other) == [one, other]
    assert kept(other, one) == [other, one]


def test_what_says_more_is_no_copy_of_what_says_less() -> None:
    assert kept("The fee is 5 euros.", "The fee is 5 euros. It is paid in May.") == [
        "The fee is 5 euros.",
        "The fee is 5 euros. It is paid in May.",
    ]


@pytest.mark.parametrize(
    "title",
    [
        "Contract",
        "Copy of contract",
        "contract - Copy",
        "contract (1)",
        "Contract_copy (2)",
        "contract (Copy)",
    ],
)
def test_marks_of_copied_files_in_titles_do_not_count(title: str) -> None:
    original = passage_of(CLAUSE, title="Contract")
    copy = passage_of(CLAUSE, path="copy.md", title=title)
    assert len(without_copies(as_hits([original, copy]))) == 1


@pytest.mark.parametrize(
    ("title", "headings"),
    [
        ("Contract with Bo", ()),
        ("Report 2023", ()),
        ("Report (2023)", ()),
        ("Handbook", ("Part-time staff",)),
        ("", ()),
    ],
)
def test_the_same_words_under_another_title_or_heading_are_other_evidence(
    title: str, headings: tuple[str, ...]
) -> None:
    one = passage_of(CLAUSE, title="Handbook")
    other = passage_of(CLAUSE, path="other.md", title=title, headings=headings)
    assert len(without_copies(as_hits([one, other]))) == 2


def test_a_heading_that_repeats_the_title_is_none() -> None:
    assert context_words(passage_of("x", title="Leave", headings=("Leave", "Who"))) == context_words(
        passage_of("x", title="leave", headings=("Who",))
    )


def test_copies_of_copies_are_places_of_the_best() -> None:
    hits = hits_of(CLAUSE, "Something else.", CLAUSE.upper(), CLAUSE)
    first, second = without_copies(hits)
    assert [place.path for place in first.also_at] == ["2.md", "3.md"]
    assert second.also_at == ()
    assert without_copies([*hits_of("new"), first])[1].also_at == first.also_at


def test_a_thousand_hits_full_of_the_same_words_are_bounded_work() -> None:
    texts = [" ".join([f"w{(i * 7 + j * (1 + i % 5)) % 250}" for j in range(250)]) for i in range(1_000)]
    started = time.perf_counter()
    without_copies(hits_of(*texts))
    assert time.perf_counter() - started < 10


@pytest.mark.parametrize("piece", [".", "*", "`", "\n", "- ", "*a ", "'\"", "a-", "_a_", "\n \n ", "?", "> "])
def test_no_text_takes_long_to_read(piece: str) -> None:
    started = time.perf_counter()
    plain_words(piece * (50_000 // len(piece)) + "x")
    assert time.perf_counter() - started < 2


WORDY = st.lists(
    st.sampled_from(["a", "b.", "not", "5", "- 5", "\n\n", "“c”", "d?", "*e*", "…"]), max_size=6
).map(" ".join)


@given(st.lists(st.tuples(WORDY, st.sampled_from(["", "T", "T (1)"])), max_size=12))
def test_nothing_is_lost_and_what_is_kept_keeps_its_order(drawn: list[tuple[str, str]]) -> None:
    hits = as_hits(
        [passage_of(text, path=f"{number}.md", title=title) for number, (text, title) in enumerate(drawn)]
    )
    result = without_copies(hits)
    assert [hit.score for hit in result] == sorted((hit.score for hit in result), reverse=True)
    places = [place.path for hit in result for place in (hit.passage, *hit.also_at)]
    assert sorted(places) == sorted(hit.passage.path for hit in hits)
    for hit in result:
        for place in hit.also_at:
            assert plain_words(place.text) in plain_words(hit.passage.text)
    assert without_copies(result) == result


@given(st.text(max_size=200))
def test_any_text_has_plain_words_that_stay_as_they_are_in_a_copy(text: str) -> None:
    assert plain_words(text) == plain_words(text)
    assert len(without_copies(hits_of(text, text))) == 1
