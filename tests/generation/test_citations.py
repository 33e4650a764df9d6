from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from generation.citations import CitationReader, CitedSentence, CitedText
from generation.sentences import Sentence, split_sentences

PIECES = st.sampled_from(
    [
        *(
            "[1]",
            "[2]",
            "[1, 2]",
            "[1][3]",
            "[1-3]",
            "[9]",
            "[^2]",
            "【1】",
            "【2†source】",
            "[Passage 2]",
            "[",
            "]",
            "[1",
        ),
        *(
            "Leave is 16 weeks",
            "It costs 3.5 percent",
            "Dr. Who",
            "这是一句话。",
            "x[0]",
            "NOT_IN_SOURCES",
            "MISSING:",
        ),
        *(
            " ",
            "\n",
            "\n\n",
            ". ",
            ".",
            "! ",
            "? ",
            ", ",
            "- ",
            "1. ",
            "**",
            "<think>",
            "</think>",
            "\r",
            "\x00",
            "😀",
        ),
    ]
)
STREAMS = st.one_of(st.lists(PIECES, max_size=25).map("".join), st.text(max_size=200))


def read(text: str, *, offered: int = 4, sizes: list[int] | None = None) -> CitedText:
    """Read `text` in pieces of the given sizes, then the rest at once."""
    reader = CitationReader(offered)
    early: list[CitedSentence] = []
    for size in sizes or []:
        early += reader.feed(text[:size])
        text = text[size:]
    early += reader.feed(text)
    result = reader.finish()
    assert result.sentences[: len(early)] == tuple(early)
    return result


def written(text: str, *, offered: int = 4, sizes: list[int] | None = None) -> str:
    """The clean text as it is given out while `text` is read in pieces of the given sizes."""
    reader = CitationReader(offered)
    given = ""
    for size in [*(sizes or []), len(text)]:
        reader.feed(text[:size])
        given += reader.new_text()
        text = text[size:]
    reader.finish()
    return given + reader.new_text()


def said(text: str, offered: int = 4) -> list[tuple[str, tuple[int, ...]]]:
    return [(sentence.text, sentence.passages) for sentence in read(text, offered=offered).sentences]


@given(STREAMS, st.lists(st.integers(min_value=0, max_value=7), max_size=60))
@example("Leave is 16 weeks. [1] Next[2][3].", [1] * 34)
@example("<think>hm</think> Yes [1].", [3, 3, 3, 3])
def test_any_split_of_the_stream_gives_the_same_result(text: str, sizes: list[int]) -> None:
    assert read(text, sizes=sizes) == read(text) == read(text, sizes=[1] * len(text))


@given(STREAMS, st.lists(st.integers(min_value=0, max_value=7), max_size=60))
@example("NOT_IN_SOURCES", [1] * 14)
@example("It is 16 weeks [1].\nMISSING: the rest", [1] * 40)
def test_the_text_given_out_on_the_way_is_the_same_for_any_split_and_ends_with_each_sentence(
    text: str, sizes: list[int]
) -> None:
    whole = written(text)
    assert written(text, sizes=sizes) == whole == written(text, sizes=[1] * len(text))
    ends = [sentence.written for sentence in read(text).sentences]
    assert ends == sorted(ends)
    for sentence in read(text).sentences:
        assert " ".join(whole[: sentence.written].split()).endswith(sentence.text)


def test_markers_and_what_the_prompt_asks_for_are_not_given_out_as_text() -> None:
    text = "It is 16 weeks [1]. Some more [2].\n**MISSING:** whether it can be split."
    assert written(text, sizes=[1] * len(text)) == "It is 16 weeks. Some more."
    assert written("NOT_IN_SOURCES") == ""
    assert written("<think>Hm.</think>\nNot in doubt [1].") == "Not in doubt."


@given(STREAMS, st.integers(min_value=0, max_value=3))
def test_only_numbers_that_were_offered_are_cited_and_no_sentence_is_empty(text: str, offered: int) -> None:
    for sentence in read(text, offered=offered).sentences:
        assert all(1 <= number <= offered for number in sentence.passages)
        assert list(sentence.passages) == sorted(set(sentence.passages))
        assert any(character.isalnum() for character in sentence.text)
        assert "\x00" not in sentence.text


@pytest.mark.parametrize(
    "marker",
    [
        "[1][2]",
        "[1, 2]",
        "[1,2]",
        "[1; 2]",
        "[1 and 2]",
        "[1-2]",
        "[1–2]",
        "【1】【2】",
        "[^1][^2]",
        "[ 1 ] [2]",
    ],
)
def test_all_ways_of_citing_are_read(marker: str) -> None:
    assert said(f"Leave is 16 weeks {marker}.") == [("Leave is 16 weeks.", (1, 2))]


@pytest.mark.parametrize("marker", ["[Passage 2]", "[source 2]", "【2†source】", "【2†L1-L9】", "［2］"])
def test_the_names_that_models_give_to_passages_are_read(marker: str) -> None:
    assert said(f"Leave is 16 weeks{marker}.") == [("Leave is 16 weeks.", (2,))]


def test_a_marker_after_the_full_stop_belongs_to_the_sentence_before_it() -> None:
    assert said("Leave is 16 weeks. [1] It is paid. [2][3]") == [
        ("Leave is 16 weeks.", (1,)),
        ("It is paid.", (2, 3)),
    ]


def test_a_marker_that_opens_a_line_belongs_to_the_sentence_after_it() -> None:
    assert said("Leave is 16 weeks.\n[1] It is paid.") == [("Leave is 16 weeks.", ()), ("It is paid.", (1,))]


def test_a_marker_alone_on_its_line_belongs_to_the_sentence_before_it() -> None:
    assert said("Leave is 16 weeks.\n[1]\nIt is paid.") == [("Leave is 16 weeks.", (1,)), ("It is paid.", ())]


def test_numbers_that_were_not_offered_are_dropped_with_their_markers() -> None:
    assert said("Leave is 16 weeks [7]. It is paid [1, 12].", offered=2) == [
        ("Leave is 16 weeks.", ()),
        ("It is paid.", (1,)),
    ]


def test_brackets_that_are_no_markers_stay() -> None:
    assert said("See [Annex A] of [2024] and array[i].") == [("See [Annex A] of [2024] and array[i].", ())]


def test_list_items_keep_their_markers_in_the_separator() -> None:
    sentences = read("You get:\n- 16 weeks [1]\n- full pay [2]").sentences
    assert [(s.separator, s.text, s.passages) for s in sentences] == [
        ("", "You get:", ()),
        ("\n- ", "16 weeks", (1,)),
        ("\n- ", "full pay", (2,)),
    ]


def test_a_sentence_is_given_as_soon_as_the_next_begins() -> None:
    reader = CitationReader(2)
    assert reader.feed("Leave is 16 weeks. [1] ") == ()
    assert [s.text for s in reader.feed("I")] == ["Leave is 16 weeks."]


@pytest.mark.parametrize(
    "text",
    ["NOT_IN_SOURCES", "**NOT_IN_SOURCES**", " NOT\\_IN\\_SOURCES.", "not in sources", "NOT_IN_SOURCES [1]."],
)
def test_the_agreed_words_decline(text: str) -> None:
    assert read(text).declined
    assert read(text).sentences == ()


def test_what_the_model_says_is_missing_is_kept_apart() -> None:
    result = read("Leave is 16 weeks [1].\nMISSING: who pays for it.")
    assert [s.text for s in result.sentences] == ["Leave is 16 weeks."]
    assert result.missing == "who pays for it"
    assert read("Leave is 16 weeks [1].\nMISSING: nothing.").missing is None


@pytest.mark.parametrize(
    "text",
    [
        "The passages do not mention the fee.",
        "The provided context doesn't say who pays.",
        "This is not stated in the provided documents.",
        "The sources contain no information about gyms.",
        "I don't know.",
        "Sorry, I cannot answer that.",
    ],
)
def test_a_sentence_about_what_the_sources_lack_is_no_claim(text: str) -> None:
    result = read(f"Leave is 16 weeks [1]. {text}")
    assert [s.text for s in result.sentences] == ["Leave is 16 weeks."]
    assert result.missing == text


@pytest.mark.parametrize(
    "text",
    [
        "Confidential documents are not to be left on desks.",
        "Nobody alters documents.",
        "A document without a mark counts as Internal.",
    ],
)
def test_a_sentence_about_documents_is_a_claim(text: str) -> None:
    assert [s.text for s in read(text).sentences] == [text]


def test_thinking_that_a_server_leaves_in_the_answer_is_skipped() -> None:
    assert said("\n<think>Perhaps [3]. Hm.</think>\n\nLeave is 16 weeks [1].") == [
        ("Leave is 16 weeks.", (1,))
    ]
    assert said("<think>never ends [1].") == []


@pytest.mark.parametrize(
    "cut", ["[1", "[", "[1, 2", "[1 and", "[1-", "[^", "[Pass", "[Passage 1", "[sources 2", "【1†so"]
)
def test_a_cut_marker_at_the_end_is_no_text(cut: str) -> None:
    assert said(f"Leave is 16 weeks {cut}") == [("Leave is 16 weeks", ())]


@pytest.mark.parametrize("open_bracket", ["[not for members", "[12 members pay 3", "[source unknown", "[a"])
def test_what_an_open_bracket_at_the_end_says_is_not_lost(open_bracket: str) -> None:
    assert said(f"The fee is 5 {open_bracket}") == [(f"The fee is 5 {open_bracket}", ())]


def test_signs_without_a_word_are_not_split_again_with_every_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    splits: list[int] = []

    def counted(text: str, *, longest: int) -> list[Sentence]:
        splits.append(len(text))
        return split_sentences(text, longest=longest)

    monkeypatch.setattr("generation.citations.split_sentences", counted)
    text = "It is 16 weeks. " + "!? " * 1_000 + "It is paid."
    assert [sentence for sentence, _ in said(text)] == ["It is 16 weeks.", "It is paid."]
    assert len(splits) < 20
