"""The forward pass of BERT, RoBERTa and XLM-R encoders over packed sequences, with the weights of a loaded model.

What it computes is what transformers computes, less the padding: the three projections before attention are one
product, and where only a sequence's first or last token is read, the last layer computes no other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from transformers import BertModel, RobertaModel, XLMRobertaModel

from retrieval.fused_kernels import AddNorm, choose_add_norm
from retrieval.packed_sequences import (
    Packed,
    Pooling,
    attend,
    mean_of_each,
    pack,
    packing_pays,
    pooled_tokens,
)
from retrieval.torch_batches import ForwardPass, Ids, current

_log = logging.getLogger(__name__)

_ENCODERS = (BertModel, RobertaModel, XLMRobertaModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    """The weights of one layer; query_key_value holds three projections, one below the other."""

    query_key_value: Any
    attention_output: Any
    attention_norm: Any
    up: Any
    down: Any
    output_norm: Any


class PackedEncoder:
    """An encoder whose weights are those of a model of transformers, on the model's device and in its precision."""

    def __init__(self, model: Any, add_norm: AddNorm) -> None:
        """Raises `ValueError` where `can_pack` says no."""
        if not can_pack(model):
            raise ValueError(f"{type(model).__name__} is computed in a way that this encoder does not know")
        self._embeddings = model.embeddings
        self._heads = model.config.num_attention_heads
        self._layers = [_read_layer(layer) for layer in model.encoder.layer]
        self._add_norm = add_norm
        self.device = model.embeddings.word_embeddings.weight.device
        self.padding_id = None if isinstance(model, BertModel) else model.embeddings.padding_idx

    def __call__(self, batch: Packed, tokens: Any | None) -> Any:
        """The last layer's states of some tokens (None: of all), by their places in the batch."""
        states = self._embed(batch)
        for layer in self._layers[:-1]:
            states = self._finish(layer, self._mix(layer, states, batch), states)
        mixed = self._mix(self._layers[-1], states, batch)
        if tokens is not None:
            mixed, states = mixed.index_select(0, tokens), states.index_select(0, tokens)
        return self._finish(self._layers[-1], mixed, states)

    def _embed(self, batch: Packed) -> Any:
        words, positions, kinds = (
            self._embeddings.word_embeddings.weight,
            self._embeddings.position_embeddings.weight,
            self._embeddings.token_type_embeddings.weight,
        )
        states = functional.embedding(batch.ids, words)
        states += kinds[0] if batch.segments is None else functional.embedding(batch.segments, kinds)
        return self._add_norm(
            states, functional.embedding(batch.positions, positions), self._embeddings.LayerNorm
        )

    def _mix(self, layer: _Layer, states: Any, batch: Packed) -> Any:
        projected = functional.linear(states, *layer.query_key_value)
        return attend(projected.view(len(states), 3, self._heads, -1), batch)

    def _finish(self, layer: _Layer, mixed: Any, states: Any) -> Any:
        """What a layer does with each token alone."""
        states = self._add_norm(
            functional.linear(mixed, *layer.attention_output), states, layer.attention_norm
        )
        inner = functional.gelu(functional.linear(states, *layer.up))
        return self._add_norm(functional.linear(inner, *layer.down), states, layer.output_norm)


class PackedPass:
    """A forward pass for `BatchRunner`: packs, encodes, pools, and hands (sequences, width) to `finish`."""

    padded = False

    def __init__(self, encoder: PackedEncoder, *, pooling: Pooling, finish: Callable[[Any], Any]) -> None:
        self._encoder = encoder
        self._pooling = pooling
        self._finish = finish

    def __call__(self, sequences: Ids, segments: Ids | None) -> Any:
        batch = pack(sequences, segments, device=self._encoder.device, padding_id=self._encoder.padding_id)
        states = self._encoder(batch, pooled_tokens(batch, self._pooling))
        return self._finish(mean_of_each(states, batch) if self._pooling == "mean" else states)


def choose_pass(
    model: Any, padded: ForwardPass, *, device: str, pooling: Pooling, finish: Callable[[Any], Any]
) -> ForwardPass:
    """A packed pass where the device, the precision and the model allow it, else the padded one.

    model: what transformers loaded. finish: from pooled rows to what `padded` returns. The encoder is compared with
    the model at once: one whose files ask for something unheard of would go wrong in silence.
    """
    if not can_pack(model):
        return padded
    config = model.config
    if not packing_pays(
        device=device, dtype=model.dtype, head_size=config.hidden_size // config.num_attention_heads
    ):
        return padded
    with current(model.device):
        encoder = PackedEncoder(model, choose_add_norm(device, model.dtype))
        if agree(encoder, model):
            return PackedPass(encoder, pooling=pooling, finish=finish)
    _log.warning(
        "encoding with padding, so more slowly: without it this %s gives other values", type(model).__name__
    )
    return padded


def agree(encoder: PackedEncoder, model: Any) -> bool:
    """Whether both give the same states for a few made-up sequences, up to the noise of 16 bits and many layers."""
    vocabulary = model.config.vocab_size
    sequences = [[(7919 * (place + length)) % vocabulary for place in range(length)] for length in (40, 9, 1)]
    batch = pack(sequences, None, device=encoder.device, padding_id=encoder.padding_id)
    with torch.inference_mode():
        ours = encoder(batch, None)
        theirs = [
            model(batch.ids[start:stop].long().unsqueeze(0)).last_hidden_state.squeeze(0)
            for start, stop in pairwise(batch.bounds)
        ]
        cosines = functional.cosine_similarity(ours.float(), torch.cat(theirs).float())
    return bool(cosines.min() > 0.98)


def can_pack(model: Any) -> bool:
    """Whether the model is an encoder of transformers that `PackedEncoder` computes as it does itself."""
    if type(model) not in _ENCODERS:
        return False
    config = model.config
    linears = [
        module
        for name, module in model.encoder.named_modules()
        if name.rpartition(".")[2] in {"query", "key", "value", "dense"}
    ]
    return (
        config.hidden_act == "gelu"
        and not config.is_decoder
        and getattr(config, "position_embedding_type", "absolute") == "absolute"
        # Not so where weights are quantized or have adapters beside them.
        and all(type(module) is nn.Linear and module.bias is not None for module in linears)
    )


def _read_layer(layer: Any) -> _Layer:
    attention = layer.attention
    return _Layer(
        query_key_value=_joined([attention.self.query, attention.self.key, attention.self.value]),
        attention_output=_weights(attention.output.dense),
        attention_norm=attention.output.LayerNorm,
        up=_weights(layer.intermediate.dense),
        down=_weights(layer.output.dense),
        output_norm=layer.output.LayerNorm,
    )


def _weights(linear: Any) -> tuple[Any, Any]:
    return linear.weight, linear.bias


def _joined(linears: Sequence[Any]) -> tuple[Any, Any]:
    """Weights and biases one below the other; the modules go on with parts of the same memory."""
    weight = torch.cat([linear.weight.data for linear in linears])
    bias = torch.cat([linear.bias.data for linear in linears])
    start = 0
    for linear in linears:
        stop = start + linear.out_features
        linear.weight.data, linear.bias.data = weight[start:stop], bias[start:stop]
        start = stop
    return weight, bias
