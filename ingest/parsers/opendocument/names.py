"""Names of OpenDocument's XML, and what its paragraphs say inline."""

from __future__ import annotations

import re
from typing import Any

OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
TEXT = "{urn:oasis:names:tc:opendocument:xmlns:text:1.0}"
TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
DRAW = "{urn:oasis:names:tc:opendocument:xmlns:drawing:1.0}"
PRESENTATION = "{urn:oasis:names:tc:opendocument:xmlns:presentation:1.0}"
STYLE = "{urn:oasis:names:tc:opendocument:xmlns:style:1.0}"
SVG = "{urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0}"
XLINK = "{http://www.w3.org/1999/xlink}"
DC_TITLE = "{http://purl.org/dc/elements/1.1/}title"

SHAPES = frozenset(
    f"{DRAW}{name}"
    for name in (
        *("frame", "text-box", "rect", "line", "polyline", "polygon", "path", "circle", "ellipse", "g"),
        *("custom-shape", "connector", "measure", "caption", "regular-polygon", "control"),
    )
)
_NOT_SHOWN = frozenset(
    {
        *(f"{OFFICE}annotation", f"{TEXT}ruby-text", f"{TEXT}note-citation", f"{TEXT}tracked-changes"),
        *(f"{SVG}title", f"{SVG}desc", f"{TEXT}page-number", f"{OFFICE}event-listeners"),
    }
)
_WHITE_SPACE = re.compile(r"[ \t\r\n]+")
_MOST_SPACES = 100


class Inline:
    """The text of a paragraph or heading as it is shown, the shapes that hang on it, and the notes that it calls."""

    def __init__(self, paragraph: Any) -> None:
        self.shapes: list[Any] = []
        self.notes: list[Any] = []
        self._written: list[str] = []
        self._read(paragraph)
        self.text = "".join(self._written)

    def _read(self, paragraph: Any) -> None:
        self._write(paragraph.text)
        waiting: list[tuple[Any, bool]] = [(child, False) for child in reversed(paragraph)]
        while waiting:
            element, is_read = waiting.pop()
            if is_read or not self._is_inline(element):
                self._write(element.tail)
                continue
            self._write(element.text)
            waiting.append((element, True))
            waiting.extend((child, False) for child in reversed(element))

    def _is_inline(self, element: Any) -> bool:
        """Whether to go on inside an element; what it stands for by itself is written or put aside."""
        tag = element.tag
        if not isinstance(tag, str) or tag in _NOT_SHOWN:
            return False
        if tag in SHAPES:
            self.shapes.append(element)
        elif tag == f"{TEXT}note":
            self.notes.append(element)
        elif tag == f"{TEXT}s":
            self._written.append(" " * min(count(element, f"{TEXT}c"), _MOST_SPACES))
        elif tag == f"{TEXT}tab":
            self._written.append("\t")
        elif tag == f"{TEXT}line-break":
            self._written.append("\n")
        else:
            return True
        return False

    def _write(self, text: str | None) -> None:
        if text:
            self._written.append(_WHITE_SPACE.sub(" ", text))


def count(element: Any, attribute: str, *, most: int = 1_000_000) -> int:
    """A count that an element states; 1 where it states none."""
    stated = element.get(attribute, "")
    return min(int(stated), most) if stated.isdecimal() and 0 < len(stated) < 9 and int(stated) else 1
