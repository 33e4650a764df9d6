"""The GPU adapters of embedder and reranker against plain sentence-transformers. Figures: docs/performance.md.

    python benchmarks/embed_gpu.py                  all of it in one call, about eight minutes on an H200
    python benchmarks/embed_gpu.py [--shapes bge-small bge-large bge-reranker-large] [--precisions fp16 bf16]
    python benchmarks/embed_gpu.py --devices cuda:0,cuda:1          the embedder in several processes, too
    python benchmarks/embed_gpu.py --quick          tiny sizes on the CPU: shows that it runs, measures nothing

Stands alone: it needs torch, transformers and sentence-transformers, no model from anywhere and no other part of
Footnote's installation. The models have the real shapes and random weights, the texts are random words of a made-up
vocabulary, 128 to 512 tokens each (a reranker's pairs: question and passage together), all of which the time of a
forward pass does not depend on.

Prints, for each shape and precision: tokens a second of both, their ratio (against the fastest of plain's batch
sizes), the fraction of the device's measured matrix-multiply rate that the adapter reaches, and how far the two are
apart; how long the GPU was busy with the adapter, and with which kernels; for an embedder, how much comes through the
product's batcher from documents that are parsed already, eight at once as in ingestion and as many as fill its batches,
and how long the GPU is busy meanwhile. Then one line of JSON. Only real tokens are counted, never padding. What has not
begun after --limit seconds is left out, and named.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.gpu_contests import Contest, Embedding, Reranking
from benchmarks.gpu_pipeline import PipelineResult, busy_share, timed
from benchmarks.random_encoders import SHAPES, make_words, save_embedder, save_reranker
from retrieval.torch_models import choose_device, choose_dtype


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was measured of one shape in one precision. Rates are of real tokens.

    lowest_cosine compares an embedder's vectors with those of plain, largest_difference a reranker's logits.
    several_tokens_per_s: of the embedder in a process for each of several devices.
    """

    shape: str
    precision: str
    adapter_tokens_per_s: float
    plain_tokens_per_s: float
    plain_batch_size: int
    ratio: float
    adapter_tflops: float
    matmul_tflops: float
    fraction_of_matmul: float
    lowest_cosine: float | None = None
    largest_difference: float | None = None
    gpu_busy: float | None = None
    pipeline: Sequence[PipelineResult] = ()
    several_tokens_per_s: float | None = None


def measure_matmul(device: str, precision: str, size: int) -> float:
    """The device's rate of square matrix multiplication in TFLOP/s: the best of 5 runs of 10."""
    left, right = (torch.randn(size, size, device=device).to(choose_dtype(precision)) for _ in range(2))

    def multiply() -> None:
        for _ in range(10):
            torch.matmul(left, right)
        _wait_for(device)

    multiply()
    return 10 * 2.0 * size**3 / min(timed(multiply)[0] for _ in range(5)) / 1e12


def _wait_for(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def compare(
    name: str,
    precision: str,
    contest: Contest,
    *,
    lengths: Sequence[int],
    plain_batch_sizes: Sequence[int],
    repeats: int,
    matmul_tflops: float,
) -> Result:
    """Time adapter and plain model by turns; medians of `repeats`."""
    # An untimed run of each: kernels are chosen, memory is reserved.
    ours = contest.run_adapter()
    theirs = {size: contest.run_plain(size) for size in plain_batch_sizes}
    adapter_times: list[float] = []
    plain_times: dict[int, list[float]] = {size: [] for size in plain_batch_sizes}
    for _ in range(repeats):
        adapter_times.append(timed(contest.run_adapter)[0])
        for size, times in plain_times.items():
            times.append(timed(partial(contest.run_plain, size))[0])
    best_size = min(plain_times, key=lambda size: statistics.median(plain_times[size]))
    adapter_s, plain_s = statistics.median(adapter_times), statistics.median(plain_times[best_size])
    tflops = SHAPES[name].flops(lengths) / adapter_s / 1e12
    return Result(
        shape=name,
        precision=precision,
        adapter_tokens_per_s=round(sum(lengths) / adapter_s),
        plain_tokens_per_s=round(sum(lengths) / plain_s),
        plain_batch_size=best_size,
        ratio=round(plain_s / adapter_s, 3),
        adapter_tflops=round(tflops, 4),
        matmul_tflops=round(matmul_tflops, 4),
        fraction_of_matmul=round(tflops / matmul_tflops, 4),
        lowest_cosine=None if ours.ndim == 1 else _lowest_cosine(ours, theirs[best_size]),
        largest_difference=_largest_difference(ours, theirs[best_size]) if ours.ndim == 1 else None,
    )


def _largest_difference(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    return round(float(np.abs(ours - theirs).max()), 6)


def _lowest_cosine(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    cosines = (ours * theirs).sum(axis=1) / np.linalg.norm(theirs, axis=1)
    return round(float(cosines.min()), 6)


def _describe(device: str) -> str:
    name = torch.cuda.get_device_name() if device.startswith("cuda") else "CPU"
    return f"{name}, torch {torch.__version__}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--shapes", nargs="+", choices=SHAPES, default=["bge-large", "bge-reranker-large", "bge-small"]
    )
    parser.add_argument("--precisions", nargs="+", default=["fp16", "bf16"])
    parser.add_argument("--texts", type=int, default=3072)
    parser.add_argument("--plain-batch-sizes", nargs="+", type=int, default=[32, 128])
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--device", help="default: the GPU if torch sees one")
    parser.add_argument("--devices", help="several, as in the settings: cuda:0,cuda:1 or all")
    parser.add_argument(
        "--limit", type=float, default=420.0, help="seconds after which nothing more is begun"
    )
    parser.add_argument(
        "--profile",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="how long the GPU is busy with the adapter, and with what",
    )
    parser.add_argument("--quick", action="store_true", help="tiny sizes on the CPU: shows that it runs")
    args = parser.parse_args()
    if args.quick:
        args.shapes, args.precisions = ["tiny", "tiny-reranker"], ["bf16"]
        args.texts, args.repeats, args.device = 64, 1, "cpu"
    device = choose_device(args.device)
    on_gpu = device.startswith("cuda")
    begun = time.monotonic()
    words = make_words()
    chooser = random.Random(1)
    lengths = [chooser.randint(*((32, 64) if args.quick else (128, 512))) for _ in range(args.texts)]
    print(f"{_describe(device)}; {len(lengths)} texts, {sum(lengths)} tokens", flush=True)
    rates = {
        precision: measure_matmul(device, precision, 8192 if on_gpu else 256) for precision in args.precisions
    }
    results: list[Result] = []
    for name in args.shapes:
        reranks = SHAPES[name].reranks
        with tempfile.TemporaryDirectory() as folder:
            for precision in args.precisions:
                if time.monotonic() - begun > args.limit:
                    print(f"left out after {args.limit:g} seconds: {name} {precision}", flush=True)
                    continue
                if not any(Path(folder).iterdir()):
                    with torch.device(device):
                        (save_reranker if reranks else save_embedder)(Path(folder), SHAPES[name], words)
                contest = (Reranking if reranks else Embedding)(
                    folder, words, lengths, device=device, precision=precision
                )
                result = compare(
                    name,
                    precision,
                    contest,
                    lengths=lengths,
                    plain_batch_sizes=args.plain_batch_sizes,
                    repeats=args.repeats,
                    matmul_tflops=rates[precision],
                )
                print(_in_words(result), flush=True)
                results.append(_look_closer(result, contest, sum(lengths), args, on_gpu=on_gpu))
                contest.close()
    print(json.dumps({"device": _describe(device), "results": [asdict(result) for result in results]}))


def _look_closer(
    result: Result, contest: Contest, tokens: int, args: argparse.Namespace, *, on_gpu: bool
) -> Result:
    """Add what the profiler, the batcher and several devices have to say, and print it."""
    busy = None
    if args.profile and on_gpu:
        busy, kernels = busy_share(contest.run_adapter)
        print(f"  GPU busy {busy:.0%}", *(f"    {words}" for words in kernels), sep="\n", flush=True)
    pipeline = contest.run_pipeline(tokens, on_gpu=args.profile and on_gpu)
    for each in pipeline:
        share = "" if each.gpu_busy is None else f", GPU busy {each.gpu_busy:.0%}"
        print(
            f"  through the batcher, {each.documents_at_once} documents of {each.texts_a_document} texts at once: "
            f"{each.tokens_per_s:,.0f} tokens/s{share}",
            flush=True,
        )
    several_s = contest.run_several(args.devices) if args.devices else None
    several = None if several_s is None else round(tokens / several_s)
    if several is not None:
        ratio = several / result.adapter_tokens_per_s
        print(f"  on {args.devices}: {several:,.0f} tokens/s, {ratio:.2f} times one device", flush=True)
    return replace(result, gpu_busy=busy, pipeline=pipeline, several_tokens_per_s=several)


def _in_words(result: Result) -> str:
    likeness = (
        f"logits differ by at most {result.largest_difference:.4f}"
        if result.lowest_cosine is None
        else f"lowest cosine {result.lowest_cosine:.5f}"
    )
    return (
        f"{result.shape} {result.precision}: adapter {result.adapter_tokens_per_s:,.0f} tokens/s, plain "
        f"{result.plain_tokens_per_s:,.0f} (batches of {result.plain_batch_size}), ratio {result.ratio:.2f}; "
        f"{result.adapter_tflops:.3g} of {result.matmul_tflops:.3g} TFLOP/s "
        f"({result.fraction_of_matmul:.0%}); {likeness}"
    )


if __name__ == "__main__":
    main()
