"""The evidence check: how well each passage answers the question, read by the cross-encoder. Always done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from generation.answers import AnswerPolicy, LookedAt
from retrieval.records import Hit, Passage, contextual_text
from retrieval.search import PairScorer


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """A passage with its evidence score (0..1)."""

    passage: Passage
    score: float


async def weigh(
    question: str, hits: Sequence[Hit], *, scorer: PairScorer, policy: AnswerPolicy
) -> list[Evidence]:
    """Score the first `policy.passages` hits against the question, best first.

    A hit that search has reranked carries the very logit that is wanted, and is not read twice.
    """
    read = hits[: policy.passages]
    unread = [hit.passage for hit in read if hit.rerank is None]
    logits = iter(
        await scorer.score([(question, in_context(passage)) for passage in unread]) if unread else ()
    )
    evidence = [
        Evidence(
            passage=hit.passage,
            score=policy.evidence.score(float(next(logits)) if hit.rerank is None else hit.rerank),
        )
        for hit in read
    ]
    return sorted(evidence, key=lambda e: -e.score)


def in_context(passage: Passage) -> str:
    """The passage as search's reranker reads it: below its title and headings."""
    return contextual_text(passage.title, passage.headings, passage.text)


def looked_at(evidence: Sequence[Evidence]) -> tuple[LookedAt, ...]:
    """The places read, best first, one entry a document and page."""
    places: dict[tuple[object, int | None], LookedAt] = {}
    for piece in evidence:
        passage = piece.passage
        places.setdefault(
            (passage.document_id, passage.page),
            LookedAt(
                document_id=passage.document_id, path=passage.path, page=passage.page, score=piece.score
            ),
        )
    return tuple(places.values())
