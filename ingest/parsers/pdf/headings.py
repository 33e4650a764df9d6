"""Headings: told by the outline of the document, or by type that is larger or bolder than the text's."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ingest.parsers.pdf.layout import PageLayout, Paragraph

DEEPEST_LEVEL = 6
_LARGER = 1.12
"""How many times the text's size a heading's is at least, unless it is bold."""
_CLEARLY_LARGER = 1.3
"""The same where sizes are estimates."""
_MOST_LINES = 3
_LONGEST = 200
_LONGEST_BOLD = 120
_WORDS = re.compile(r"[^\W_]+")
_LETTERS = re.compile(r"[^\W\d_]")
_UNLIKE_A_HEADING = re.compile(r".*[,;]$|[•‣▪●○◦■□–—*·➢✓\uf0b7\uf0a7-]\s.*|[a-zß-ÿ].*[a-z]\.$")
_SENTENCE = re.compile(r"(?<!\b\w)\.$")

Style = tuple[float, bool]
"""A size of text in half points, and whether it is bold."""


@dataclass(frozen=True, slots=True)
class OutlineEntry:
    """An entry of a document's outline. level: from 1. page: 1-based, or None where it leads nowhere."""

    title: str
    level: int
    page: int | None


def heading_levels(layouts: Sequence[PageLayout], outline: Sequence[OutlineEntry]) -> Mapping[int, int]:
    """The level of every paragraph that is a heading, by `id` of the paragraph.

    layouts: in reading order. Only a page's main direction of text has headings.
    """
    pages = [(layout.number, layout.paragraphs) for layout in layouts if layout.is_main]
    everything = [paragraph for _, paragraphs in pages for paragraph in paragraphs]
    larger = _CLEARLY_LARGER if any(layout.from_picture for layout in layouts) else _LARGER
    body = _body_style(everything)
    if body is None:
        return {}
    stated = _stated_levels(pages, outline)
    likely = [
        paragraph
        for paragraph in everything
        if id(paragraph) in stated or _stands_out(paragraph, body, larger)
    ]
    if sum(_style(paragraph)[0] <= body[0] for paragraph in likely) > max(4, 0.5 * len(everything)):
        # A page of bold labels: type alone says nothing here.
        likely = [
            paragraph for paragraph in likely if id(paragraph) in stated or _style(paragraph)[0] > body[0]
        ]
    by_style = _levels_by_style(likely, stated)
    return {id(paragraph): stated.get(id(paragraph)) or by_style[_style(paragraph)] for paragraph in likely}


def _style(paragraph: Paragraph) -> Style:
    line = max(paragraph.lines, key=lambda each: len(each.text))
    return round(2 * line.size) / 2, paragraph.lines[0].bold


def _body_style(paragraphs: Iterable[Paragraph]) -> Style | None:
    weights: Counter[Style] = Counter()
    for paragraph in paragraphs:
        weights[_style(paragraph)] += sum(len(line.text) for line in paragraph.lines)
    return weights.most_common(1)[0][0] if weights else None


def _stands_out(paragraph: Paragraph, body: Style, larger: float) -> bool:
    size, bold = _style(paragraph)
    text = paragraph.text
    if len(paragraph.lines) > _MOST_LINES or len(text) > _LONGEST or len(_LETTERS.findall(text)) < 3:
        return False
    if _UNLIKE_A_HEADING.fullmatch(text) or (_SENTENCE.search(text) and len(text) > _LONGEST_BOLD / 2):
        return False
    if size >= larger * body[0]:
        return True
    return bold and not body[1] and size >= 0.95 * body[0] and _is_bold_heading(paragraph, text)


def _is_bold_heading(paragraph: Paragraph, text: str) -> bool:
    starts_well = not text[:1].islower()
    return len(text) <= _LONGEST_BOLD and starts_well and all(line.bold for line in paragraph.lines)


def _stated_levels(
    pages: Sequence[tuple[int, Sequence[Paragraph]]], outline: Sequence[OutlineEntry]
) -> dict[int, int]:
    """The levels of the paragraphs that the outline names, each entry taken once."""
    by_page: dict[int, dict[str, int]] = defaultdict(dict)
    for entry in outline:
        if entry.page is not None and _key(entry.title):
            by_page[entry.page].setdefault(_key(entry.title), min(entry.level, DEEPEST_LEVEL))
    levels: dict[int, int] = {}
    for number, paragraphs in pages:
        wanted = by_page.get(number, {})
        for paragraph in paragraphs:
            if wanted and len(paragraph.lines) <= _MOST_LINES:
                level = wanted.pop(_key(paragraph.text), None) or wanted.pop(
                    _key(_unnumbered(paragraph)), None
                )
                if level is not None:
                    levels[id(paragraph)] = level
    return levels


def _key(title: str) -> str:
    return "".join(_WORDS.findall(title)).lower()


def _unnumbered(paragraph: Paragraph) -> str:
    return re.sub(r"^[\dA-Z]{1,3}(?:\.\d+)*\.?\s+", "", paragraph.text)


def _levels_by_style(likely: Sequence[Paragraph], stated: Mapping[int, int]) -> dict[Style, int]:
    """Levels by rank of type: larger before smaller, bold before not; as the outline has it where it names some."""
    votes: dict[Style, Counter[int]] = defaultdict(Counter)
    for paragraph in likely:
        if id(paragraph) in stated:
            votes[_style(paragraph)][stated[id(paragraph)]] += 1
    levels: dict[Style, int] = {}
    above = 0
    last_size = None
    for style in sorted(
        {_style(paragraph) for paragraph in likely}, key=lambda each: (-each[0], not each[1])
    ):
        if style in votes:
            level = votes[style].most_common(1)[0][0]
        elif last_size is not None and style[0] > 0.97 * last_size and levels and style[1]:
            level = above
        else:
            level = above + 1
        levels[style] = min(level, DEEPEST_LEVEL)
        above = max(above, levels[style])
        last_size = style[0]
    return levels
