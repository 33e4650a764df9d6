"""Passages and hits for tests, cut from a text so that every offset is a true one, and a scorer without a model."""

from __future__ import annotations

import re
from collections.abc import Sequence
from uuid import NAMESPACE_URL, UUID, uuid5

import numpy as np
from numpy.typing import NDArray

from generation.answers import Answer
from retrieval.records import Hit, Passage


def document_id(path: str) -> UUID:
    return uuid5(NAMESPACE_URL, path)


def passage(
    text: str,
    *,
    path: str = "handbook/leave.md",
    title: str = "Leave",
    headings: tuple[str, ...] = (),
    before: str = "",
    page_starts: tuple[int, ...] = (),
    chunk_id: int = 1,
) -> Passage:
    """A passage that stands after `before` in its revision's text."""
    return Passage(
        chunk_id=chunk_id,
        document_id=document_id(path),
        revision=3,
        path=path,
        title=title,
        headings=headings,
        page_starts=page_starts,
        char_start=len(before),
        char_end=len(before) + len(text),
        text=text,
    )


def hits(*passages: Passage, rerank: Sequence[float | None] | None = None) -> list[Hit]:
    logits = rerank or [None] * len(passages)
    return [
        Hit(passage=p, score=1 - i / 100, cosine=0.7, bm25=1.0, rerank=logit)
        for i, (p, logit) in enumerate(zip(passages, logits, strict=True))
    ]


class OverlapScorer:
    """Logits from -11 (no word of the first text in the second) to 9 (all of them). Counts its pairs."""

    def __init__(self) -> None:
        self.pairs: list[tuple[str, str]] = []

    async def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        self.pairs += pairs
        return np.array([-11 + 20 * self._share(*pair) for pair in pairs], dtype=np.float32)

    def _share(self, first: str, second: str) -> float:
        words, known = self._words(first), self._words(second)
        return len(words & known) / max(1, len(words))

    def _words(self, text: str) -> set[str]:
        return {word for word in re.findall(r"\w+", text.lower()) if len(word) > 3 or word.isdigit()}


def check_citations(answer: Answer, revision_text: str) -> None:
    """What every answer promises."""
    for citation in answer.citations:
        assert revision_text[citation.char_start : citation.char_end] == citation.quote
        assert citation.quote.strip()
    for sentence in answer.sentences:
        assert all(0 <= number < len(answer.citations) for number in sentence.citations)
        assert sentence.supported == bool(sentence.citations)
        assert 0 <= sentence.support <= 1
