"""Org: the source is the text, and its blocks lie where the file has them."""

from __future__ import annotations

from ingest.parsers import ParsedDocument
from ingest.parsers.markup.org import OrgParser
from tests.ingest.documents import assert_keeps_contract, blocks_of

DOCUMENT = """\
#+TITLE: The plan

* TODO [#A] Buy a /new/ [[https://example.org][machine]] :work:home:
  :PROPERTIES:
  :ID: 1
  :END:

A paragraph
over two lines.
- one
  goes on
- two
  1. inner

** Second level
#+begin_src python
# not a heading
* neither
print(1)
#+end_src
#+BEGIN_QUOTE
Said.
#+END_QUOTE
: an example
: of output

| Plan  | Price |
|-------+-------|
| Small | 5     |

| no | header |

#+INCLUDE: "secrets.org"
"""


def parse(source: str) -> ParsedDocument:
    parsed = OrgParser().parse(source.encode(), file_name="plan.org")
    assert_keeps_contract(parsed)
    return parsed


def test_the_text_is_the_source() -> None:
    assert parse(DOCUMENT).text == DOCUMENT


def test_blocks_are_what_the_lines_are() -> None:
    parsed = parse(DOCUMENT.replace("* neither\n", ""))
    assert [(kind, text.split("\n")[0]) for kind, text in blocks_of(parsed)] == [
        ("paragraph", "#+TITLE: The plan"),
        ("h1", "* TODO [#A] Buy a /new/ [[https://example.org][machine]] :work:home:"),
        ("paragraph", ":PROPERTIES:"),
        ("paragraph", "A paragraph"),
        ("list_item", "- one"),
        ("list_item", "- two"),
        ("list_item", "1. inner"),
        ("h2", "** Second level"),
        ("code", "#+begin_src python"),
        ("paragraph", "#+BEGIN_QUOTE"),
        ("code", ": an example"),
        ("table", "| Plan  | Price |"),
        ("table", "| no | header |"),
        ("paragraph", '#+INCLUDE: "secrets.org"'),
    ]
    assert [block.heading for block in parsed.blocks if block.kind == "table"] == ["| Plan  | Price |", None]


def test_a_headline_ends_a_block_that_is_not_closed_before_it() -> None:
    kinds = [kind for kind, _ in blocks_of(parse("#+BEGIN_SRC c\nx\n* Heading\n#+END_SRC\n"))]
    assert kinds == ["paragraph", "h1", "paragraph"]


def test_headings_are_known_without_their_markup() -> None:
    headings = [block.heading for block in parse(DOCUMENT).blocks if block.kind == "heading"]
    assert headings[0] == "Buy a new machine"


def test_the_title_is_stated_or_the_first_heading() -> None:
    assert parse(DOCUMENT).title == "The plan"
    assert parse("* First\n** Second\n").title == "First"
    assert parse("** Second\n").title is None
