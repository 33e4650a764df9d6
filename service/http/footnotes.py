"""An answer as text with footnotes: markers behind its sentences and, below it, the list of what they cite.

The text is written bit by bit and never changed, so that a stream of its pieces and the whole are the same.
"""

from __future__ import annotations

from dataclasses import dataclass

from generation.answers import Answer, AnswerSentence, Citation, LookedAt

SOURCES = "Sources:"
LOOKED_AT = "Looked at:"
UNSUPPORTED = " (not supported by the sources)"
_LONGEST_QUOTE = 300
_MOST_LOOKED_AT = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """Where in the text a sentence cites: `text[start:end]` is "[n]", n being `citation` + 1. Code points."""

    start: int
    end: int
    citation: int


class FootnoteText:
    """Writes the text of one answer. `with_list`: whether the list of sources, or of what was looked at, ends it."""

    def __init__(self, *, with_list: bool) -> None:
        self._with_list = with_list
        self._length = 0
        self._markers: list[Marker] = []

    @property
    def markers(self) -> tuple[Marker, ...]:
        """Those written so far."""
        return tuple(self._markers)

    def sentence(self, sentence: AnswerSentence) -> str:
        """The next piece: a sentence with what stands before it, and its markers."""
        said = harmless(sentence.separator + sentence.text)
        piece = said if self._length else said.lstrip()
        if not sentence.supported:
            piece += UNSUPPORTED
        for position, citation in enumerate(sentence.citations):
            mark = f"[{citation + 1}]"
            # Behind a fence that closes nothing may stand, or it closes nothing.
            before = "\n" if said.endswith("```") else " "
            piece += mark if position else before + mark
            end = self._length + len(piece)
            self._markers.append(Marker(start=end - len(mark), end=end, citation=citation))
        self._length += len(piece)
        return piece

    def rest(self, answer: Answer) -> str:
        """The last piece, which stands below the sentences; a refusal has no other."""
        parts = [answer.answer] if answer.status == "refused" else [""]
        if answer.missing:
            parts.append(harmless(answer.missing))
        if self._with_list and answer.citations:
            parts += [
                SOURCES,
                _listed([_source(n, cited) for n, cited in enumerate(answer.citations, start=1)]),
            ]
        if self._with_list and answer.status == "refused" and answer.looked_at:
            parts += [LOOKED_AT, _listed([_place(looked) for looked in answer.looked_at[:_MOST_LOOKED_AT]])]
        piece = "\n\n".join(parts)
        self._length += len(piece)
        return piece


def text_of(answer: Answer, *, with_list: bool) -> tuple[str, tuple[Marker, ...]]:
    """The whole text of an answer, and its markers."""
    text = FootnoteText(with_list=with_list)
    whole = "".join(map(text.sentence, answer.sentences)) + text.rest(answer)
    return whole, text.markers


def without_list(text: str) -> str:
    """An earlier answer as it was before its list: what counts of it in a conversation."""
    for heading in (SOURCES, LOOKED_AT):
        before, found, _ = text.rpartition(f"\n\n{heading}\n\n- ")
        if found:
            return before
    return text


def harmless(text: str) -> str:
    """The text without Markdown's pictures: who shows them loads them, from wherever a document says."""
    return text.replace("![", "! [")


def _listed(lines: list[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _source(number: int, cited: Citation) -> str:
    return f"[{number}] {_place(cited)}: “{_shorten(harmless(cited.quote))}”"


def _place(place: Citation | LookedAt) -> str:
    path = harmless(_one_line(place.path))
    return path if place.page is None else f"{path}, page {place.page}"


def _shorten(quote: str) -> str:
    flat = _one_line(quote)
    return flat if len(flat) <= _LONGEST_QUOTE else flat[: _LONGEST_QUOTE - 1].rstrip() + "…"


def _one_line(text: str) -> str:
    return " ".join(text.split())
