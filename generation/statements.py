"""What a small language model writes that is no statement at all, so that no source can state it.

Such models go round in circles within a sentence, and talk of the quotations instead of saying what these say. Both are
made of the sources' own words, so that they look supported (docs/support.md, a model that cannot be relied upon).
"""

from __future__ import annotations

import re
from collections import Counter

_IN_A_ROW, _TIMES = 3, 3
"""So many words in a row so many times: none of 1,260 stated claims of three sets does that."""

_WORD = re.compile(r"\w+")
_TOLD = (
    r"(?:cites?|cited|mentions?|discuss(?:es)?|describes?|explains?|lists?|provides?|quotes?|refers?|"
    r"(?:is|are) (?:cited|quoted|about))"
)
_OF_QUOTATIONS = re.compile(
    r"\bpassages?\s+[\"“]|\b(?:is|are) from the passages?\s*(?:[.;,]|$)"
    rf"|^(?:the|this|these|those|both|all) (?:\w+ )?(?:passages?|quotations?)\b[^,.;]{{0,60}}? (?:also )?{_TOLD}\b"
    r"|^they (?:also )?(?:cite|mention|discuss|(?:are|were) cited)\b",
    re.IGNORECASE,
)

_LEAD = re.compile(r"(?:\w+ ){0,2}\w+:")
"""A word or three before a colon ("They include:") say nothing yet."""


def is_statement(sentence: str) -> bool:
    """Whether a sentence says something of which it can be asked whether a source states it."""
    return not (_goes_round(sentence) or _OF_QUOTATIONS.search(sentence) or _LEAD.fullmatch(sentence))


def _goes_round(sentence: str) -> bool:
    words = [match[0].casefold() for match in _WORD.finditer(sentence)]
    runs = Counter(tuple(words[i : i + _IN_A_ROW]) for i in range(len(words) - _IN_A_ROW + 1))
    return max(runs.values(), default=0) >= _TIMES
