"""An answer as text: markers where they are said to be, and the same text whether whole or in pieces."""

from __future__ import annotations

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from generation.answers import NO_USAGE, REFUSAL, Answer, AnswerSentence, Citation, LookedAt
from service.http.footnotes import FootnoteText, harmless, text_of, without_list

_DOCUMENT = UUID(int=1)


def cited(path: str = "a.txt", quote: str = "One.", page: int | None = None) -> Citation:
    return Citation(
        document_id=_DOCUMENT,
        path=path,
        revision=1,
        page=page,
        char_start=0,
        char_end=len(quote),
        quote=quote,
    )


def said(text: str, *citations: int, separator: str = " ", supported: bool = True) -> AnswerSentence:
    return AnswerSentence(
        text=text, supported=supported, support=1.0, citations=citations, separator=separator
    )


def answer_of(
    *sentences: AnswerSentence,
    citations: tuple[Citation, ...] = (),
    missing: str | None = None,
    looked_at: tuple[LookedAt, ...] = (),
) -> Answer:
    return Answer(
        status="answered" if sentences else "refused",
        sentences=sentences,
        citations=citations,
        missing=missing,
        looked_at=looked_at,
        model="m",
        usage=NO_USAGE,
    )


def test_sentences_have_markers_and_the_text_ends_with_what_they_stand_for() -> None:
    answer = answer_of(
        said("One.", 0, separator=""),
        said("Two.", 1, 0, separator="\n- "),
        said("Three.", supported=False),
        citations=(cited(), cited("b c.pdf", "Two\n of  them.", page=3)),
        missing="Nothing is said of four.",
    )
    text, markers = text_of(answer, with_list=True)
    assert text == (
        "One. [1]\n- Two. [2][1] Three. (not supported by the sources)"
        "\n\nNothing is said of four."
        "\n\nSources:\n\n- [1] a.txt: “One.”\n- [2] b c.pdf, page 3: “Two of them.”"
    )
    assert [text[marker.start : marker.end] for marker in markers] == ["[1]", "[2]", "[1]"]
    assert [marker.citation for marker in markers] == [0, 1, 0]


def test_a_marker_stands_below_code_so_that_its_fence_closes() -> None:
    answer = answer_of(
        said("```\na = 1\n```", 0, separator=""), said("Two.", 0, separator="\n\n"), citations=(cited(),)
    )
    text, markers = text_of(answer, with_list=False)
    assert text == "```\na = 1\n```\n[1]\n\nTwo. [1]"
    assert {text[marker.start : marker.end] for marker in markers} == {"[1]"}


def test_the_list_can_be_left_out_and_is_not_taken_for_part_of_an_earlier_answer() -> None:
    answer = answer_of(said("One.", 0, separator=""), citations=(cited(),))
    bare, _ = text_of(answer, with_list=False)
    whole, _ = text_of(answer, with_list=True)
    assert bare == "One. [1]"
    assert without_list(whole) == bare
    assert without_list(bare) == bare
    assert without_list("Sources: none.") == "Sources: none."


def test_a_refusal_says_so_why_and_where_it_looked() -> None:
    looked = LookedAt(document_id=_DOCUMENT, path="a.txt", page=None, score=0.1)
    refused = answer_of(missing="No passage bears on it.", looked_at=(looked,))
    text, markers = text_of(refused, with_list=True)
    assert text == f"{REFUSAL}\n\nNo passage bears on it.\n\nLooked at:\n\n- a.txt"
    assert without_list(text) == f"{REFUSAL}\n\nNo passage bears on it."
    assert markers == ()


def test_no_picture_is_loaded_from_where_a_document_says() -> None:
    answer = answer_of(
        said("See ![x](https://elsewhere/a.png).", 0), citations=(cited("![p](q).md", "![x](https://y)"),)
    )
    assert "![" not in text_of(answer, with_list=True)[0]


@given(
    st.lists(
        st.tuples(
            st.text(max_size=20), st.lists(st.integers(0, 3), max_size=3), st.sampled_from(["", " ", "\n* "])
        ),
        min_size=1,
        max_size=6,
    ),
    st.booleans(),
)
def test_markers_stand_where_they_are_said_to_be(
    sentences: list[tuple[str, list[int], str]], with_list: bool
) -> None:
    answer = answer_of(
        *(said(text, *numbers, separator=before) for text, numbers, before in sentences),
        citations=tuple(cited(f"{n}.txt") for n in range(4)),
    )
    text, markers = text_of(answer, with_list=with_list)
    for marker in markers:
        assert text[marker.start : marker.end] == f"[{marker.citation + 1}]"
    assert len(markers) == sum(len(numbers) for _, numbers, _ in sentences)


@given(st.text(alphabet="![] x"))
def test_harmless_text_has_no_pictures(text: str) -> None:
    assert "![" not in harmless(text)


def test_the_pieces_make_up_the_whole() -> None:
    answer = answer_of(said("One.", 0), said("Two.", 0), citations=(cited(),))
    text = FootnoteText(with_list=True)
    pieces = [*map(text.sentence, answer.sentences), text.rest(answer)]
    assert ("".join(pieces), text.markers) == text_of(answer, with_list=True)
