"""Sequences laid end to end, so that no padding is computed: packing, attention within each, and one row of each.

The packed encoder and the adapters use this. It is imported by them alone, since it imports torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import Any, Literal

import numpy as np
import torch
from torch.nn import functional

from retrieval.torch_batches import Ids, to_device

try:
    from torch.nn.attention.varlen import varlen_attn
except ImportError:  # torch before 2.10
    varlen_attn = None

Pooling = Literal["cls", "mean", "last"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Packed:
    """Sequences laid end to end on a device. Sequence i has the tokens from starts[i] to starts[i + 1].

    ids, positions and segments (None: all of the first kind) are int32 with one value a token. bounds are the starts
    again, on the host; longest is the length of the longest sequence.
    """

    ids: Any
    positions: Any
    segments: Any | None
    starts: Any
    bounds: Sequence[int]
    longest: int


def pack(sequences: Ids, segments: Ids | None, *, device: Any, padding_id: int | None) -> Packed:
    """Lay sequences end to end, none of them empty, and move them to the device in one copy.

    padding_id: None if positions count from 0. Else they count from padding_id + 1 and pass over tokens that are
    padding themselves, as RoBERTa's do (a text may spell such a token out).
    """
    starts = np.zeros(len(sequences) + 1, dtype=np.int32)
    np.cumsum([len(sequence) for sequence in sequences], out=starts[1:])
    total = int(starts[-1])
    ids = np.fromiter(chain.from_iterable(sequences), dtype=np.int32, count=total)
    counted = np.ones(total, dtype=np.int32) if padding_id is None else (ids != padding_id).astype(np.int32)
    before = np.concatenate(([0], np.cumsum(counted, dtype=np.int32)))
    positions = before[1:] - np.repeat(before[starts[:-1]], np.diff(starts))
    positions = positions - 1 if padding_id is None else positions * counted + padding_id
    parts = [ids, positions, starts]
    if segments is not None:
        parts.append(np.fromiter(chain.from_iterable(segments), dtype=np.int32, count=total))
    moved = to_device(np.concatenate(parts, dtype=np.int32), device).split([len(part) for part in parts])
    return Packed(
        ids=moved[0],
        positions=moved[1],
        starts=moved[2],
        segments=moved[3] if segments is not None else None,
        bounds=starts.tolist(),
        longest=max(map(len, sequences)),
    )


def packing_pays(*, device: str, dtype: Any, head_size: int) -> bool:
    """Whether packing saves time there: on a CPU, and on a GPU where one kernel does the attention of all sequences."""
    if torch.device(device).type == "cpu":
        return True
    return (
        varlen_attn is not None
        and torch.device(device).type == "cuda"
        and dtype in (torch.float16, torch.bfloat16)
        and head_size % 8 == 0
        and head_size <= 256
        and torch.cuda.get_device_capability(device) >= (8, 0)
    )


def attend(query_key_value: Any, batch: Packed) -> Any:
    """Attention of each token to its own sequence: (tokens, 3, heads, size) in, (tokens, heads * size) out."""
    query, key, value = query_key_value.unbind(1)
    if query.is_cuda and query.dtype != torch.float32:
        longest = batch.longest
        return varlen_attn(query, key, value, batch.starts, batch.starts, longest, longest).flatten(1)
    each = [
        functional.scaled_dot_product_attention(
            *(part[start:stop].transpose(0, 1).unsqueeze(0) for part in (query, key, value))
        )
        .squeeze(0)
        .transpose(0, 1)
        for start, stop in pairwise(batch.bounds)
    ]
    return torch.cat(each).flatten(1)


def pooled_tokens(batch: Packed, pooling: Pooling) -> Any | None:
    """Which tokens a pooling reads, one of each sequence; None if all of them."""
    match pooling:
        case "cls":
            return batch.starts[:-1]
        case "last":
            return batch.starts[1:] - 1
        case "mean":
            return None


def mean_of_each(states: Any, batch: Packed) -> Any:
    """The mean of each sequence's token states, summed in fp32."""
    lengths = (batch.starts[1:] - batch.starts[:-1]).long()
    means = torch.segment_reduce(states.float(), "mean", lengths=lengths, unsafe=True)
    return means.to(states.dtype)
