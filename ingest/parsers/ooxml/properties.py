"""What a Word document's styles and paragraph properties say a paragraph is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from ingest.parsers import BlockKind

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"

_HEADING_STYLE = re.compile(r"heading (\d)", re.IGNORECASE)
_BODY_TEXT_LEVEL = 9
"""The outline level (from 0) that means: no heading."""


def value(element: Any) -> str | None:
    """The `w:val` of an element; None for an element that is not there."""
    val = element.get(f"{W}val") if element is not None else None
    return val if isinstance(val, str) else None


def number(text: str | None) -> int | None:
    """`text` as a number if it is a small one."""
    return int(text) if text is not None and re.fullmatch(r"\d{1,6}", text, re.ASCII) else None


def child(element: Any, path: str) -> Any:
    """The first descendant on `path`, or None, also where there is no element to begin with."""
    return element.find(path) if element is not None else None


def is_on(element: Any) -> bool:
    """Whether a switch such as `w:vanish` is there and not set to off."""
    return element is not None and value(element) not in ("0", "false", "off")


@dataclass(frozen=True, slots=True, kw_only=True)
class ParagraphKind:
    """What a paragraph is. `number_id` and `number_level` name the list that numbers it, "0" for none."""

    kind: BlockKind = "paragraph"
    level: int | None = None
    is_title: bool = False
    style: str | None = None
    number_id: str | None = None
    number_level: int | None = None

    @property
    def is_numbered(self) -> bool:
        return self.number_id not in (None, "0")


class Styles:
    """The styles of one document."""

    def __init__(self, styles: Any | None) -> None:
        """`styles` is the root of the styles part, or None if the document has none."""
        found = () if styles is None else styles.iterchildren(f"{W}style")
        self._styles = {style.get(f"{W}styleId"): style for style in found}
        self._default = next((name for name, style in self._styles.items() if _is_default(style)), None)
        self._known: dict[str | None, ParagraphKind] = {}

    def kind_of(self, properties: Any) -> ParagraphKind:
        """What a paragraph with these properties (`w:pPr`, or None) is: its own say comes before its style's."""
        style_id = value(child(properties, f"{W}pStyle")) or self._default
        if style_id not in self._known:
            self._known[style_id] = self._of_style(style_id)
        found = _with_properties(self._known[style_id], properties)
        if found.kind == "paragraph" and found.is_numbered:
            return replace(found, kind="list_item")
        return found

    def _of_style(self, style_id: str | None) -> ParagraphKind:
        found = ParagraphKind(style=style_id)
        for style in reversed(list(self._with_ancestors(style_id))):
            name = (value(style.find(f"{W}name")) or "").lower()
            found = _with_properties(found, style.find(f"{W}pPr"))
            if heading := _HEADING_STYLE.fullmatch(name):
                found = replace(found, kind="heading", level=int(heading[1]) or 1)
            elif name == "title":
                found = replace(found, kind="heading", level=1, is_title=True)
            elif name.startswith("list ") and found.kind == "paragraph":
                found = replace(found, kind="list_item")
        return found

    def _with_ancestors(self, style_id: str | None) -> Iterator[Any]:
        """The style and those it is based on, outwards."""
        seen: set[str | None] = set()
        while style_id not in seen and (style := self._styles.get(style_id)) is not None:
            seen.add(style_id)
            yield style
            style_id = value(style.find(f"{W}basedOn"))


def _is_default(style: Any) -> bool:
    return style.get(f"{W}type") == "paragraph" and style.get(f"{W}default") in ("1", "true", "on")


def _with_properties(found: ParagraphKind, properties: Any) -> ParagraphKind:
    """`found`, changed by what properties add."""
    outline = number(value(child(properties, f"{W}outlineLvl")))
    if outline is not None and outline < _BODY_TEXT_LEVEL:
        found = replace(found, kind="heading", level=outline + 1)
    elif outline is not None and found.kind == "heading":
        found = replace(found, kind="paragraph", level=None, is_title=False)
    numbering = child(properties, f"{W}numPr")
    if numbering is not None:
        number_level = number(value(numbering.find(f"{W}ilvl")))
        found = replace(
            found,
            number_id=value(numbering.find(f"{W}numId")) or found.number_id,
            number_level=found.number_level if number_level is None else number_level,
        )
    return found
