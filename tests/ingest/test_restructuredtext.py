"""reStructuredText: the source is the text, and its blocks lie where the file has them."""

from __future__ import annotations

from ingest.parsers import ParsedDocument
from ingest.parsers.markup.restructuredtext import RestructuredTextParser
from tests.ingest.documents import assert_keeps_contract, blocks_of

DOCUMENT = """\
=====
Title
=====

:Author: Ann
:Version: 1

A paragraph with ``code``
over two lines::

  literal

  block

back again.

.. note:: An admonition
   goes on.

   Its second paragraph.

.. code-block:: python
   :linenos:

   # not a heading
   ====

.. include:: secrets.rst

Section
-------

* one
  goes on
* two

  1. inner

>>> 1 + 1
2

Sub
~~~

=====  =====
Plan   Price
=====  =====
Small  5
Large  7
=====  =====

+------+-------+
| Plan | Price |
+======+=======+
| Tiny | 1     |
+------+-------+

.. csv-table:: Prices
   :header: "Plan", "Price"

   "Free", 0

Other section
-------------

..
   A comment.

----

The end.
"""


def parse(source: str) -> ParsedDocument:
    parsed = RestructuredTextParser().parse(source.encode(), file_name="guide.rst")
    assert_keeps_contract(parsed)
    return parsed


def test_the_text_is_the_source() -> None:
    assert parse(DOCUMENT).text == DOCUMENT


def test_blocks_are_what_the_lines_are() -> None:
    assert [(kind, text.split("\n")[0]) for kind, text in blocks_of(parse(DOCUMENT))] == [
        ("h1", "====="),
        ("list_item", ":Author: Ann"),
        ("list_item", ":Version: 1"),
        ("paragraph", "A paragraph with ``code``"),
        ("code", "literal"),
        ("paragraph", "back again."),
        ("paragraph", ".. note:: An admonition"),
        ("paragraph", "Its second paragraph."),
        ("code", ".. code-block:: python"),
        ("paragraph", ".. include:: secrets.rst"),
        ("h2", "Section"),
        ("list_item", "* one"),
        ("list_item", "* two"),
        ("list_item", "1. inner"),
        ("code", ">>> 1 + 1"),
        ("h3", "Sub"),
        ("table", "=====  ====="),
        ("table", "+------+-------+"),
        ("table", ".. csv-table:: Prices"),
        ("h2", "Other section"),
        ("paragraph", ".."),
        ("paragraph", "----"),
        ("paragraph", "The end."),
    ]


def test_tables_know_their_header_rows() -> None:
    headings = [block.heading for block in parse(DOCUMENT).blocks if block.kind == "table"]
    assert headings == ["Plan   Price", "| Plan | Price |", '"Plan", "Price"']


def test_headings_are_known_without_their_markup() -> None:
    parsed = parse(
        "The ``code`` of :mod:`email` *and* `a link <https://example.org>`_, <NAME>_x\n" + "=" * 80
    )
    assert parsed.title == "The code of email and a link, <NAME>_x"


def test_levels_follow_the_order_of_styles() -> None:
    parsed = parse("A\n~~~~\n\nB\n****\n\nC\n####\n\nD\n****\n\nE\n~~~~\n")
    assert [block.level for block in parsed.blocks] == [1, 2, 3, 2, 1]


def test_a_line_of_marks_that_is_too_short_is_no_underline() -> None:
    assert blocks_of(parse("Rather long words\n--\n")) == [("paragraph", "Rather long words\n--")]


def test_a_quoted_literal_block_is_code() -> None:
    assert blocks_of(parse("It says::\n\n> one\n> two\n\nThen.")) == [
        ("paragraph", "It says::"),
        ("code", "> one\n> two"),
        ("paragraph", "Then."),
    ]
