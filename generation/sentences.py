"""Sentences with their places: what a citation may quote.

sentencex finds the boundaries of running text; this module adds what it does not know of: line breaks,
list items and table rows end a sentence, hard-wrapped lines do not, and nothing longer than a reader
would accept as "the place" is returned whole. In a document's text, code between fences is one piece.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

import sentencex

LONGEST_SENTENCE = 400
"""Code points. Longer sentences are cut at a clause, then at a space."""

_LINE_BREAK = re.compile(r"[\n\v\f\u2028\u2029]")
_WHITE = re.compile(r"\s")
_SURROGATE = re.compile("[\ud800-\udfff]")
_LIST_MARKER = re.compile(r"\s*(?:[-*+•‣▪◦–—·]|\(?\d{1,3}[.)]|\(?[A-Za-z]\)|[a-z]\.)\s+(?=\S)")
_TABLE_ROW = re.compile(r"\t|\s\|\s|^\s*\|")
_ENDS_SENTENCE = tuple('.!?:;。！？：；…"”’)')
_CLAUSE_END = re.compile(r"[;:,，；：、。](?=\s|[^\W\d_])")

_FENCE = re.compile(r"^[ \t]*(?:`{3,}|~{3,})[ \t]*(?P<language>[^\s`]*)[^\n`]*$", re.MULTILINE)
_FEWEST_WORDS = 4
"""Of a line that is more than a title."""

_SHORTEST_WRAP = 40
_LONGEST_WRAP = 130
"""Hard-wrapped lines are between these lengths: shorter lines are items, longer ones whole paragraphs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sentence:
    """A sentence at its place: `text == whole[start:end]`, without outer white space or a list marker.

    is_code: it is all the lines between two fences, which say what they say only together.
    """

    start: int
    end: int
    text: str
    is_code: bool = False


def split_sentences(text: str, *, longest: int = LONGEST_SENTENCE) -> list[Sentence]:
    """The sentences of `text`, ascending and apart; places are code points. Never blank, never raises."""
    return [
        Sentence(start=start, end=end, text=text[start:end])
        for block_start, block_end in _blocks(text)
        for whole_start, whole_end in _boundaries(text, block_start, block_end)
        for start, end in _cut(text, whole_start, whole_end, longest)
        if any(character.isalnum() for character in text[start:end])
    ]


def split_passage(text: str) -> list[Sentence]:
    """The sentences of a document's text, with fenced code as one of them each.

    Code that is too long to be quoted is passed over where the text beside it says something.
    """
    pieces: list[Sentence] = []
    passed_over = False
    place = 0
    for opening, closing in _fences(text):
        pieces += _moved(split_sentences(text[place : opening.start()]), place)
        place = closing.end()
        code = _code(text, opening.end(), closing.start())
        if code is not None:
            pieces.append(code)
        passed_over = passed_over or code is None
    pieces += _moved(split_sentences(text[place:]), place)
    if passed_over and not any(piece.is_code or _says_something(piece.text) for piece in pieces):
        return split_sentences(text)
    return pieces


def _fences(text: str) -> list[tuple[re.Match[str], re.Match[str]]]:
    """Pairs of lines with code between them; none where it is not clear which of them open and which close.

    A passage may begin or end in the midst of code: only a fence that names a language surely opens.
    """
    marks = list(_FENCE.finditer(text))
    if len(marks) % 2 and not (marks[0]["language"] and marks.pop()):
        return []
    pairs = list(zip(marks[::2], marks[1::2], strict=True))
    return [] if any(closing["language"] for _, closing in pairs) else pairs


def _code(text: str, start: int, end: int) -> Sentence | None:
    """The lines of code between two places, without blank ones around; None where they are too long."""
    code = text[start:end]
    start += len(code) - len(code.lstrip("\r\n"))
    end = start + len(text[start:end].rstrip())
    if end - start > LONGEST_SENTENCE or not any(character.isalnum() for character in text[start:end]):
        return None
    return Sentence(start=start, end=end, text=text[start:end], is_code=True)


def _says_something(text: str) -> bool:
    return not text.startswith("#") and len(text.split()) >= _FEWEST_WORDS


def _moved(sentences: list[Sentence], by: int) -> list[Sentence]:
    return [Sentence(start=each.start + by, end=each.end + by, text=each.text) for each in sentences]


def _blocks(text: str) -> Iterator[tuple[int, int]]:
    """Spans of running text: single lines, or several where the line breaks only wrap a sentence."""
    lines = list(_lines(text))
    block_start: int | None = None
    for index, (start, end) in enumerate(lines):
        if block_start is None:
            block_start = start
        following = text[slice(*lines[index + 1])] if index + 1 < len(lines) else ""
        if not _wraps(text[start:end], following):
            yield block_start, end
            block_start = None


def _lines(text: str) -> Iterator[tuple[int, int]]:
    start = 0
    for match in _LINE_BREAK.finditer(text):
        yield start, match.start()
        start = match.end()
    yield start, len(text)


def _wraps(line: str, following: str) -> bool:
    """Whether the break between these two lines is mere typesetting."""
    if not line.strip() or not following.strip() or len(line) > _LONGEST_WRAP:
        return False
    if _LIST_MARKER.match(following) or _TABLE_ROW.search(line) or _TABLE_ROW.search(following):
        return False
    stripped = line.rstrip()
    if following.lstrip()[0].islower():
        return not stripped.endswith((":", ";"))
    return len(stripped) >= _SHORTEST_WRAP and not stripped.endswith(_ENDS_SENTENCE)


def _boundaries(text: str, block_start: int, block_end: int) -> Iterator[tuple[int, int]]:
    """Sentences of one block, its list marker left out."""
    marker = _LIST_MARKER.match(text, block_start, block_end)
    first = marker.end() if marker else block_start
    # Same length, so that sentencex' offsets (code points) stay true. It takes a line feed for a boundary, and
    # panics (1.0.32, which no `except Exception` catches) at "J." before a white space of several bytes.
    flat = _SURROGATE.sub("?", _WHITE.sub(" ", text[first:block_end]))
    start = 0
    for boundary in sentencex.get_sentence_boundaries("en", flat):
        end = boundary["end_index"]
        if end < len(flat) and _inside_word(flat, end):
            continue
        yield first + start, first + end
        start = end
    if start < len(flat):
        yield first + start, block_end


def _inside_word(text: str, place: int) -> bool:
    """Whether a cut at `place` would part a number or a word ("3.5", "e.g")."""
    before, after = text[place - 1], text[place]
    return not before.isspace() and not after.isspace() and (before in ".,-" or before.isascii())


def _cut(text: str, start: int, end: int, longest: int) -> Iterator[tuple[int, int]]:
    """Trim a span and cut it into pieces of at most `longest` code points."""
    while True:
        while start < end and text[start].isspace():
            start += 1
        while start < end and text[end - 1].isspace():
            end -= 1
        if end - start <= longest:
            if start < end:
                yield start, end
            return
        place = _cutting_place(text, start, start + longest)
        yield start, start + len(text[start:place].rstrip())
        start = place


def _cutting_place(text: str, start: int, limit: int) -> int:
    """Where to cut before `limit`: after a clause, at a space, or anywhere but inside a number."""
    middle = start + (limit - start) // 2
    clauses = [match.end() for match in _CLAUSE_END.finditer(text, middle, limit)]
    if clauses:
        return clauses[-1]
    for place in range(limit, middle, -1):
        if text[place].isspace() and not (
            text[place - 1].isdigit() and text[place + 1 : place + 2].isdigit()
        ):
            return place
    for place in range(limit, middle, -1):
        if not (text[place].isalnum() and text[place - 1].isdigit()):
            return place
    return limit
