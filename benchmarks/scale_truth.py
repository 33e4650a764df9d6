"""The truth from numpy: cosines of single precision, and BM25 of exact frequencies and lengths, of every chunk.

Nothing of it comes from an index: vectors and words are those that the corpus was made with. Only what Postgres makes
of a word (its lexeme) is asked of Postgres.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.scale_corpus import CHUNKS_A_DOCUMENT, Made
from retrieval.database import Database

Ids = NDArray[np.int64]
Scores = NDArray[np.float32]

_STOP, _UNASKED = -1, -2
_CHUNKS_AT_ONCE = 50_000
_QUESTIONS_AT_ONCE = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What a question finds, were every chunk looked at. Scores are of all chunks, by their number."""

    cosines: Scores
    bm25: Scores
    attainable: float


def best(scores: Scores, mask: NDArray[np.bool_], k: int, *, above: float = -math.inf) -> Ids:
    """The numbers of the `k` chunks of highest score within a mask, best first, ties by number."""
    places = np.flatnonzero(mask & (scores > above))
    if len(places) > k:
        found = scores[places]
        least = np.partition(found, -k)[-k]
        places = places[found >= least]
    return places[np.lexsort((places, -scores[places]))][:k]


class TruthTeller:
    """Scores questions against a corpus. To be made with `read`."""

    def __init__(self, made: Made, asked: Sequence[Mapping[str, int]], postings: _Postings) -> None:
        self._made = made
        self._asked = asked
        self._postings = postings

    @classmethod
    async def read(
        cls, database: Database, made: Made, vocabulary: Sequence[str], questions: Sequence[str]
    ) -> TruthTeller:
        """Count the questions' words in the corpus."""
        asked = [await _lexemes_of(database, question) for question in questions]
        lexemes = {lexeme: place for place, lexeme in enumerate(dict.fromkeys(w for q in asked for w in q))}
        words = await _numbered(database, vocabulary, lexemes)
        return cls(made, asked, _count(made, words, lexemes))

    def truths(self, vectors: NDArray[np.float32], *, k1: float = 0.9, b: float = 0.4) -> Iterator[Truth]:
        """The truth of each question in turn."""
        for start in range(0, len(vectors), _QUESTIONS_AT_ONCE):
            cosines = self._cosines(vectors[start : start + _QUESTIONS_AT_ONCE])
            for row, asked in zip(cosines, self._asked[start : start + _QUESTIONS_AT_ONCE], strict=True):
                bm25, attainable = self._postings.score(asked, k1=k1, b=b)
                yield Truth(cosines=row, bm25=bm25, attainable=attainable)

    def _cosines(self, questions: NDArray[np.float32]) -> Scores:
        scores = np.empty((len(questions), len(self._made)), dtype=np.float32)
        for start in range(0, len(self._made), _CHUNKS_AT_ONCE):
            scores[:, start : start + _CHUNKS_AT_ONCE] = (
                questions @ self._made.vectors[start : start + _CHUNKS_AT_ONCE].T
            )
        return scores


@dataclass(frozen=True, slots=True, kw_only=True)
class _Postings:
    """The chunks that hold each lexeme that is asked for, with how often, and the lengths of all chunks in lexemes."""

    places: dict[str, tuple[Ids, NDArray[np.float64]]]
    lengths: NDArray[np.float64]

    def score(self, asked: Mapping[str, int], *, k1: float, b: float) -> tuple[Scores, float]:
        count = len(self.lengths)
        discount = k1 * (1 - b + b * self.lengths / self.lengths.mean())
        scores, attainable = np.zeros(count), 0.0
        for lexeme, occurrences in asked.items():
            chunks, frequencies = self.places[lexeme]
            if not len(chunks):
                continue
            weight = occurrences * math.log1p((count - len(chunks) + 0.5) / (len(chunks) + 0.5))
            scores[chunks] += weight * frequencies * (k1 + 1) / (frequencies + discount[chunks])
            attainable += weight * (k1 + 1)
        return scores.astype(np.float32), attainable


async def _lexemes_of(database: Database, question: str) -> dict[str, int]:
    """The lexemes of a question with how often it has each."""
    rows = await database.fetch_all(
        "SELECT u.lexeme, coalesce(cardinality(u.positions), 1) AS occurrences"
        " FROM unnest(lexical_vector('english', %(question)s)) AS u",
        {"question": question},
    )
    return {row["lexeme"]: row["occurrences"] for row in rows}


async def _numbered(
    database: Database, vocabulary: Sequence[str], lexemes: Mapping[str, int]
) -> NDArray[np.int32]:
    """For each word of the vocabulary the number of its lexeme, where that is asked for."""
    numbers = np.full(len(vocabulary), _UNASKED, dtype=np.int32)
    for start in range(0, len(vocabulary), 10_000):
        rows: list[dict[str, Any]] = await database.fetch_all(
            "SELECT w.place - 1 AS place, array_agg(u.lexeme) FILTER (WHERE u.lexeme IS NOT NULL) AS lexemes"
            " FROM unnest(%(words)s::text[]) WITH ORDINALITY AS w(word, place)"
            " LEFT JOIN LATERAL unnest(lexical_vector('english', w.word)) AS u ON true GROUP BY w.place",
            {"words": list(vocabulary[start : start + 10_000])},
        )
        for row in rows:
            found = row["lexemes"] or []
            assert len(found) <= 1, f"{vocabulary[start + row['place']]!r} is one word"
            numbers[start + row["place"]] = lexemes.get(found[0], _UNASKED) if found else _STOP
    return numbers


def _count(made: Made, words: NDArray[np.int32], lexemes: Mapping[str, int]) -> _Postings:
    lengths = np.zeros(len(made), dtype=np.float64)
    keys, counts = [], []
    for start in range(0, len(made), _CHUNKS_AT_ONCE):
        stop = min(start + _CHUNKS_AT_ONCE, len(made))
        chunks, numbers = _lexemes_in(made, words, start, stop)
        counted = numbers != _STOP
        lengths[start:stop] = np.bincount(chunks[counted] - start, minlength=stop - start)
        asked = numbers >= 0
        key, count = np.unique(
            numbers[asked].astype(np.int64) * len(made) + chunks[asked], return_counts=True
        )
        keys.append(key)
        counts.append(count)
    key, count = np.concatenate(keys), np.concatenate(counts)
    order = np.argsort(key, kind="stable")
    key, count = key[order], count[order].astype(np.float64)
    bounds = np.searchsorted(key, np.arange(len(lexemes) + 1) * len(made))
    return _Postings(
        places={
            lexeme: (key[bounds[n] : bounds[n + 1]] - n * len(made), count[bounds[n] : bounds[n + 1]])
            for lexeme, n in lexemes.items()
        },
        lengths=lengths,
    )


def _lexemes_in(made: Made, words: NDArray[np.int32], start: int, stop: int) -> tuple[Ids, NDArray[np.int32]]:
    """Chunk and lexeme of each word from chunk `start` to chunk `stop`, titles included."""
    text = np.asarray(made.words[made.starts[start] : made.starts[stop]])
    of_text = np.repeat(np.arange(start, stop), np.diff(made.starts[start : stop + 1]))
    numbers = np.arange(start, stop)
    titles = made.titles[numbers // CHUNKS_A_DOCUMENT]
    of_titles = np.repeat(numbers, titles.shape[1])
    every = np.concatenate([text, titles.ravel()])
    known = every < len(words)
    lexemes = np.where(known, words[np.where(known, every, 0)], _UNASKED)
    return np.concatenate([of_text, of_titles]), lexemes.astype(np.int32)
