"""Which sentences of the sources are worth reading for a claim: those that share its rarer words, numbers and names.

Words count by their beginnings, so that "reduction" is like "reduces", and by how few of the sentences hold them.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence

_WORD = re.compile(r"\d+(?:[.,]\d+)*|[^\W\d_]+")
_STEM = 5
# fmt: off
_SMALL_WORDS = frozenset({
    "a", "an", "the", "of", "in", "on", "at", "to", "for", "by", "and", "or", "as", "is", "are", "was", "were",
    "be", "been", "it", "its", "that", "this", "these", "those", "with", "from", "has", "have", "had", "do",
    "does", "did", "they", "their", "them", "he", "his", "him", "she", "her", "which", "who", "whom", "whose",
    "what", "when", "where", "how", "also", "can", "could", "will", "would", "may", "might", "not", "no", "but",
    "if", "than", "then", "so", "such", "there", "here", "into", "about", "over", "after", "before", "other",
    "some", "any", "all", "more", "most", "only", "very", "just", "i", "you", "we", "my", "your", "our", "us",
    "me", "s", "t", "being",
})
# fmt: on


def stems(text: str) -> frozenset[str]:
    """The beginnings of the words that carry meaning, and the numbers, in lower case."""
    return frozenset(ordered_stems(text))


def ordered_stems(text: str) -> list[str]:
    """The same in the order of the text, as often as they stand there."""
    words = (word.casefold() for word in _WORD.findall(text))
    return [word if word[0].isdigit() else word[:_STEM] for word in words if word not in _SMALL_WORDS]


def weights(sentences: Sequence[frozenset[str]]) -> dict[str, float]:
    """How much a stem tells among these sentences: from 1 where one holds it down to where all do."""
    count = len(sentences)
    holding = Counter(stem for each in sentences for stem in each)
    return {stem: math.log((count + 1) / n + 1) / math.log(count + 2) for stem, n in holding.items()}


def share(claim: frozenset[str], source: frozenset[str], weight: dict[str, float]) -> float:
    """The weighted share (0..1) of the claim's stems that the source holds; a stem held nowhere weighs 1."""
    whole = sum(weight.get(stem, 1.0) for stem in claim)
    return sum(weight.get(stem, 1.0) for stem in claim & source) / whole if whole else 0.0


def most_alike(claim: str, sentences: Sequence[str], count: int) -> list[int]:
    """Indexes of the `count` sentences most like the claim, best first.

    After the first, a sentence is the better the more it holds of what those before it lack.
    """
    said = stems(claim)
    held = [stems(sentence) for sentence in sentences]
    weight = weights(held)
    chosen: list[int] = []
    left = set(range(len(sentences)))
    covered: frozenset[str] = frozenset()
    while left and len(chosen) < count:
        best = max(
            left,
            key=lambda i: (
                share(said, held[i], weight)
                + share(said - covered, held[i], weight) * bool(chosen)
                - 0.02 * math.log(1 + len(held[i])),
                -i,
            ),
        )
        chosen.append(best)
        covered |= held[best] & said
        left.remove(best)
    return chosen
