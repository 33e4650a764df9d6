"""The GPU adapters of embedder and reranker against plain sentence-transformers. Figures: docs/performance.md.

    python benchmarks/embed_gpu.py [--shapes bge-small bge-large bge-reranker-large] [--precisions fp16 bf16]
    python benchmarks/embed_gpu.py --quick          tiny sizes on the CPU: shows that it runs, measures nothing

Stands alone: it needs torch, transformers and sentence-transformers, no model from anywhere and no other part of
Footnote's installation. The models have the real shapes and random weights, the texts are random words of a made-up
vocabulary, 128 to 512 tokens each (a reranker's pairs: question and passage together), all of which the time of a
forward pass does not depend on.

Prints, for each shape and precision: tokens a second of both, their ratio (against the fastest of plain's batch
sizes), the fraction of the device's measured matrix-multiply rate that the adapter reaches, and how far the two are
apart; then one line of JSON. Only real tokens are counted, never padding. --profile adds how long the GPU was busy
with the adapter, and with which kernels.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import CrossEncoder, SentenceTransformer

from benchmarks.random_encoders import SHAPES, make_texts, make_words, save_embedder, save_reranker
from retrieval.embedders.sentence_transformer import SentenceTransformerEmbedder
from retrieval.rerankers.cross_encoder import CrossEncoderReranker
from retrieval.torch_models import choose_device, choose_dtype


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was measured of one shape in one precision. Rates are of real tokens.

    lowest_cosine compares an embedder's vectors with those of plain, largest_difference a reranker's logits.
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


class Contest(Protocol):
    """Adapter and plain model with the same weights, on the same inputs."""

    def run_adapter(self) -> NDArray[np.float32]: ...

    def run_plain(self, batch_size: int) -> NDArray[np.float32]: ...

    def close(self) -> None: ...


class Embedding:
    """Texts to vectors: `SentenceTransformerEmbedder` against `SentenceTransformer.encode`."""

    def __init__(
        self, folder: str, words: Sequence[str], lengths: Sequence[int], *, device: str, precision: str
    ) -> None:
        self._texts = make_texts(words, [length - 2 for length in lengths])
        self._adapter = SentenceTransformerEmbedder(folder, device=device, precision=precision)
        self._plain = SentenceTransformer(
            folder, device=device, local_files_only=True, model_kwargs={"dtype": choose_dtype(precision)}
        )
        assert [self._adapter.count_tokens(text) + 2 for text in self._texts[:20]] == list(lengths[:20])

    def run_adapter(self) -> NDArray[np.float32]:
        return _on_threads(self._adapter, self._adapter.embed_documents, self._texts)

    def run_plain(self, batch_size: int) -> NDArray[np.float32]:
        rows = self._plain.encode(self._texts, batch_size=batch_size, show_progress_bar=False)
        return _as_fp32(rows)

    def close(self) -> None:
        self._adapter.close()


class Reranking:
    """Pairs to logits: `CrossEncoderReranker` against `CrossEncoder.predict`. A question has 16 tokens."""

    def __init__(
        self, folder: str, words: Sequence[str], lengths: Sequence[int], *, device: str, precision: str
    ) -> None:
        questions = make_texts(words, [16] * len(lengths))
        passages = make_texts(words, [length - 20 for length in lengths])
        self._pairs = list(zip(questions, passages, strict=True))
        self._adapter = CrossEncoderReranker(folder, device=device, precision=precision)
        self._plain = CrossEncoder(
            folder, device=device, local_files_only=True, model_kwargs={"dtype": choose_dtype(precision)}
        )
        read = self._plain.tokenizer(*map(list, zip(*self._pairs[:20], strict=True)))["input_ids"]
        assert [len(ids) for ids in read] == list(lengths[:20])

    def run_adapter(self) -> NDArray[np.float32]:
        return _on_threads(self._adapter, self._adapter.score, self._pairs)

    def run_plain(self, batch_size: int) -> NDArray[np.float32]:
        logits = self._plain.predict(
            self._pairs, batch_size=batch_size, activation_fn=torch.nn.Identity(), show_progress_bar=False
        )
        return _as_fp32(logits)

    def close(self) -> None:
        self._adapter.close()


def _as_fp32(values: Any) -> NDArray[np.float32]:
    converted: NDArray[np.float32] = np.asarray(values, dtype=np.float32)
    return converted


def _on_threads(
    adapter: Any, run: Callable[[Sequence[Any]], NDArray[np.float32]], items: Sequence[Any]
) -> NDArray[np.float32]:
    """As the batchers do: jobs of the adapter's batch size on as many threads as it can use."""
    size = adapter.batch_size
    jobs = [items[start : start + size] for start in range(0, len(items), size)]
    with ThreadPoolExecutor(adapter.parallelism) as threads:
        return np.concatenate(list(threads.map(run, jobs)))


def measure_matmul(device: str, precision: str, size: int) -> float:
    """The device's rate of square matrix multiplication in TFLOP/s: the best of 5 runs of 10."""
    left, right = (torch.randn(size, size, device=device).to(choose_dtype(precision)) for _ in range(2))

    def multiply() -> None:
        for _ in range(10):
            torch.matmul(left, right)
        _wait_for(device)

    multiply()
    return 10 * 2.0 * size**3 / min(_timed(multiply)[0] for _ in range(5)) / 1e12


def _wait_for(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def _timed(run: Callable[[], Any]) -> tuple[float, Any]:
    begin = time.perf_counter()
    result = run()
    return time.perf_counter() - begin, result


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
        adapter_times.append(_timed(contest.run_adapter)[0])
        for size, times in plain_times.items():
            times.append(_timed(partial(contest.run_plain, size))[0])
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
        **_likeness(ours, theirs[best_size]),
    )


def _likeness(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> dict[str, float]:
    if ours.ndim == 1:
        return {"largest_difference": round(float(np.abs(ours - theirs).max()), 6)}
    cosines = (ours * theirs).sum(axis=1) / np.linalg.norm(theirs, axis=1)
    return {"lowest_cosine": round(float(cosines.min()), 6)}


def print_profile(run: Callable[[], Any]) -> None:
    """One more run, under torch's profiler: how long the GPU was busy, and with what."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profiler:
        wall_s, _ = _timed(run)
    kernels = sorted(profiler.key_averages(), key=lambda each: -each.self_device_time_total)
    busy_s = sum(each.self_device_time_total for each in kernels) / 1e6
    print(f"  GPU busy {busy_s:.3f} of {wall_s:.3f} s ({busy_s / wall_s:.0%})")
    for each in kernels[:8]:
        print(f"    {each.self_device_time_total / 1e3:8.1f} ms {each.count:6d} times {each.key[:90]}")


def _describe(device: str) -> str:
    name = torch.cuda.get_device_name() if device.startswith("cuda") else "CPU"
    return f"{name}, torch {torch.__version__}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=list(SHAPES)[:3])
    parser.add_argument("--precisions", nargs="+", default=["fp16", "bf16"])
    parser.add_argument("--texts", type=int, default=4096)
    parser.add_argument("--plain-batch-sizes", nargs="+", type=int, default=[32, 128])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", help="default: the GPU if torch sees one")
    parser.add_argument(
        "--profile", action="store_true", help="how long the GPU is busy with the adapter, and with what"
    )
    parser.add_argument("--quick", action="store_true", help="tiny sizes on the CPU: shows that it runs")
    args = parser.parse_args()
    if args.quick:
        args.shapes, args.precisions = ["tiny", "tiny-reranker"], ["bf16"]
        args.texts, args.repeats, args.device = 64, 1, "cpu"
    device = choose_device(args.device)
    words = make_words()
    chooser = random.Random(1)
    lengths = [chooser.randint(*((32, 64) if args.quick else (128, 512))) for _ in range(args.texts)]
    print(f"{_describe(device)}; {len(lengths)} texts, {sum(lengths)} tokens")
    rates = {
        precision: measure_matmul(device, precision, 8192 if device.startswith("cuda") else 1024)
        for precision in args.precisions
    }
    results = []
    for name in args.shapes:
        reranks = SHAPES[name].reranks
        with tempfile.TemporaryDirectory() as folder:
            with torch.device(device):
                (save_reranker if reranks else save_embedder)(Path(folder), SHAPES[name], words)
            for precision in args.precisions:
                contest = (Reranking if reranks else Embedding)(
                    folder, words, lengths, device=device, precision=precision
                )
                results.append(
                    compare(
                        name,
                        precision,
                        contest,
                        lengths=lengths,
                        plain_batch_sizes=args.plain_batch_sizes,
                        repeats=args.repeats,
                        matmul_tflops=rates[precision],
                    )
                )
                print(_in_words(results[-1]))
                if args.profile:
                    print_profile(contest.run_adapter)
                contest.close()
    print(json.dumps({"device": _describe(device), "results": [asdict(result) for result in results]}))


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
