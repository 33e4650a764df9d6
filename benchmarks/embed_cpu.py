"""The default models on the CPU: tokens a second of the embedder, pairs a second of the reranker, cost of verifying.

    python -m benchmarks.embed_cpu [--weights DIR] [--texts 200] [--threads 1 2] [--json]

Runs through `EmbeddingBatcher` and `ScoringBatcher`, as the service does. The texts are words of the example handbook
in random order, about 330 tokens each: the time of a run depends on its length, not on its words.
Weights come from DIR, else FOOTNOTE_WEIGHTS_DIR, else the tests' cache, where they are fetched once.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import re
import time
from pathlib import Path

import platformdirs

from retrieval.batching import EmbeddingBatcher, ScoringBatcher
from retrieval.embedders.onnx import OnnxEmbedder
from retrieval.rerankers.onnx import OnnxReranker
from retrieval.weights import EMBEDDER_PIN, RERANKER_PIN, WeightsPin, find_weights, verify_weights

_HANDBOOK = Path(__file__).resolve().parents[1] / "examples" / "handbook"
_WORDS_IN_A_TEXT = 260


def make_texts(count: int) -> list[str]:
    """`count` texts of the handbook's words in random order."""
    words = [
        word for file in sorted(_HANDBOOK.rglob("*.md")) for word in re.findall(r"\S+", file.read_text())
    ]
    chooser = random.Random(1)
    return [" ".join(chooser.choices(words, k=_WORDS_IN_A_TEXT)) for _ in range(count)]


def verify_ms(pin: WeightsPin, folder: Path) -> float:
    """Milliseconds that checking a model's files costs: the best of 5."""
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        verify_weights(pin, folder)
        times.append(time.perf_counter() - begin)
    return min(times) * 1000


async def embed_s(embedder: OnnxEmbedder, texts: list[str]) -> float:
    """Seconds to embed all texts, ten a caller."""
    async with EmbeddingBatcher(embedder) as batcher:
        await batcher.embed_documents(texts[:2])
        begin = time.perf_counter()
        await asyncio.gather(
            *(batcher.embed_documents(texts[start : start + 10]) for start in range(0, len(texts), 10))
        )
        return time.perf_counter() - begin


async def score_s(reranker: OnnxReranker, pairs: list[tuple[str, str]]) -> float:
    """Seconds to score all pairs, thirty a question."""
    async with ScoringBatcher(reranker) as batcher:
        await batcher.score(pairs[:2])
        begin = time.perf_counter()
        for start in range(0, len(pairs), 30):
            await batcher.score(pairs[start : start + 30])
        return time.perf_counter() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--weights", type=Path, default=os.environ.get("FOOTNOTE_WEIGHTS_DIR"))
    parser.add_argument("--texts", type=int, default=200)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    args = parser.parse_args()
    cache = Path(platformdirs.user_cache_path("footnote-tests")) / "weights"
    folders = {
        pin: find_weights(pin, folder=args.weights and Path(args.weights), cache=cache, report=print)
        for pin in (EMBEDDER_PIN, RERANKER_PIN)
    }
    texts = make_texts(args.texts)
    pairs = [(text[:80], text) for text in texts[: args.texts // 2]]
    measured = {f"verify {pin.name}, ms": round(verify_ms(pin, folder), 1) for pin, folder in folders.items()}
    for threads in args.threads:
        embedder = OnnxEmbedder(folders[EMBEDDER_PIN], threads=threads)
        reranker = OnnxReranker(folders[RERANKER_PIN], threads=threads)
        tokens = sum(min(embedder.max_tokens, embedder.count_tokens(text) + 2) for text in texts)
        measured["tokens a text"] = round(tokens / len(texts), 1)
        measured[f"tokens/s, {threads} threads"] = round(tokens / asyncio.run(embed_s(embedder, texts)), 1)
        measured[f"pairs/s, {threads} threads"] = round(len(pairs) / asyncio.run(score_s(reranker, pairs)), 1)
        embedder.close()
        reranker.close()
    if args.json:
        print(json.dumps(measured))
    else:
        for name, value in measured.items():
            print(f"{name}: {value}")


if __name__ == "__main__":
    main()
