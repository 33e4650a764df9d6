"""AsciiDoc: the source is the text, and its blocks lie where the file has them."""

from __future__ import annotations

import pytest

from ingest.errors import NoTextError
from ingest.parsers import ParsedDocument
from ingest.parsers.markup.asciidoc import AsciiDocParser
from tests.ingest.documents import assert_keeps_contract, blocks_of

DOCUMENT = """\
= The *first* title
Ann Writer <ann@example.org>
:toc:

A paragraph
over two lines.

== Section ==

* one
goes on
** inner
. first
+
----
code of an item
----

Term:: what it means

[source,python]
----
# not a heading

== neither
----

include::secrets.adoc[]

////
A comment.
////

.Prices
[%header,cols=2*]
|===
|Plan |Price
|Small |5
|===

|===
|Plan |Price

|Large |7
|===

====
An example.
====

Older style
-----------

```js
fence()
```
"""


def parse(source: str) -> ParsedDocument:
    parsed = AsciiDocParser().parse(source.encode(), file_name="guide.adoc")
    assert_keeps_contract(parsed)
    return parsed


def test_the_text_is_the_source() -> None:
    assert parse(DOCUMENT).text == DOCUMENT


def test_blocks_are_what_the_lines_are() -> None:
    kinds = [(kind, text.split("\n")[0]) for kind, text in blocks_of(parse(DOCUMENT))]
    assert kinds == [
        ("h1", "= The *first* title"),
        ("paragraph", "Ann Writer <ann@example.org>"),
        ("paragraph", "A paragraph"),
        ("h2", "== Section =="),
        ("list_item", "* one"),
        ("list_item", "** inner"),
        ("list_item", ". first"),
        ("code", "----"),
        ("list_item", "Term:: what it means"),
        ("paragraph", "[source,python]"),
        ("code", "----"),
        ("paragraph", "include::secrets.adoc[]"),
        ("code", "////"),
        ("paragraph", ".Prices"),
        ("table", "|==="),
        ("table", "|==="),
        ("paragraph", "===="),
        ("paragraph", "An example."),
        ("h2", "Older style"),
        ("code", "```js"),
    ]


def test_the_title_and_headings_are_known_without_their_markup() -> None:
    parsed = parse(DOCUMENT)
    assert parsed.title == "The first title"
    assert [block.heading for block in parsed.blocks if block.kind == "heading"] == [
        "The first title",
        "Section",
        "Older style",
    ]


def test_tables_know_their_header_rows() -> None:
    assert [block.heading for block in parse(DOCUMENT).blocks if block.kind == "table"] == [
        "|Plan |Price"
    ] * 2
    assert [block.heading for block in parse("|===\n|1 |2\n|3 |4\n|===\n").blocks] == [None]


def test_a_block_that_is_never_closed_costs_nothing_below_it() -> None:
    assert [kind for kind, _ in blocks_of(parse("----\ncode?\n\n== Heading\n"))] == [
        "paragraph",
        "paragraph",
        "h2",
    ]


def test_a_signature_of_pgp_is_no_document() -> None:
    with pytest.raises(NoTextError, match=r"^guide.adoc is a signature, key or message of PGP"):
        parse("-----BEGIN PGP SIGNATURE-----\n\nAAAA\n-----END PGP SIGNATURE-----\n")
