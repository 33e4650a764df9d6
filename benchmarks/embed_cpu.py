"""The default embedder on the CPU against plain sentence-transformers, and against the processor's limit.

    python -m benchmarks.embed_cpu [--weights DIR] [--texts 24] [--rounds 3] [--threads N] [--profile] [--json]

bge-small-en-v1.5 int8 runs as the service runs it, through `EmbeddingBatcher`; plain is `SentenceTransformer.encode` in
fp32 with the best of a few batch sizes, the same shape (random weights, of which time does not depend) and the same
texts: 128 to 512 tokens each, made of words that are one token. All take turns in one process; the ratio is the
median over rounds. Only real tokens count, never padding.

The limit is the time that the model's operations would take at the measured rates of matrix products: int8 for the
layers' weights, fp32 for attention. Then the same texts are embedded alone, among others, with other numbers of threads
and in another process, and their bytes compared. Without torch (extra `gpu`) plain is left out.
Weights come from DIR, else FOOTNOTE_WEIGHTS_DIR, else the tests' cache, where they are fetched once.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import importlib.util
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from benchmarks.matrix_rates import fp32_rate, int8_rate, one_thread_session
from benchmarks.turns import describe_machine, median_ratio, show, take_turns, usable_cores
from retrieval.batching import EmbeddingBatcher
from retrieval.embedders.onnx import OnnxEmbedder
from retrieval.sessions import OnnxSession
from retrieval.tokenizing import TextTokenizer
from retrieval.weights import EMBEDDER_PIN, WeightsPin, find_weights

_LAYERS, _WIDTH, _FEED_FORWARD = 12, 384, 1536
_SHORTEST, _LONGEST = 128, 512
_BF16_TEXTS = 3
_SEED = 5


def weights_of(pin: WeightsPin, folder: Path | None) -> Path:
    """A model's folder: the one named, FOOTNOTE_WEIGHTS_DIR, or the tests' cache."""
    named = folder or os.environ.get("FOOTNOTE_WEIGHTS_DIR")
    cache = Path(platformdirs.user_cache_path("footnote-tests")) / "weights"
    return find_weights(
        pin,
        folder=Path(named) if named else None,
        cache=cache,
        report=lambda line: print(line, file=sys.stderr),
    )


def one_token_words(weights: Path) -> list[str]:
    """Words that the model's tokenizer reads as one token each."""
    vocabulary = json.loads((weights / "tokenizer.json").read_text())["model"]["vocab"]
    return sorted(word for word in vocabulary if len(word) > 1 and word.isascii() and word.isalpha())


def make_texts(words: Sequence[str], lengths: Sequence[int]) -> list[str]:
    """A text of so many words for each of the lengths."""
    chooser = random.Random(_SEED)
    return [" ".join(chooser.choices(words, k=length)) for length in lengths]


def make_lengths(count: int) -> list[int]:
    """Tokens of texts, special ones included, evenly spread and shuffled."""
    lengths = [round(each) for each in np.linspace(_SHORTEST, _LONGEST, count)]
    random.Random(_SEED).shuffle(lengths)
    return lengths


def operations(lengths: Sequence[int]) -> tuple[float, float]:
    """Of a forward pass without padding: in products with weights, and in attention.

    2 for each weight and token; 4 d T for each token's scores and weighted sum over T tokens, in every layer.
    """
    weights = _LAYERS * (4 * _WIDTH**2 + 2 * _WIDTH * _FEED_FORWARD)
    return 2.0 * weights * sum(lengths), sum(4.0 * _LAYERS * _WIDTH * length**2 for length in lengths)


async def embed(embedder: OnnxEmbedder, texts: Sequence[str]) -> bytes:
    """As the service does: callers of ten texts at once. The vectors' bytes."""
    async with EmbeddingBatcher(embedder) as batcher:
        parts = await asyncio.gather(
            *(batcher.embed_documents(texts[start : start + 10]) for start in range(0, len(texts), 10))
        )
    return np.concatenate(parts).tobytes()


def plain_contestants(
    words: Sequence[str], texts: Sequence[str], folder: Path, *, threads: int
) -> dict[str, Callable[[], Any]]:
    """`encode` of sentence-transformers in fp32 with several batch sizes, and in bf16, of fewer texts."""
    import torch  # noqa: PLC0415  the benchmark runs without
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415

    from benchmarks.random_encoders import SHAPES, save_embedder  # noqa: PLC0415

    torch.set_num_threads(threads)
    save_embedder(folder, SHAPES["bge-small"], words)
    fp32, bf16 = (
        SentenceTransformer(str(folder), device="cpu", local_files_only=True, model_kwargs={"dtype": kind})
        for kind in (torch.float32, torch.bfloat16)
    )
    read = fp32.tokenizer(list(texts))["input_ids"]
    assert [len(ids) for ids in read] == [len(text.split()) + 2 for text in texts], "the same tokens for both"

    def encoder(model: Any, of: Sequence[str], size: int) -> Callable[[], Any]:
        return lambda: model.encode(list(of), batch_size=size, show_progress_bar=False)

    return {
        "plain fp32, batches of 8": encoder(fp32, texts, 8),
        "plain fp32, batches of 32": encoder(fp32, texts, 32),
        "plain bf16, batches of 8": encoder(bf16, texts[:_BF16_TEXTS], 8),
    }


def session_contestants(
    weights: Path, texts: Sequence[str], *, threads: int
) -> dict[str, Callable[[], None]]:
    """The bare model without the batcher: threads that share a session, that have one each, and each on its core."""
    tokenizer = TextTokenizer.from_file(weights / "tokenizer.json", max_tokens=_LONGEST)
    ids = [tokenizer.text_ids(text) for text in texts]
    shared = [OnnxSession(weights / "model.onnx")] * threads
    own = [OnnxSession(weights / "model.onnx") for _ in range(threads)]
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []

    def runner(sessions: Sequence[OnnxSession], *, pinned: bool) -> Callable[[], None]:
        def work(at: int, left: list[list[int]], lock: threading.Lock) -> None:
            if pinned and cores:
                os.sched_setaffinity(0, {cores[at % len(cores)]})
            while True:
                with lock:
                    if not left:
                        return
                    text = left.pop()
                sessions[at].run(text, [0] * len(text))

        def run() -> None:
            left, lock = [*ids], threading.Lock()
            with ThreadPoolExecutor(threads) as pool:
                for done in [pool.submit(work, at, left, lock) for at in range(threads)]:
                    done.result()

        return run

    return {
        "one session": runner(shared, pinned=False),
        "a session a thread": runner(own, pinned=False),
        "a session a thread, pinned": runner(own, pinned=True),
    }


def digests(weights: Path, words: Sequence[str], *, threads: int) -> dict[str, str]:
    """What the bytes of the same texts' vectors are, by how they came about."""
    texts = make_texts(words, [8, 40, 126, 200, 300, 510])
    others = make_texts(words[::-1], [60] * 10)
    alone, crowd = OnnxEmbedder(weights), OnnxEmbedder(weights, threads=threads + 1)

    async def among_others() -> bytes:
        async with EmbeddingBatcher(crowd) as batcher:
            rows = await asyncio.gather(
                batcher.embed_documents(others),
                batcher.embed_documents(texts),
                batcher.embed_documents(others),
            )
        return rows[1].tobytes()

    made = {
        "one by one": b"".join(alone.embed_documents([text]).tobytes() for text in texts),
        "together": alone.embed_documents(texts).tobytes(),
        f"among others on {threads + 1} threads": asyncio.run(among_others()),
    }
    alone.close()
    crowd.close()
    return {name: hashlib.sha256(rows).hexdigest() for name, rows in made.items()}


def digest_elsewhere(weights: Path, threads: int) -> dict[str, str]:
    """The same in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.embed_cpu", "--digests", "--weights", str(weights)]
    done = subprocess.run(
        [*command, "--threads", str(threads)], check=True, capture_output=True, text=True, timeout=200
    )
    told: dict[str, str] = json.loads(done.stdout)
    return {f"{name}, another process": digest for name, digest in told.items()}


def profile(weights: Path) -> dict[str, float]:
    """Shares of a run's time by operator, of a text of 329 tokens on one thread."""
    with tempfile.TemporaryDirectory() as folder:
        session = one_thread_session(
            str(weights / "model.onnx"), profile_prefix=str(Path(folder) / "profile")
        )
        ids = np.random.default_rng(1).integers(2_000, 20_000, (1, 329))
        feed = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
        for _ in range(12):
            session.run(None, feed)
        events = json.loads(Path(session.end_profiling()).read_text())
    spent: Counter[str] = Counter()
    for event in events:
        if event.get("cat") == "Node" and event["name"].endswith("_kernel_time"):
            spent[event["args"]["op_name"]] += event["dur"]
    return {name: round(time_us / spent.total(), 3) for name, time_us in spent.most_common(10)}


def measure(weights: Path, *, count: int, rounds: int, threads: int) -> dict[str, Any]:
    """All figures but the profile."""
    machine = describe_machine()
    words = one_token_words(weights)
    lengths = make_lengths(count)
    texts = make_texts(words, [length - 2 for length in lengths])
    embedder = OnnxEmbedder(weights, threads=threads)
    assert [embedder.count_tokens(text) + 2 for text in texts] == lengths
    begun = time.perf_counter()
    for text in texts:
        embedder.count_tokens(text)
    tokenizing_s = time.perf_counter() - begun
    ours = "int8, as the service runs it"
    contestants: dict[str, Callable[[], Any]] = {ours: lambda: asyncio.run(embed(embedder, texts))}
    contestants |= session_contestants(weights, texts, threads=threads)
    with tempfile.TemporaryDirectory() as folder:
        if importlib.util.find_spec("sentence_transformers"):
            contestants |= plain_contestants(words, texts, Path(folder) / "model", threads=threads)
        timed = take_turns(contestants, rounds=rounds)
    embedder.close()
    tokens = {name: sum(lengths[:_BF16_TEXTS] if "bf16" in name else lengths) for name in timed}
    by_weights, by_attention = operations(lengths)
    fp32 = fp32_rate()
    int8 = int8_rate(
        tokens=round(sum(lengths) / count), width=_WIDTH, feed_forward=_FEED_FORWARD, threads=threads
    )
    least_s = by_weights / int8 + by_attention / max(fp32.values())
    plain = [name for name in timed if "fp32" in name]
    best = min(plain, key=lambda name: timed[name].median_s) if plain else None
    found = digests(weights, words, threads=threads) | digest_elsewhere(weights, 1)
    return {
        "machine": machine,
        "threads": threads,
        "texts": count,
        "tokens": sum(lengths),
        "tokens_per_s": {name: round(tokens[name] / each.median_s) for name, each in timed.items()},
        "tokens_per_cpu_s": {name: round(tokens[name] / each.median_cpu_s) for name, each in timed.items()},
        "plain": best,
        "ratio": None if best is None else round(median_ratio(timed[best], timed[ours]), 2),
        "gflops": {
            "int8": round(int8 / 1e9, 1),
            **{f"fp32 {name}": round(rate / 1e9, 1) for name, rate in fp32.items()},
        },
        "share_of_the_limit": round(least_s / timed[ours].median_s, 3),
        "plain_share_of_its_limit": None
        if best is None
        else round((by_weights + by_attention) / max(fp32.values()) / timed[best].median_s, 3),
        "most_that_int8_can_be_of_plain": round(
            (by_weights + by_attention) / max(fp32.values()) / least_s, 2
        ),
        "tokenizing_share": round(tokenizing_s / timed[ours].median_cpu_s, 4),
        "bit_identical": len(set(found.values())) == 1,
        "embedded": list(found) if len(set(found.values())) == 1 else found,
        "load_after": [round(each, 1) for each in os.getloadavg()],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--texts", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=usable_cores())
    parser.add_argument("--profile", action="store_true", help="also where a run's time goes, by operator")
    parser.add_argument(
        "--digests", action="store_true", help="print digests of fixed texts' vectors, nothing else"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parser.parse_args()
    weights = weights_of(EMBEDDER_PIN, arguments.weights)
    if arguments.digests:
        print(json.dumps(digests(weights, one_token_words(weights), threads=arguments.threads)))
        return
    if not importlib.util.find_spec("sentence_transformers"):
        print("sentence-transformers is not installed (extra gpu): measured without it.", file=sys.stderr)
    figures = measure(weights, count=arguments.texts, rounds=arguments.rounds, threads=arguments.threads)
    if arguments.profile:
        figures["profile"] = profile(weights)
    show(figures, as_json=arguments.json)


if __name__ == "__main__":
    main()
