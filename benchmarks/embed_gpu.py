"""The sentence-transformers adapter against plain `SentenceTransformer.encode`, on a GPU. Not measured on a GPU yet.

    python benchmarks/embed_gpu.py [--shapes bge-small bge-large] [--precisions fp16 bf16] [--texts 4096]
    python benchmarks/embed_gpu.py --quick          tiny sizes on the CPU: shows that it runs, measures nothing

Stands alone: it needs torch, transformers and sentence-transformers, no model from anywhere and no other part of
Footnote's installation. The models have the real shapes and random weights, the texts are random words of a made-up
vocabulary, 128 to 512 tokens each, all of which the time of a forward pass does not depend on.

Prints, for each shape and precision: tokens a second of both, their ratio (against the fastest of plain encode's batch
sizes), and the fraction of the device's measured matrix-multiply rate that the adapter reaches; then one line of JSON.
Only real tokens are counted, never padding.
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
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from numpy.typing import NDArray
from sentence_transformers import SentenceTransformer
from transformers import BertConfig, BertModel, BertTokenizer

from retrieval.embedders.sentence_transformer import SentenceTransformerEmbedder
from retrieval.torch_models import choose_device, choose_dtype

_VOCABULARY = 30_522
_SYLLABLES = [first + second for first in "bcdfghklmnprstvz" for second in "aeiou"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The sizes of a BERT encoder."""

    layers: int
    width: int
    heads: int
    feed_forward: int

    def flops(self, lengths: Sequence[int]) -> float:
        """Floating-point operations of a forward pass over sequences of these lengths, without padding.

        A token costs two operations for each weight of a matrix (4 d² + 2 d f in a layer) and, in a sequence of T
        tokens, 4 d T a layer for the scores and the weighted sum of attention: a third of the 6 N + 12 L H Q T that
        PaLM counts for forward and backward (Chowdhery et al. 2022, appendix B), embeddings left out.
        """
        weights = self.layers * (4 * self.width**2 + 2 * self.width * self.feed_forward)
        return sum(2.0 * weights * length + 4.0 * self.layers * self.width * length**2 for length in lengths)


SHAPES = {
    "bge-small": Shape(layers=12, width=384, heads=12, feed_forward=1536),
    "bge-large": Shape(layers=24, width=1024, heads=16, feed_forward=4096),
    "tiny": Shape(layers=2, width=64, heads=4, feed_forward=128),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What was measured of one shape in one precision. Rates are of real tokens."""

    shape: str
    precision: str
    adapter_tokens_per_s: float
    plain_tokens_per_s: float
    plain_batch_size: int
    ratio: float
    adapter_tflops: float
    matmul_tflops: float
    fraction_of_matmul: float
    lowest_cosine: float


def make_words(count: int) -> list[str]:
    """`count` different made-up words."""
    chooser = random.Random(1)
    words: set[str] = set()
    while len(words) < count:
        words.add("".join(chooser.choices(_SYLLABLES, k=chooser.randint(2, 4))))
    return sorted(words)


def make_texts(words: Sequence[str], count: int, shortest: int, longest: int) -> tuple[list[str], list[int]]:
    """Texts of random words, and their lengths in tokens: a word is a token, and two are special."""
    chooser = random.Random(2)
    lengths = [chooser.randint(shortest, longest) for _ in range(count)]
    return [" ".join(chooser.choices(words, k=length - 2)) for length in lengths], lengths


def save_model(folder: Path, shape: Shape, words: Sequence[str]) -> None:
    """Save a randomly initialised model as sentence-transformers repositories are laid out: CLS, then L2."""
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=_VOCABULARY,
        hidden_size=shape.width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        intermediate_size=shape.feed_forward,
    )
    BertModel(config).save_pretrained(folder)
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
    BertTokenizer(
        vocab={piece: index for index, piece in enumerate(pieces)}, model_max_length=512
    ).save_pretrained(folder)
    kinds = {"": "Transformer", "1_Pooling": "Pooling", "2_Normalize": "Normalize"}
    modules = [
        {"idx": index, "name": str(index), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for index, (path, kind) in enumerate(kinds.items())
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    pooling = {"word_embedding_dimension": shape.width, "pooling_mode_cls_token": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))


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


def _with_adapter(embedder: SentenceTransformerEmbedder, texts: Sequence[str]) -> NDArray[np.float32]:
    """Embed as `EmbeddingBatcher` does: jobs of the adapter's batch size on as many threads as it can use."""
    size = embedder.batch_size
    jobs = [texts[start : start + size] for start in range(0, len(texts), size)]
    with ThreadPoolExecutor(embedder.parallelism) as threads:
        return np.concatenate(list(threads.map(embedder.embed_documents, jobs)))


def compare(
    name: str,
    precision: str,
    *,
    device: str,
    texts: Sequence[str],
    lengths: Sequence[int],
    words: Sequence[str],
    plain_batch_sizes: Sequence[int],
    repeats: int,
    matmul_tflops: float,
) -> Result:
    """Time the adapter and plain encode by turns on the same model and texts; medians of `repeats`."""
    with tempfile.TemporaryDirectory() as folder:
        save_model(Path(folder), SHAPES[name], words)
        adapter = SentenceTransformerEmbedder(folder, device=device, precision=precision)
        plain = SentenceTransformer(
            folder, device=device, local_files_only=True, model_kwargs={"dtype": choose_dtype(precision)}
        )
    assert [adapter.count_tokens(text) + 2 for text in texts[:20]] == list(lengths[:20])

    def encode(batch_size: int) -> Any:
        return plain.encode(list(texts), batch_size=batch_size, show_progress_bar=False)

    # One untimed run of each: kernels are chosen, memory is reserved, and both must give the same vectors.
    theirs = np.asarray(encode(plain_batch_sizes[0]), dtype=np.float32)
    cosines = (theirs * _with_adapter(adapter, texts)).sum(axis=1) / np.linalg.norm(theirs, axis=1)
    adapter_times: list[float] = []
    plain_times: dict[int, list[float]] = {size: [] for size in plain_batch_sizes}
    for _ in range(repeats):
        adapter_times.append(_timed(lambda: _with_adapter(adapter, texts))[0])
        for size, times in plain_times.items():
            times.append(_timed(partial(encode, size))[0])
    adapter.close()
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
        lowest_cosine=round(float(cosines.min()), 5),
    )


def _describe(device: str) -> str:
    name = torch.cuda.get_device_name() if device.startswith("cuda") else "CPU"
    return f"{name}, torch {torch.__version__}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--shapes", nargs="+", choices=SHAPES, default=["bge-small", "bge-large"])
    parser.add_argument("--precisions", nargs="+", default=["fp16", "bf16"])
    parser.add_argument("--texts", type=int, default=4096)
    parser.add_argument("--plain-batch-sizes", nargs="+", type=int, default=[32, 128])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--device", help="default: the GPU if torch sees one")
    parser.add_argument("--quick", action="store_true", help="tiny sizes on the CPU: shows that it runs")
    args = parser.parse_args()
    if args.quick:
        args.shapes, args.precisions, args.texts, args.repeats, args.device = ["tiny"], ["bf16"], 64, 1, "cpu"
    device = choose_device(args.device)
    words = make_words(_VOCABULARY - 5)
    shortest, longest = (16, 64) if args.quick else (128, 512)
    texts, lengths = make_texts(words, args.texts, shortest, longest)
    print(f"{_describe(device)}; {len(texts)} texts, {sum(lengths)} tokens")
    rates = {
        precision: measure_matmul(device, precision, 8192 if device.startswith("cuda") else 1024)
        for precision in args.precisions
    }
    results = []
    for name in args.shapes:
        for precision in args.precisions:
            result = compare(
                name,
                precision,
                device=device,
                texts=texts,
                lengths=lengths,
                words=words,
                plain_batch_sizes=args.plain_batch_sizes,
                repeats=args.repeats,
                matmul_tflops=rates[precision],
            )
            results.append(result)
            print(
                f"{name} {precision}: adapter {result.adapter_tokens_per_s:,.0f} tokens/s, plain encode "
                f"{result.plain_tokens_per_s:,.0f} (batches of {result.plain_batch_size}), ratio {result.ratio:.2f}; "
                f"{result.adapter_tflops:.3g} of {result.matmul_tflops:.3g} TFLOP/s "
                f"({result.fraction_of_matmul:.0%}); lowest cosine {result.lowest_cosine:.5f}"
            )
    print(json.dumps({"device": _describe(device), "results": [asdict(result) for result in results]}))


if __name__ == "__main__":
    main()
