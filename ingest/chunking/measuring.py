"""Measuring spans of a text in tokens, with the text tokenised once."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right

from ingest.chunking import TokenEnds

CHARACTERS_PER_TOKEN = 16
"""A chunk also ends after this many characters per token allowed, since some texts (one endless word, which a WordPiece
tokenizer counts as a single token; columns of spaces) have next to no tokens. English prose has about 4.5."""

_STRETCH = 16_384
"""Characters tokenised at once: a tokenizer's own record of a text is fifty times as large as what is kept here."""


class MeasuredText:
    """A text and where its tokens end.

    A token counts for the span in which it ends. (By itself, a span cut inside a word may count a few tokens more.)
    A size is a number of tokens, or of `CHARACTERS_PER_TOKEN` characters where that is more.
    """

    def __init__(self, text: str, token_ends: TokenEnds) -> None:
        self.text = text
        self._ends = array("i")
        start = 0
        while start < len(text):
            end = _stretch_end(text, start)
            self._ends.extend([start + each for each in token_ends(text[start:end])])
            start = end

    def tokens(self, start: int, end: int) -> int:
        """How many tokens a span has."""
        return bisect_right(self._ends, end) - bisect_right(self._ends, start)

    def size(self, start: int, end: int) -> int:
        """The size of a span."""
        return max(self.tokens(start, end), -(-(end - start) // CHARACTERS_PER_TOKEN))

    def fits(self, start: int, end: int, limit: int) -> bool:
        """Whether a span's size is within the limit."""
        return self.size(start, end) <= limit

    def furthest(self, start: int, limit: int) -> int:
        """How far a span from `start` may go whose size is within the limit: to the end of a token, at least one
        character, at most to the end of the text."""
        first = bisect_right(self._ends, start)
        beyond = first + limit  # the first token that is too many
        if beyond >= len(self._ends):
            end = len(self.text)
        else:  # a character may be several tokens, which end together
            last = bisect_left(self._ends, self._ends[beyond]) - 1
            end = self._ends[last] if last >= first else start
        return max(start + 1, min(end, start + limit * CHARACTERS_PER_TOKEN))

    def before(self, end: int, tokens: int) -> int:
        """Where the token ends that stands before the last `tokens` tokens up to `end`; 0 if there are no more."""
        index = bisect_right(self._ends, end) - tokens - 1
        return self._ends[index] if index >= 0 else 0


def _stretch_end(text: str, start: int) -> int:
    """Where a stretch from `start` ends: after a line, else after a word, else anywhere."""
    end = start + _STRETCH
    if end >= len(text):
        return len(text)
    return max(text.rfind("\n", start, end), text.rfind(" ", start, end)) + 1 or end
