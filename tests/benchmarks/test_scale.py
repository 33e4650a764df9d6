"""The benchmark of search at scale measures what it says, on a corpus that is small enough for a test."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from benchmarks.scale import PARTS, measure
from benchmarks.scale_sample import Sample
from benchmarks.scale_speed import Pace
from benchmarks.scale_tables import show
from tests.retrieval.corpus import BagOfWords

CHUNKS = 2_000
WORDS = [
    first + second for first in ("bar", "del", "fin", "gor", "kul") for second in ("mat", "nop", "rus", "tiv")
]


def make_sample(embedder: BagOfWords) -> Sample:
    """Texts of eight subjects, each with words of its own, and questions that share some of them."""
    chance = random.Random(3)
    subjects = [[f"{word}{subject}x" for word in WORDS] for subject in "abcdefgh"]
    texts = tuple(" ".join(chance.choices([*subjects[n % 8], *WORDS], k=90)) for n in range(160))
    questions = tuple(" ".join(chance.sample(subjects[n % 8], 3)) for n in range(5))
    return Sample(
        texts=texts,
        sets=tuple(f"subject-{n % 8}" for n in range(160)),
        vectors=embedder.embed_documents(texts),
        questions=questions,
        question_vectors=np.stack([embedder.embed_query(question) for question in questions]),
    )


async def test_what_numpy_finds_in_a_small_corpus_search_finds(capsys: pytest.CaptureFixture[str]) -> None:
    embedder = BagOfWords()
    found: list[Mapping[str, Any]] = []
    await measure(
        make_sample(embedder),
        embedder,
        sizes=[CHUNKS],
        keep=None,
        parts=PARTS,
        seed=0,
        pace=Pace(warm_up_s=0.1, round_s=0.2, rounds=1),
        finished=found.append,
    )
    (run,) = found
    for row in run["recall"]:
        assert min(row[kind] for kind in ("dense_200", "dense_10", "lexical", "hybrid")) > 0.97, row
    assert {row["selection"]: row["visible"] for row in run["recall"]}["10 % by reader"] == 0.1
    assert run["candidates"][-1]["everything"] > 0.97
    assert 0 < run["latency"]["everything"]["search"]["p50"] <= run["latency"]["everything"]["whole"]["p95"]
    assert run["throughput"]["searches_per_s"] > 0
    assert 300 < run["sizes"]["lexical"] < 5_000
    show(found)
    assert "| 2,000 | everything |" in capsys.readouterr().out
