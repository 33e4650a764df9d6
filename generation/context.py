"""The context: which passages a language model gets to read, and under which numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from generation.counting import TokenCount
from generation.evidence import Evidence
from generation.sentences import split_sentences
from generation.tokens import approximate_tokens
from retrieval.neighbours import NO_GAPS, GapTexts, merge_neighbours
from retrieval.records import Passage, contextual_text

Item = TypeVar("Item")

_FENCE_TOKENS = 24
"""What the fence around a passage costs, on the high side; no gap between neighbours is longer."""

_LONGEST_MERGED = 4_000
"""Code points of neighbouring chunks in one quotation: a citation of it should still name a place to look at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberedPassage:
    """A passage under the number by which the model cites it, from 1."""

    number: int
    passage: Passage


def texts_to_count(evidence: Sequence[Evidence]) -> list[str]:
    """The texts whose tokens decide what `choose_context` chooses, for an exact `count` of them."""
    return [_shown(piece.passage) for piece in evidence]


def choose_context(
    evidence: Sequence[Evidence],
    *,
    token_budget: int,
    gap_texts: GapTexts = NO_GAPS,
    count: TokenCount = approximate_tokens,
) -> list[NumberedPassage]:
    """Number the passages that fit the budget, as `count` counts a text's tokens, in the order of reading.

    The best comes first, the second best last: what stands in the middle of a long prompt is used least (Liu et al.,
    Lost in the Middle: How Language Models Use Long Contexts, 2023).

    A passage that lies within one already chosen is left out. One that does not fit is passed over for a shorter
    one, save the best: it is cut at the end of a sentence, so that there is always something to read. What was
    weighed as neighbouring chunks is read as one passage, with sentences whole that were cut between them; the
    white space between chunks comes from `gap_texts`.
    """
    chosen: list[Passage] = []
    left = token_budget
    for piece in evidence:
        passage = piece.passage
        if any(_within(passage, other) for other in chosen):
            continue
        if not chosen and _cost(passage, count) > left:
            passage = _shortened(passage, left, count)
        if (cost := _cost(passage, count)) <= left or not chosen:
            chosen.append(passage)
            left -= cost
    merged = merge_neighbours(chosen, gap_texts=gap_texts, longest=_LONGEST_MERGED)
    return [
        NumberedPassage(number=number, passage=group.passage)
        for number, group in enumerate(_best_at_ends(merged), start=1)
    ]


def _best_at_ends(ranked: Sequence[Item]) -> list[Item]:
    return [*ranked[:1], *ranked[2:], *ranked[1:2]]


def _cost(passage: Passage, count: TokenCount) -> int:
    return count(_shown(passage)) + _FENCE_TOKENS


def _shown(passage: Passage) -> str:
    return contextual_text(passage.title, passage.headings, passage.text)


def _within(passage: Passage, other: Passage) -> bool:
    return (
        (passage.document_id, passage.revision) == (other.document_id, other.revision)
        and other.char_start <= passage.char_start
        and passage.char_end <= other.char_end
    )


def _shortened(passage: Passage, token_budget: int, count: TokenCount) -> Passage:
    """The passage's longest beginning that fits and ends with a sentence; at least its first sentence."""
    ends = [sentence.end for sentence in split_sentences(passage.text)] or [len(passage.text)]
    fitting = [end for end in ends if _cost(_until(passage, end), count) <= token_budget]
    return _until(passage, fitting[-1] if fitting else ends[0])


def _until(passage: Passage, end: int) -> Passage:
    return replace(passage, text=passage.text[:end], char_end=passage.char_start + end)
