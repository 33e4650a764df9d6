"""The default reranker on the CPU: beside plain sentence-transformers, against the limit, and within its budget.

    python -m benchmarks.rerank [--pairs 16] [--rounds 3] [--requests 12] [--threads N] [--weights DIR] [--json]
    python -m benchmarks.rerank --quality cranfield [--questions 60]        nDCG@10 that each budget buys

ms-marco-MiniLM-L-12-v2 int8 runs as the service runs it, through `ScoringBatcher`; plain is `CrossEncoder.predict` in
fp32 of the same shape with random weights. Pairs of 256 tokens, words of one token each; all take turns, the ratio is
the median over rounds.

Then `rerank` reads ten passages of 128 to 256 tokens for each request, with budgets of 50 to 400 ms: how many it reads,
how long it takes and by which part of the budget it runs over, with a pace that is kept from request to request as in
the service and, for comparison, with none. --quality asks an evaluation set's questions: reading takes the time that
pairs were measured to take on this machine, on a clock of its own, so that nothing else disturbs what is read.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np

from benchmarks.embed_cpu import make_texts, one_token_words, operations, weights_of
from benchmarks.matrix_rates import fp32_rate, int8_rate
from benchmarks.turns import describe_machine, median_ratio, show, take_turns, usable_cores
from retrieval.batching import ScoringBatcher
from retrieval.records import Hit, Passage
from retrieval.rerankers.onnx import OnnxReranker
from retrieval.reranking import PairScorer, ReadingPace, RerankPolicy, rerank
from retrieval.weights import RERANKER_PIN

BUDGETS_MS = (50, 100, 200, 400)
_TOKENS = 256
_QUESTION_TOKENS = 13
_CANDIDATES = 10
_SEED = 3

Pair = tuple[str, str]


def make_pairs(words: Sequence[str], count: int) -> list[Pair]:
    """Pairs of exactly 256 tokens, three special ones included."""
    passages = make_texts(words, [_TOKENS - 3 - _QUESTION_TOKENS] * count)
    return [
        (question, passage)
        for question, passage in zip(
            make_texts(words[::-1], [_QUESTION_TOKENS] * count), passages, strict=True
        )
    ]


async def score(reranker: OnnxReranker, pairs: Sequence[Pair]) -> None:
    """As the service does."""
    async with ScoringBatcher(reranker) as batcher:
        await batcher.score(pairs)


def plain_contestants(
    words: Sequence[str], pairs: Sequence[Pair], folder: Path, *, threads: int
) -> dict[str, Callable[[], Any]]:
    """`predict` of sentence-transformers in fp32 with two batch sizes."""
    import torch  # noqa: PLC0415  the benchmark runs without
    from sentence_transformers import CrossEncoder  # noqa: PLC0415

    from benchmarks.random_encoders import SHAPES, save_bert_reranker  # noqa: PLC0415

    torch.set_num_threads(threads)
    save_bert_reranker(folder, SHAPES["bge-small"], words)
    model = CrossEncoder(str(folder), device="cpu", local_files_only=True)
    read = model.tokenizer(*map(list, zip(*pairs, strict=True)))["input_ids"]
    assert {len(ids) for ids in read} == {_TOKENS}, "the same tokens for both"
    return {
        f"plain fp32, batches of {size}": partial(
            model.predict, pairs, batch_size=size, show_progress_bar=False
        )
        for size in (4, 16)
    }


def compare(weights: Path, *, count: int, rounds: int, threads: int) -> dict[str, Any]:
    """Pairs a second of both, their ratio, and the limit."""
    words = one_token_words(weights)
    pairs = make_pairs(words, count)
    reranker = OnnxReranker(weights, threads=threads, max_tokens=_TOKENS)
    ours = "int8, as the service runs it"
    contestants: dict[str, Callable[[], Any]] = {ours: lambda: asyncio.run(score(reranker, pairs))}
    with tempfile.TemporaryDirectory() as folder:
        if importlib.util.find_spec("sentence_transformers"):
            contestants |= plain_contestants(words, pairs, Path(folder) / "model", threads=threads)
        timed = take_turns(contestants, rounds=rounds)
    reranker.close()
    by_weights, by_attention = operations([_TOKENS] * count)
    int8 = int8_rate(tokens=_TOKENS, width=384, feed_forward=1536, threads=threads)
    least_s = by_weights / int8 + by_attention / max(fp32_rate().values())
    plain = [name for name in timed if name != ours]
    best = min(plain, key=lambda name: timed[name].median_s) if plain else None
    return {
        "pairs_per_s": {name: round(count / each.median_s, 1) for name, each in timed.items()},
        "pairs_per_cpu_s": {name: round(count / each.median_cpu_s, 1) for name, each in timed.items()},
        "ratio": None if best is None else round(median_ratio(timed[best], timed[ours]), 2),
        "share_of_the_limit": round(least_s / timed[ours].median_s, 3),
    }


def make_hits(words: Sequence[str], seed: int) -> list[Hit]:
    """Ten hits with passages of different lengths, none far ahead of the next."""
    chooser = random.Random(seed)
    lengths = [chooser.randint(128, _TOKENS) - 3 - _QUESTION_TOKENS for _ in range(_CANDIDATES)]
    return [
        Hit(
            passage=Passage(
                chunk_id=at,
                document_id=UUID(int=at),
                revision=1,
                path="",
                title="",
                headings=(),
                page_starts=(),
                char_start=0,
                char_end=len(text),
                text=text,
            ),
            score=0.6 - 0.01 * at,
            cosine=0.0,
            bm25=0.0,
        )
        for at, text in enumerate(make_texts(chooser.sample(list(words), 500), lengths))
    ]


async def keep_to(
    scorer: PairScorer, words: Sequence[str], *, budget_ms: float, requests: int, keep_pace: bool
) -> dict[str, Any]:
    """Rerank for so many requests, one after the other."""
    pace = ReadingPace()
    took_ms, read = [], []
    policy = RerankPolicy(candidates=_CANDIDATES, budget_ms=budget_ms, decided_margin=1.0)
    (question,) = make_texts(words, [_QUESTION_TOKENS])
    # One request more, which has to find out how fast reading is, and is not counted.
    for request in range(requests + 1):
        hits = make_hits(words, _SEED + request)
        begun = time.perf_counter()
        moved = await rerank(hits, question, scorer=scorer, policy=policy, pace=pace if keep_pace else None)
        took_ms.append(1_000 * (time.perf_counter() - begun))
        read.append(sum(hit.rerank is not None for hit in moved))
    over = [max(0.0, each - budget_ms) / budget_ms for each in took_ms[1:]]
    return {
        "read": round(statistics.mean(read[1:]), 1),
        "ms_p50": round(statistics.median(took_ms[1:]), 1),
        "ms_p95": round(float(np.percentile(took_ms[1:], 95)), 1),
        "over_budget_p95": round(float(np.percentile(over, 95)), 3),
    }


async def budgets(weights: Path, *, requests: int, threads: int) -> dict[str, Any]:
    """What each budget comes to, and the milliseconds of a pair."""
    words = one_token_words(weights)
    reranker = OnnxReranker(weights, threads=threads, max_tokens=_TOKENS)
    told: dict[str, Any] = {}
    async with ScoringBatcher(reranker) as scorer:
        for budget_ms in BUDGETS_MS:
            told[f"{budget_ms} ms"] = await keep_to(
                scorer, words, budget_ms=budget_ms, requests=requests, keep_pace=True
            )
            told[f"{budget_ms} ms, without a pace"] = await keep_to(
                scorer, words, budget_ms=budget_ms, requests=max(3, requests // 3), keep_pace=False
            )
    reranker.close()
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--pairs", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--requests", type=int, default=12)
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument(
        "--quality", metavar="SET", help="measure only what budgets buy on this evaluation set"
    )
    parser.add_argument("--questions", type=int, default=60)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parser.parse_args()
    weights = weights_of(RERANKER_PIN, arguments.weights)
    figures: dict[str, Any] = {"machine": describe_machine(), "threads": arguments.threads}
    if arguments.quality:
        from benchmarks.rerank_quality import quality_of_budgets  # noqa: PLC0415  needs the extra eval

        figures |= asyncio.run(
            quality_of_budgets(arguments.quality, questions=arguments.questions, budgets_ms=BUDGETS_MS)
        )
    else:
        if not importlib.util.find_spec("sentence_transformers"):
            print("sentence-transformers is not installed (extra gpu): measured without it.", file=sys.stderr)
        figures |= compare(weights, count=arguments.pairs, rounds=arguments.rounds, threads=arguments.threads)
        figures["budgets"] = asyncio.run(
            budgets(weights, requests=arguments.requests, threads=arguments.threads)
        )
    figures["load_after"] = [round(each, 1) for each in os.getloadavg()]
    show(figures, as_json=arguments.json)


if __name__ == "__main__":
    main()
