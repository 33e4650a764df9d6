"""Texts through the product's batcher, and how long the GPU is busy meanwhile. For `embed_gpu.py`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from retrieval.batching import EmbeddingBatcher
from retrieval.embedders import Embedder


@dataclass(frozen=True, slots=True, kw_only=True)
class PipelineResult:
    """What came through, with some documents at work at once. gpu_busy: the share of the time; None without a GPU."""

    documents_at_once: int
    texts_a_document: int
    tokens_per_s: float
    gpu_busy: float | None


def measure_pipeline(
    embedder: Embedder, texts: Sequence[str], *, tokens: int, at_once: int, a_document: int, on_gpu: bool
) -> PipelineResult:
    """Embed documents of some texts each as ingestion does once they are parsed: some at once, through the batcher."""

    def run() -> None:
        asyncio.run(_embed_all(embedder, texts, at_once=at_once, a_document=a_document))

    run()
    wall_s, _ = timed(run)
    busy = busy_share(run)[0] if on_gpu else None
    return PipelineResult(
        documents_at_once=at_once,
        texts_a_document=a_document,
        tokens_per_s=round(tokens / wall_s),
        gpu_busy=None if busy is None else round(busy, 4),
    )


async def _embed_all(embedder: Embedder, texts: Sequence[str], *, at_once: int, a_document: int) -> None:
    documents = iter([texts[start : start + a_document] for start in range(0, len(texts), a_document)])
    async with EmbeddingBatcher(embedder) as batcher:

        async def take_next() -> None:
            for document in documents:
                await batcher.embed_documents(document)

        await asyncio.gather(*(take_next() for _ in range(at_once)))


def busy_share(run: Callable[[], Any]) -> tuple[float, list[str]]:
    """Which share of a run the GPU spent in kernels and copies by torch's profiler, and the longest in words."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
        wall_s, _ = timed(run)
    kernels = sorted(profiler.key_averages(), key=lambda each: -each.self_device_time_total)
    busy_s = sum(each.self_device_time_total for each in kernels) / 1e6
    words = [
        f"{each.self_device_time_total / 1e3:8.1f} ms {each.count:6d} times {each.key[:90]}"
        for each in kernels[:8]
    ]
    return busy_s / wall_s, words


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    """How many seconds a call takes, and what it returns."""
    begin = time.perf_counter()
    result = run()
    return time.perf_counter() - begin, result
