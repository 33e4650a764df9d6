"""A seeded sample of real texts and questions of the evaluation sets, with their vectors: what `scale` makes its
corpora of.

Texts are cut as ingestion cuts them. Vectors are kept in a cache by model and text, so only the first run embeds.
"""

from __future__ import annotations

import os
import random
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from evaluation.caching import CachingEmbedder, ModelCache
from evaluation.sets import EvaluationSet, read_set
from ingest.chunking import ChunkPolicy, chunk_document
from ingest.parsers import Block, ParsedDocument
from ingest.parsers.text import clean, paragraph_spans
from retrieval.embedders import Embedder

Item = TypeVar("Item")

DATA = Path(os.environ.get("FOOTNOTE_TEST_DATA", "../shared/data"))
# Sets of different kinds that share no texts.
_SETS = (
    "retrieval/scifact",
    "retrieval/cranfield",
    "retrieval/cacm",
    "retrieval/squad-20k",
    "qa/medquad",
    "qa/nq-uda",
    "qa/musique-100",
    "qa/covidqa",
    "qa/squadshifts-amazon",
    "qa/squadshifts-reddit",
    "qa/anthropic-docs",
    "qa/lihua-world",
    "qa/pubmedqa-dev",
)
_LEAST_CHARACTERS = 120
_EMBEDDED_AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """Real chunks and questions. Vectors are unit float32 of shape (n, dimension).

    sets: the name of the set that each text is from.
    """

    texts: tuple[str, ...]
    sets: tuple[str, ...]
    vectors: NDArray[np.float32]
    questions: tuple[str, ...]
    question_vectors: NDArray[np.float32]


def load_sample(cache: Path, embedder: Embedder, *, chunks: int, questions: int, seed: int) -> Sample:
    """Draw texts and questions, as many from each set as it has and the others leave, and embed what is new."""
    missing = [name for name in _SETS if not (DATA / name).is_dir()]
    if missing:
        sys.exit(
            f"'{DATA}' lacks {', '.join(missing)}. Set FOOTNOTE_TEST_DATA to the folder of evaluation data."
        )
    sets = [read_set(DATA / name) for name in _SETS]
    drawn = list(islice(_in_turns([_chunks(each, embedder, seed) for each in sets]), chunks))
    asked = list(islice(_in_turns([_questions(each, seed) for each in sets]), questions))
    texts = tuple(text for _, text in drawn)
    with ModelCache(cache / "vectors.sqlite") as kept:
        caching = CachingEmbedder(embedder, kept)
        return Sample(
            texts=texts,
            sets=tuple(name for name, _ in drawn),
            vectors=_embed(caching, texts),
            questions=tuple(asked),
            question_vectors=np.stack([caching.embed_query(question) for question in asked]),
        )


def _embed(embedder: CachingEmbedder, texts: Sequence[str]) -> NDArray[np.float32]:
    starts = range(0, len(texts), _EMBEDDED_AT_ONCE)
    with ThreadPoolExecutor(embedder.parallelism) as threads:
        parts = threads.map(
            lambda start: embedder.embed_documents(texts[start : start + _EMBEDDED_AT_ONCE]), starts
        )
        vectors = []
        for start, part in zip(starts, parts, strict=True):
            vectors.append(part)
            if start % (_EMBEDDED_AT_ONCE * 16) == 0:
                print(f"embedded {start:,} of {len(texts):,} texts of the sample", file=sys.stderr)
    return np.concatenate(vectors)


def _chunks(evaluation_set: EvaluationSet, embedder: Embedder, seed: int) -> Iterator[tuple[str, str]]:
    """The chunks of a set's documents, in drawn order, with the set's name."""
    documents = list(evaluation_set.documents)
    random.Random(seed).shuffle(documents)
    for document in documents:
        text = clean(document.text)
        parsed = ParsedDocument(
            text=text,
            blocks=tuple(
                Block(kind="paragraph", char_start=start, char_end=end)
                for start, end in paragraph_spans(text, 0, len(text))
            ),
        )
        for chunk in chunk_document(parsed, policy=ChunkPolicy(), token_ends=embedder.token_ends):
            if len(chunk.text) >= _LEAST_CHARACTERS:
                yield evaluation_set.name, chunk.text


def _questions(evaluation_set: EvaluationSet, seed: int) -> Iterator[str]:
    questions = [question.text.strip() for question in evaluation_set.questions]
    random.Random(seed).shuffle(questions)
    yield from dict.fromkeys(questions)


def _in_turns(sources: Sequence[Iterator[Item]]) -> Iterator[Item]:
    """One of each source in turn, until all have ended."""
    waiting = list(sources)
    while waiting:
        still = []
        for source in waiting:
            for item in islice(source, 1):
                still.append(source)
                yield item
        waiting = still
