"""What is searched for when a question is put in other words: texts, passages that might answer, and how lists unite.

Pure data and functions. Who thinks up the words is `generation.rewriting`; what they find is ranked as for a question.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from numpy.typing import NDArray

Combination = Literal["max", "mean"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchQueries:
    """A question and what is searched for in its stead.

    question: what is asked; a reranker reads candidates against it.
    texts: what is searched for, each by vector and by words; one at least.
    hypothetical: made-up passages that might answer, whose vectors are averaged with that of each text (HyDE). Words
        are looked for in `texts` alone: what a model makes up holds names and figures that no document has to hold.
    """

    question: str
    texts: tuple[str, ...]
    hypothetical: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.texts:
            raise ValueError("there is nothing to search for: `texts` is empty")

    @classmethod
    def of(cls, question: str) -> Self:
        """The question as it was asked, and nothing else."""
        return cls(question=question, texts=(question,))

    @property
    def is_plain(self) -> bool:
        return self.texts == (self.question,) and not self.hypothetical


def hypothetical_vector(
    question: NDArray[np.float32], passages: Sequence[NDArray[np.float32]]
) -> NDArray[np.float32]:
    """The mean of a question's vector and those of made-up passages, as a unit vector: (dimension,), float32.

    Gao et al. 2022, "Precise Zero-Shot Dense Retrieval without Relevance Labels", equation 8. Passages are embedded as
    documents are. Where the mean is zero there is no direction in it, and the question's vector stays.
    """
    mean = np.stack([question, *passages]).astype(np.float64).mean(axis=0)
    length = float(np.linalg.norm(mean))
    unit: NDArray[np.float32] = (mean / length).astype(np.float32) if length else question
    return unit


def combine(
    rankings: Sequence[Sequence[tuple[int, float]]], how: Combination = "max"
) -> list[tuple[int, float]]:
    """One ranking of chunk ids from one for each text, best first, ties by id; scores are fused ones of the same scale.

    max: a chunk counts as the text says that finds it best. mean: as all texts say together; where a text did
    not find it, it had at most the score that the text's ranking ends with, and so much it is given (not zero, which
    would make the length of the lists decide).
    """
    scores = [dict(ranking) for ranking in rankings if ranking]
    floors = [min(found.values()) for found in scores]
    chunk_ids = {chunk_id for found in scores for chunk_id in found}
    if how == "max":
        united = {i: max(found[i] for found in scores if i in found) for i in chunk_ids}
    else:
        united = {
            i: sum(found.get(i, floor) for found, floor in zip(scores, floors, strict=True)) / len(scores)
            for i in chunk_ids
        }
    return sorted(united.items(), key=lambda pair: (-pair[1], pair[0]))


def best_of(scores: Sequence[Mapping[int, float]]) -> dict[int, float]:
    """The best score of every chunk under any of the texts: what a hit's `cosine` and `bm25` then say."""
    united = dict(scores[0]) if scores else {}
    for found in scores[1:]:
        for chunk_id, score in found.items():
            united[chunk_id] = max(score, united.get(chunk_id, score))
    return united
