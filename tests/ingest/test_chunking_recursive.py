"""The method `recursive`: cut where a reader would cut, with langchain's splitter in it."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from langchain_text_splitters import RecursiveCharacterTextSplitter

from ingest.chunking import ChunkPolicy, chunk_document
from ingest.chunking.boundaries import SEPARATORS
from ingest.chunking.measuring import CHARACTERS_PER_TOKEN, MeasuredText
from ingest.chunking.splitting import BlockSplitter
from ingest.parsers import Block, BlockKind, ParsedDocument
from ingest.parsers.markup.markdown import MarkdownParser
from ingest.parsers.text import TextBuilder
from retrieval.records import ChunkDraft
from tests.ingest.tokens import words

PROSE = st.lists(
    st.sampled_from(
        [
            "the ",
            "bathe ",
            "he.\n",
            "the.\n",
            "a ",
            "Ann. ",
            "and so on, ",
            "x\n\n",
            " | ",
            "。",
            "日本。",
            "é! ",
            "\n",
        ]
    ),
    min_size=1,
    max_size=80,
).map("".join)


def document(*blocks: tuple[BlockKind, str], header: str | None = None) -> ParsedDocument:
    builder = TextBuilder()
    for kind, text in blocks:
        level = 1 if kind == "heading" else None
        builder.append(kind, text, level=level, heading=header if kind == "table" else None)
    return builder.build(title=None, media_type="text/plain")


def cut(parsed: ParsedDocument, **policy: int | bool) -> tuple[ChunkDraft, ...]:
    return chunk_document(parsed, policy=ChunkPolicy(**policy), token_ends=words)  # type: ignore[arg-type]


def texts(chunks: tuple[ChunkDraft, ...]) -> list[str]:
    return [chunk.text for chunk in chunks]


@settings(max_examples=100, deadline=None)
@given(PROSE, st.integers(1, 30), st.sampled_from(["paragraph", "table", "code"]))
def test_a_block_is_cut_as_the_splitter_cuts_it_when_it_tokenises_every_part(
    text: str, limit: int, kind: BlockKind
) -> None:
    text = text.strip() or "a"

    def length(part: str) -> int:
        return max(len(words(part)), -(-len(part) // CHARACTERS_PER_TOKEN))

    splitter = RecursiveCharacterTextSplitter(
        separators=SEPARATORS[kind],
        is_separator_regex=True,
        keep_separator="end",
        strip_whitespace=False,
        chunk_size=limit,
        chunk_overlap=0,
        length_function=length,
    )
    expected = [text] if length(text) <= limit else splitter.split_text(text)
    pieces = BlockSplitter(MeasuredText(text, words), limit).pieces(
        Block(kind=kind, char_start=0, char_end=len(text))
    )
    found = [text[piece.char_start : piece.char_end] for piece in pieces]
    if max(map(length, expected)) <= limit:
        assert found == [part.strip() for part in expected if part.strip()]
    else:  # a word is too long, which the splitter leaves as it is
        assert "".join("".join(found).split()) == "".join(text.split())


def test_headings_are_the_path_above_and_not_in_the_text() -> None:
    source = "intro\n\n# A\n\na\n\n## B\n\nb\n\n### C\n\nc\n\n## D\n\nd\n\n# E\n\ne"
    chunks = cut(MarkdownParser().parse(source.encode(), file_name="x.md"))
    assert [(chunk.headings, chunk.text) for chunk in chunks] == [
        ((), "intro"),
        (("A",), "a"),
        (("A", "B"), "b"),
        (("A", "B", "C"), "c"),
        (("A", "D"), "d"),
        (("E",), "e"),
    ]


def test_a_heading_with_nothing_below_it_is_a_chunk_of_its_own() -> None:
    source = "# A\n\n## B\n\n## C\n\nc\n\n# D\n\n## E"
    chunks = cut(MarkdownParser().parse(source.encode(), file_name="x.md"))
    assert [(chunk.headings, chunk.text) for chunk in chunks] == [
        (("A",), "## B"),
        (("A", "C"), "c"),
        (("D",), "## E"),
    ]


def test_an_absurdly_long_heading_is_cut_in_the_path_and_kept_in_the_text() -> None:
    heading = ("very " * 60).strip()
    (chunk,) = cut(document(("heading", heading), ("paragraph", "body")), max_tokens=400)
    assert chunk.text == f"{heading}\n\nbody"
    (path,) = chunk.headings
    assert len(path) == 200
    assert path.endswith("…")


def test_the_innermost_headings_are_kept_when_there_are_too_many() -> None:
    builder = TextBuilder()
    for level in range(1, 9):
        builder.append("heading", f"h{level}", level=level)
    builder.append("paragraph", "body")
    (chunk,) = cut(builder.build(title=None, media_type="text/plain"))
    assert chunk.headings == ("h3", "h4", "h5", "h6", "h7", "h8")


def test_small_blocks_are_packed_and_cut_between() -> None:
    items = [f"item {number} of the list" for number in range(8)]
    chunks = cut(document(*(("list_item", item) for item in items)), max_tokens=15)
    assert texts(chunks) == ["\n".join(items[start : start + 3]) for start in (0, 3, 6)]


def test_a_list_stays_with_the_line_that_introduces_it() -> None:
    introduction: tuple[BlockKind, str] = ("paragraph", "You need:")
    items: list[tuple[BlockKind, str]] = [("list_item", f"{n} things") for n in range(4)]
    chunks = cut(
        document(("paragraph", "word " * 12), introduction, *items, ("paragraph", "word " * 9)), max_tokens=20
    )
    assert texts(chunks)[1].startswith("You need:\n\n0 things\n1 things\n2 things\n3 things")


def test_a_long_list_keeps_its_first_item_with_the_line_that_introduces_it() -> None:
    items: list[tuple[BlockKind, str]] = [("list_item", f"the thing number {n}") for n in range(9)]
    chunks = cut(document(("paragraph", "word " * 14), ("paragraph", "You need:"), *items), max_tokens=20)
    assert texts(chunks)[1].startswith("You need:\n\nthe thing number 0")


def test_table_rows_stay_whole_and_pieces_carry_the_header_row() -> None:
    rows = ["name | price", *(f"thing {n} | {n} euros" for n in range(12))]
    parsed = document(("heading", "Prices"), ("table", "\n".join(rows)), header=rows[0])
    first, *others = cut(parsed, max_tokens=30)
    assert first.headings == ("Prices",)
    assert first.text.startswith(rows[0])
    assert {chunk.headings for chunk in others} == {("Prices", "name | price")}
    for chunk in (first, *others):
        assert set(chunk.text.split("\n")) <= set(rows)


def test_a_table_cut_to_even_out_carries_its_header_row() -> None:
    rows = ["name | price", *(f"thing {n} | {n} euros" for n in range(5))]
    chunks = cut(
        document(("table", "\n".join(rows)), ("paragraph", "A last word."), header=rows[0]), max_tokens=29
    )
    assert [chunk.headings for chunk in chunks] == [(), ("name | price",)]
    assert chunks[1].text.endswith("\n\nA last word.")


def test_a_paragraph_between_two_parts_of_a_table_needs_no_header_row() -> None:
    table = "\n".join(["name | price", *(f"thing {n} | {n} euros" for n in range(3))])
    chunks = cut(
        document(("paragraph", "word " * 20), ("table", table), header="name | price"), max_tokens=24
    )
    assert [chunk.headings for chunk in chunks] == [(), ()]


def test_code_is_cut_at_blank_lines_then_at_lines() -> None:
    functions = [f"def function_{n}():\n    x = {n}\n    return x" for n in range(4)]
    chunks = cut(document(("code", "\n\n".join(functions))), max_tokens=27)
    assert texts(chunks) == ["\n\n".join(functions[:2]), "\n\n".join(functions[2:])]
    lines = [f"call(argument_{n}, other)" for n in range(12)]
    for chunk in cut(document(("code", "\n".join(lines))), max_tokens=30):
        assert set(chunk.text.split("\n")) <= set(lines)


def test_code_that_fits_is_not_cut_to_even_out() -> None:
    code = "\n".join(f"call(argument_{n}, other)" for n in range(4))
    chunks = cut(document(("paragraph", "Short line."), ("code", code)), max_tokens=29)
    assert texts(chunks) == ["Short line.", code]


def test_a_large_paragraph_is_cut_at_sentences_not_at_line_ends() -> None:
    sentence = "The quick brown fox jumps\nover the lazy dog, e.g. twice a day."
    for chunk in cut(document(("paragraph", " ".join([sentence] * 9))), max_tokens=40):
        assert chunk.text.startswith("The quick")
        assert chunk.text.endswith("a day.")


def test_a_small_rest_is_evened_out_with_the_chunk_before_it() -> None:
    paragraph = " ".join(f"This sentence has number {n}." for n in range(7))
    parsed = document(("paragraph", paragraph))
    assert [chunk.token_count for chunk in cut(parsed, max_tokens=44, even_out=False)] == [42, 7]
    assert [chunk.token_count for chunk in cut(parsed, max_tokens=44)] == [21, 28]


def test_a_small_beginning_is_evened_out_with_what_follows() -> None:
    paragraph = " ".join(f"This sentence has number {n}." for n in range(5))
    parsed = document(("paragraph", "A short one."), ("paragraph", paragraph))
    assert [chunk.token_count for chunk in cut(parsed, max_tokens=38, even_out=False)] == [4, 35]
    assert [chunk.token_count for chunk in cut(parsed, max_tokens=38)] == [18, 21]


def test_an_overlap_repeats_whole_sentences() -> None:
    sentences = [f"This sentence has number {n}." for n in range(12)]
    chunks = cut(document(("paragraph", " ".join(sentences))), max_tokens=30, overlap_tokens=12)
    assert len(chunks) > 2
    for first, second in pairwise(chunks):
        repeated = second.text[: first.char_end - second.char_start].strip()
        assert first.text.endswith(repeated)
        assert repeated.startswith("This sentence")
        assert 0 < len(words(repeated)) <= 12


def test_no_chunk_crosses_a_heading() -> None:
    blocks: list[tuple[BlockKind, str]] = []
    for n in range(5):
        blocks += [("heading", f"Heading {n}"), ("paragraph", f"Body of {n}.")]
    chunks = cut(document(*blocks), max_tokens=100)
    assert texts(chunks) == [f"Body of {n}." for n in range(5)]
