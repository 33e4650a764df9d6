"""Markdown. The revision's text is the source itself, so that whoever follows a citation sees the very file."""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping, Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from ingest.parsers import Block, BlockKind, ParsedDocument
from ingest.parsers.encoding import read_text
from ingest.parsers.machine_text import note_on_blobs, without_blobs
from ingest.parsers.markup.regions import Region, region_blocks
from ingest.parsers.text import one_line, trimmed

_FRONT_MATTER = re.compile(r"---[ \t]*\n(?=[\w\"'#])(?:.*\n)*?(?:---|\.\.\.)[ \t]*(?:\n|\Z)")
_FRONT_MATTER_TITLE = re.compile(r"""^title:[ \t]*(["']?)(.+?)\1[ \t]*$""", re.MULTILINE)
_KINDS: dict[str, BlockKind] = {
    "heading_open": "heading",
    "paragraph_open": "paragraph",
    "html_block": "paragraph",
    "list_item_open": "list_item",
    "table_open": "table",
    "fence": "code",
    "code_block": "code",
}
_SPACES = frozenset({"softbreak", "hardbreak"})
_YAML_NOT_PLAIN = ("|", ">", "[", "{", "&", "*", "!")


class MarkdownParser:
    """Reads CommonMark with tables and YAML front matter."""

    def __init__(self) -> None:
        self._markdown = MarkdownIt("commonmark").enable("table")
        self._blocks_only = MarkdownIt("commonmark").enable("table").disable("inline")

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse a Markdown file; raises `ParseError` if it is empty, or binary."""
        text, blobs = without_blobs(read_text(content, file_name=file_name))
        front_matter = _FRONT_MATTER.match(text)
        body_start = front_matter.end() if front_matter else 0
        blocks = (*_front_matter_block(text, body_start), *self.blocks(text, body_start))
        title = _front_matter_title(text[:body_start]) or _first_heading(blocks)
        return ParsedDocument(
            text=text,
            blocks=blocks,
            title=title,
            media_type="text/markdown",
            notes=note_on_blobs(blobs, file_name=file_name),
        )

    def blocks(self, text: str, body_start: int = 0) -> Iterator[Block]:
        """The blocks of Markdown `text` in order: every run of lines that belong to one region, and runs that nothing
        claims."""
        return region_blocks(text, self._regions(text[body_start:]), char_start=body_start)

    def _regions(self, body: str) -> list[Region]:
        """The region of each line: inner blocks are painted over the outer ones that hold them."""
        lines = body.split("\n")
        regions = [Region("paragraph")] * len(lines)
        references: MutableMapping[str, Any] = {}
        tokens = self._blocks_only.parse(body, references)
        list_depth = 0
        for index, token in enumerate(tokens):
            if token.type in ("list_item_open", "list_item_close"):
                list_depth += token.nesting
            kind = _KINDS.get(token.type)
            if kind is None or token.map is None or (list_depth and kind in ("heading", "paragraph")):
                continue
            first, last = token.map
            region = Region(kind, heading=_header_row(lines[first]) if kind == "table" else None)
            if kind == "heading":
                region = self._heading(token, tokens[index + 1].content, references)
            regions[first:last] = [region] * (last - first)
        return regions

    def _heading(self, token: Token, source: str, references: MutableMapping[str, Any]) -> Region:
        """A heading's region; a heading in a quotation, or one without words, heads nothing."""
        if token.level:
            return Region("paragraph")
        heading = one_line("".join(_words(self._markdown.parseInline(source, references))))
        return Region("heading", int(token.tag[1:]), heading) if heading else Region("paragraph")


def _header_row(line: str) -> str | None:
    """A table's first line, without the marks of a quotation that it may stand in."""
    return line.lstrip("> \t").strip() or None


def _words(tokens: Sequence[Token]) -> Iterator[str]:
    """The words of inline Markdown without its markup; a picture's are its description."""
    for token in tokens:
        if token.children:
            yield from _words(token.children)
        elif token.type in _SPACES:
            yield " "
        elif token.type != "html_inline":
            yield token.content


def _front_matter_block(text: str, body_start: int) -> tuple[Block, ...]:
    start, end = trimmed(text, 0, body_start)
    return (Block(kind="code", char_start=start, char_end=end),) if start < end else ()


def _front_matter_title(front_matter: str) -> str | None:
    found = _FRONT_MATTER_TITLE.search(front_matter)
    return one_line(found[2]) or None if found and not found[2].startswith(_YAML_NOT_PLAIN) else None


def _first_heading(blocks: Sequence[Block]) -> str | None:
    return next((block.heading for block in blocks if block.level == 1), None)
