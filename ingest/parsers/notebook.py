"""Jupyter notebooks: the cells as a reader sees them, in order.

The text is written anew, since the file is JSON: Markdown cells as they are written, code, and below it what it put
out as far as that is text. Tables are taken from their HTML. Pictures, widgets and the stacks of errors are left out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ingest.errors import NoTextError, ParseError
from ingest.parsers import ParsedDocument
from ingest.parsers.encoding import read_text
from ingest.parsers.machine_text import note_on_blobs, without_blobs
from ingest.parsers.markup.html import append_html
from ingest.parsers.markup.markdown import MarkdownParser
from ingest.parsers.text import TextBuilder, clean, has_visible_text, stated_title

_LONGEST_OUTPUT = 10_000
_TERMINAL_CODE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_BARE_OBJECT = re.compile(r"\s*<[\w.]+(?: [^\n]*)?>\s*")
"""How an object that has no text shows itself: "<Figure size 640x480 with 1 Axes>"."""


class NotebookParser:
    """Reads notebooks of format 3 and 4."""

    def __init__(self) -> None:
        self._markdown = MarkdownParser()

    def parse(self, content: bytes, *, file_name: str) -> ParsedDocument:
        """Parse a notebook; raises `ParseError` if it is empty, or no notebook, `NoTextError` if no cell has text."""
        source = read_text(content, file_name=file_name)
        try:
            # As text, a number may have as many digits as it likes.
            notebook = json.loads(source, parse_int=str)
        except json.JSONDecodeError as exc:
            raise ParseError(
                f"{file_name} is damaged: not valid JSON (line {exc.lineno:,}: {exc.msg})"
            ) from exc
        except RecursionError as exc:
            raise ParseError(f"{file_name} is damaged: nested deeper than any notebook") from exc
        cells = _cells(notebook)
        if cells is None:
            raise ParseError(f"{file_name} is JSON, but no notebook: it has no cells")
        writer = _Writer(self._markdown)
        for cell in cells:
            writer.write(cell)
        parsed = writer.builder.build(
            title=_stated_title(notebook) or writer.first_heading,
            media_type="application/x-ipynb+json",
            notes=(
                *(f"{file_name}: {note}" for note in writer.notes()),
                *note_on_blobs(writer.blobs, file_name=file_name),
            ),
        )
        if not has_visible_text(parsed.text):
            raise NoTextError(f"{file_name} contains no text")
        return parsed


class _Writer:
    """Writes the cells of one notebook."""

    def __init__(self, markdown: MarkdownParser) -> None:
        self.builder = TextBuilder()
        self.blobs = 0
        self.first_heading: str | None = None
        self._markdown = markdown
        self._pictures = 0
        self._cut_outputs = 0

    def notes(self) -> Iterator[str]:
        """What was left out, in words."""
        if self._pictures:
            yield f"pictures that cells put out are left out ({self._pictures:,} of them)"
        if self._cut_outputs:
            yield f"long outputs are cut after {_LONGEST_OUTPUT:,} characters ({self._cut_outputs:,} of them)"

    def write(self, cell: Mapping[str, Any]) -> None:
        """Write a cell with what it put out."""
        source = self._without_blobs(_text(cell.get("source", cell.get("input"))))
        match cell.get("cell_type"):
            case "markdown":
                self._append_markdown(source)
            case "heading" if source.strip():  # of format 3
                level = str(cell.get("level"))
                self._append_markdown(
                    f"{'#' * int(level) if level in set('123456') else '#'} {' '.join(source.split())}"
                )
            case "code":
                self.builder.append("code", source)
                for output in _mappings(cell.get("outputs")):
                    self._write_output(output)
            case _:
                self.builder.append("code", source)

    def _write_output(self, output: Mapping[str, Any]) -> None:
        if output.get("output_type") in ("error", "pyerr"):
            self._append_output(f"{_text(output.get('ename'))}: {_text(output.get('evalue'))}")
            return
        data = output.get("data")
        shown = data if isinstance(data, Mapping) else output
        web_page = _text(shown.get("text/html", shown.get("html")))
        plain = _text(shown.get("text/plain", shown.get("text")))
        if "<table" in web_page:
            append_html(self.builder, self._cut(web_page, at_most=20 * _LONGEST_OUTPUT))
        elif marked_up := _text(shown.get("text/markdown")):
            self._append_markdown(self._cut(marked_up))
        elif plain and not _BARE_OBJECT.fullmatch(plain):
            self._append_output(plain)
        elif web_page:
            append_html(self.builder, self._cut(web_page))
        elif any(str(kind).startswith("image/") or kind in ("png", "jpeg", "svg") for kind in shown):
            self._pictures += 1

    def _append_output(self, text: str) -> None:
        self.builder.append("code", self._cut(self._without_blobs(_TERMINAL_CODE.sub("", text))))

    def _append_markdown(self, source: str) -> None:
        for block in self._markdown.blocks(source):
            text = source[block.char_start : block.char_end]
            self.builder.append(block.kind, text, level=block.level, heading=block.heading)
            if block.level == 1 and self.first_heading is None:
                self.first_heading = block.heading

    def _without_blobs(self, text: str) -> str:
        text, blobs = without_blobs(text)
        self.blobs += blobs
        return text

    def _cut(self, text: str, *, at_most: int = _LONGEST_OUTPUT) -> str:
        if len(text) <= at_most:
            return text
        self._cut_outputs += 1
        return f"{text[:at_most]} …"


def _cells(notebook: Any) -> list[Mapping[str, Any]] | None:
    """The cells of a notebook; None if it is none. Format 3 has them in a worksheet."""
    if not isinstance(notebook, Mapping):
        return None
    if isinstance(notebook.get("cells"), list):
        return _mappings(notebook["cells"])
    if isinstance(notebook.get("worksheets"), list):
        return [cell for sheet in _mappings(notebook["worksheets"]) for cell in _mappings(sheet.get("cells"))]
    return None


def _mappings(value: Any) -> list[Mapping[str, Any]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []


def _text(value: Any) -> str:
    """Text that a notebook keeps whole, or as a list of lines."""
    if isinstance(value, list):
        value = "".join(part for part in value if isinstance(part, str))
    return clean(value) if isinstance(value, str) else ""


def _stated_title(notebook: Mapping[str, Any]) -> str | None:
    metadata = notebook.get("metadata")
    title = metadata.get("title") if isinstance(metadata, Mapping) else None
    return stated_title(title) if isinstance(title, str) else None
