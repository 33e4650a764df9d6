"""The four trained layers: to begin with the last four of the reranker's, below a head of three classes."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from transformers import BertConfig
from transformers.models.bert.modeling_bert import BertLayer

from benchmarks.support_hidden import WIDTH, HiddenStates, Pair

FROZEN, TRAINED = 8, 4
_BATCH = 16
_WARM_STEPS = 20
_SMOOTHING = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A pair, the index of its label and what it counts."""

    pair: Pair
    label: int
    weight: float = 1.0


class Layers(torch.nn.Module):  # type: ignore[misc]  # torch is not there where types are checked
    """Hidden states after the eighth layer in, logits of stated, contradicted, not stated out."""

    def __init__(self) -> None:
        super().__init__()
        config = BertConfig(
            hidden_size=WIDTH,
            num_attention_heads=12,
            intermediate_size=4 * WIDTH,
            hidden_dropout_prob=0.05,
            attention_probs_dropout_prob=0.05,
        )
        config._attn_implementation = "eager"
        self.layers = torch.nn.ModuleList([BertLayer(config) for _ in range(TRAINED)])
        self.pool = torch.nn.Linear(WIDTH, WIDTH)
        self.cls = torch.nn.Linear(WIDTH, 3)
        self.drop = torch.nn.Dropout(0.1)

    def forward(self, hidden: Any, mask: Any = None) -> Any:
        hide = None if mask is None else (1 - mask[:, None, None, :]) * -1e4
        for layer in self.layers:
            hidden = layer(hidden, hide)
            hidden = hidden[0] if isinstance(hidden, tuple) else hidden
        return self.cls(self.drop(torch.tanh(self.pool(hidden[:, 0]))))


def from_reranker(model: Path, *, seed: int = 1) -> Layers:
    """Layers with the weights of the reranker's int8 file, taken back to fp32; the head is random."""
    torch.manual_seed(seed)
    graph = onnx.load(str(model)).graph
    tensors = {each.name: numpy_helper.to_array(each) for each in graph.initializer}

    def plain(name: str) -> NDArray[np.float32]:
        steps = tensors[f"{name}_quantized"].astype(np.float32) - tensors[f"{name}_zero_point"].astype(
            np.float32
        )
        scaled: NDArray[np.float32] = steps * tensors[f"{name}_scale"]
        return scaled

    weights = {
        name: value
        for name, value in tensors.items()
        if ".layer." in name and value.ndim == 1 and value.dtype == np.float32
    }
    for node in graph.node:
        if node.op_type == "MatMulInteger" and node.name.startswith("/bert/encoder"):
            name = node.name[1:].replace("/", ".").replace(".MatMul_quant", ".weight")
            weights[name] = plain(node.input[1].removesuffix("_quantized")).T
    state = {
        f"layers.{number - FROZEN}.{rest}": torch.tensor(np.array(value))
        for name, value in weights.items()
        for number, _, rest in [_parted(name)]
        if number >= FROZEN
    }
    state["pool.weight"] = torch.tensor(np.array(plain("bert.pooler.dense.weight")))
    state["pool.bias"] = torch.tensor(np.array(tensors["bert.pooler.dense.bias"]))
    layers = Layers()
    left = layers.load_state_dict(state, strict=False)
    assert set(left.missing_keys) == {"cls.weight", "cls.bias"}
    assert not left.unexpected_keys
    return layers


def _parted(name: str) -> tuple[int, str, str]:
    number, _, rest = name.partition(".layer.")[2].partition(".")
    return int(number), ".", rest


def train(
    layers: Layers,
    examples: Sequence[Example],
    states: HiddenStates,
    *,
    epochs: float,
    rate: float,
    seed: int,
) -> None:
    """Train in place: AdamW, linear decay, batches of pairs of similar length."""
    optimizer = torch.optim.AdamW(layers.parameters(), lr=rate, weight_decay=0.01)
    batches = _batches(examples, states, epochs, random.Random(seed))
    layers.train()
    losses: list[float] = []
    started = time.monotonic()
    for step, batch in enumerate(batches):
        for group in optimizer.param_groups:
            group["lr"] = rate * min(1.0, (step + 1) / _WARM_STEPS) * max(0.02, 1 - step / len(batches))
        logits = layers(*map(torch.from_numpy, states.padded([each.pair for each in batch])))
        loss = torch.nn.functional.cross_entropy(
            logits, torch.tensor([each.label for each in batch]), reduction="none", label_smoothing=_SMOOTHING
        )
        mean = (loss * torch.tensor([each.weight for each in batch])).mean()
        optimizer.zero_grad()
        mean.backward()
        torch.nn.utils.clip_grad_norm_(layers.parameters(), 1.0)
        optimizer.step()
        losses.append(mean.item())
        if (step + 1) % 20 == 0:
            print(
                f"  step {step + 1} of {len(batches)}: loss {np.mean(losses[-20:]):.3f}",
                f"{time.monotonic() - started:.0f} s",
                flush=True,
            )


def _batches(
    examples: Sequence[Example], states: HiddenStates, epochs: float, rng: random.Random
) -> list[list[Example]]:
    batches: list[list[Example]] = []
    left = round(epochs * len(examples))
    while left > 0:
        drawn = rng.sample(list(examples), min(left, len(examples)))
        left -= len(drawn)
        for start in range(0, len(drawn), 20 * _BATCH):
            alike = sorted(drawn[start : start + 20 * _BATCH], key=lambda each: states.tokens(each.pair))
            some = [alike[i : i + _BATCH] for i in range(0, len(alike), _BATCH)]
            rng.shuffle(some)
            batches += some
    return batches


def export(layers: Layers, path: Path) -> None:
    """Write the layers as ONNX with int8 weights; activations are quantized while it runs."""
    layers.eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    whole = path.with_suffix(".fp32.onnx")
    torch.onnx.export(
        layers,
        (torch.zeros(1, 8, WIDTH),),
        str(whole),
        input_names=["hidden"],
        output_names=["logits"],
        dynamic_axes={"hidden": {1: "tokens"}},
        opset_version=17,
        dynamo=False,
    )
    # Seven bits: with eight, processors without VNNI would overflow between two products.
    quantize_dynamic(whole, path, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)
    whole.unlink()
