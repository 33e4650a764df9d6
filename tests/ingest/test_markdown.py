"""Markdown: the source is the text, and its blocks lie where the file has them."""

from __future__ import annotations

from ingest.parsers import ParsedDocument
from ingest.parsers.markup.markdown import MarkdownParser
from tests.ingest.documents import assert_keeps_contract, blocks_of

DOCUMENT = """\
Before any heading.

# The *first* [title](https://example.org) `x`

A paragraph
over two lines.

- one

  more of one
- two
  1. inner

     ```
     code in a list
     ```
  2. inner too

  last of two

Setext heading
--------------

| a | b |
|---|---|
| 1 | 2 |

```python
# not a heading

x = 1
```

> # a quotation
> goes on

[reference]: https://example.org

***
<div>
html
</div>
"""


def parse(source: str) -> ParsedDocument:
    parsed = MarkdownParser().parse(source.encode(), file_name="guide.md")
    assert_keeps_contract(parsed)
    return parsed


def test_the_text_is_the_source() -> None:
    assert parse(DOCUMENT).text == DOCUMENT


def test_blocks_are_runs_of_lines_of_one_kind() -> None:
    assert [(kind, text.split("\n")[0]) for kind, text in blocks_of(parse(DOCUMENT))] == [
        ("paragraph", "Before any heading."),
        ("h1", "# The *first* [title](https://example.org) `x`"),
        ("paragraph", "A paragraph"),
        ("list_item", "- one"),
        ("list_item", "- two"),
        ("list_item", "1. inner"),
        ("code", "```"),
        ("list_item", "2. inner too"),
        ("list_item", "last of two"),
        ("h2", "Setext heading"),
        ("table", "| a | b |"),
        ("code", "```python"),
        ("paragraph", "> # a quotation"),
        ("paragraph", "> goes on"),
        ("paragraph", "[reference]: https://example.org"),
        ("paragraph", "<div>"),
    ]


def test_a_heading_is_known_without_its_markup() -> None:
    headings = [block.heading for block in parse(DOCUMENT).blocks if block.kind == "heading"]
    assert headings == ["The first title x", "Setext heading"]


def test_reference_links_in_headings_are_resolved() -> None:
    parsed = parse("# See [the page][p] & ![a picture](x.png)\n\n[p]: https://example.org\n")
    assert parsed.title == "See the page & a picture"


def test_the_title_is_the_front_matter_s_before_the_first_heading_s() -> None:
    parsed = parse('---\ntags: [a]\ntitle: "The real title"\n---\n# Heading\n\nBody\n')
    assert parsed.title == "The real title"
    assert [kind for kind, _ in blocks_of(parsed)] == ["code", "h1", "paragraph"]
    assert parse("## Second level\n\n# First level\n").title == "First level"
    assert parse("no heading\n").title is None


def test_a_rule_at_the_top_is_no_front_matter() -> None:
    parsed = parse("---\n\nText\n\n---\n\nMore\n")
    assert [text for _, text in blocks_of(parsed)] == ["---", "Text", "---", "More"]


def test_a_heading_without_words_heads_nothing() -> None:
    assert blocks_of(parse("#\n\ntext")) == [("paragraph", "#"), ("paragraph", "text")]


def test_a_table_knows_its_header_row() -> None:
    parsed = parse("| a | b |\n|---|---|\n| 1 | 2 |\n\n> | c | d |\n> |---|---|\n> | 3 | 4 |\n")
    assert [block.heading for block in parsed.blocks] == ["| a | b |", "| c | d |"]


def test_a_picture_in_base64_is_cut_and_said_so() -> None:
    parsed = parse(f"![a chart](data:image/png;base64,{'QUJD' * 5000})\n\nThe end.\n")
    assert len(parsed.text) < 200
    assert parsed.text.endswith("The end.\n")
    assert parsed.notes == (
        "guide.md: only the beginning is kept of one endless word, such as a picture in base64",
    )
