"""How well the passages found for a question hold its answer.

Span recall, precision and intersection over union as in Smith and Troynikov, "Evaluating Chunking Strategies for
Retrieval" (Chroma, 2024), in characters: of the gold spans t_e and the spans t_r of the best k chunks, recall is
|t_e ∩ t_r| / |t_e|, precision |t_e ∩ t_r| / |t_r|, IoU |t_e ∩ t_r| / (|t_e| + |t_r| - |t_e ∩ t_r|). Gold counts once;
in |t_r| what overlapping chunks repeat counts every time.

Small chunks are at a disadvantage at equal k, for they hold less. Hence also budgets: the best chunks that together
have at most so many tokens (or the first alone).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate

from benchmarks.chunking_sets import Question
from retrieval.records import ChunkDraft

BUDGETS = (1280, 2560)
"""Tokens: five and ten chunks of 256."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A chunk found, and the document that it is of."""

    document: str
    chunk: ChunkDraft


def scores(question: Question, found: Sequence[Answered]) -> Mapping[str, float]:
    """All scores of one question, by kind. `found` is best first."""
    return _span_scores(question, found) if question.whole else _hit_scores(question, found)


def _span_scores(question: Question, found: Sequence[Answered]) -> dict[str, float]:
    gold = _positions(question.spans)
    result: dict[str, float] = {}
    for k in (5, 10):
        retrieved = sum(len(each.chunk.text) for each in found[:k])
        common = len(gold & _covered(question, found[:k]))
        result |= {
            f"recall@{k}": common / len(gold),
            f"precision@{k}": common / retrieved,
            f"IoU@{k}": common / (len(gold) + retrieved - common),
        }
    for budget in BUDGETS:
        result[f"recall@{budget}t"] = len(gold & _covered(question, _within(found, budget))) / len(gold)
    return result


def _hit_scores(question: Question, found: Sequence[Answered]) -> dict[str, float]:
    """R@k: whether one of the best k chunks holds an answer whole. nDCG@10 of that, with the first such chunk the one
    that is relevant; and of the right document, its rank that of its best chunk."""
    holds = [
        each.document == question.document
        and any(
            each.chunk.char_start <= start and end <= each.chunk.char_end for start, end in question.spans
        )
        for each in found
    ]
    rank = next((place for place, hit in enumerate(holds, 1) if hit), None)
    documents = list(dict.fromkeys(each.document for each in found))
    document_rank = documents.index(question.document) + 1 if question.document in documents else None
    return {
        **{f"R@{k}": float(any(holds[:k])) for k in (1, 5, 10)},
        "nDCG@10": _gain(rank),
        **{f"R@{budget}t": float(any(holds[: len(_within(found, budget))])) for budget in BUDGETS},
        "document nDCG@10": _gain(document_rank),
    }


def _gain(rank: int | None) -> float:
    return 1 / math.log2(1 + rank) if rank is not None and rank <= 10 else 0.0


def _within(found: Sequence[Answered], budget: int) -> Sequence[Answered]:
    totals = accumulate(each.chunk.token_count for each in found)
    return found[: max(1, sum(total <= budget for total in totals))]


def _covered(question: Question, found: Sequence[Answered]) -> set[int]:
    return _positions(
        [(each.chunk.char_start, each.chunk.char_end) for each in found if each.document == question.document]
    )


def _positions(spans: Sequence[tuple[int, int]]) -> set[int]:
    return {position for start, end in spans for position in range(start, end)}
