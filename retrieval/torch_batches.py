"""Sequences of token ids in, one row each out, in the caller's order: batches of similar length, queued on the device.

The embedder and the cross-encoder adapter share this. It is imported by adapters alone, since it imports torch.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from retrieval.errors import ModelError, ModelStoppedError

_log = logging.getLogger(__name__)

Ids = Sequence[Sequence[int]]
"""Token ids, or a segment for each token, of several sequences."""

Features = dict[str, Any]
"""Tensors by name, as a sentence-transformers module takes them."""


class ForwardPass(Protocol):
    """A model's way from a batch of sequences to one row for each, which stays on the device."""

    @property
    def padded(self) -> bool:
        """Whether a sequence costs as much as the longest of its batch."""
        ...

    def __call__(self, sequences: Ids, segments: Ids | None) -> Any:
        """Rows in the order of the sequences. Does not wait for the device to compute them."""
        ...


class PaddedPass:
    """The model's own forward pass, over sequences that are padded to the longest of their batch."""

    padded = True

    def __init__(self, model: Callable[[Features], Any], *, device: str, pad_id: int) -> None:
        self._model = model
        self._device = torch.device(device)
        self._pad_id = pad_id

    def __call__(self, sequences: Ids, segments: Ids | None) -> Any:
        features = {
            "input_ids": self._tensor(sequences, self._pad_id),
            "attention_mask": self._tensor([[1] * len(sequence) for sequence in sequences], 0),
        }
        if segments is not None:
            features["token_type_ids"] = self._tensor(segments, 0)
        return self._model(features)

    def _tensor(self, rows: Ids, filler: int) -> Any:
        """Pad to the longest row; on a GPU to a multiple of 8, which its attention kernels want."""
        width = max(map(len, rows))
        if self._device.type == "cuda":
            width = -(-width // 8) * 8
        padded = np.full((len(rows), width), filler, dtype=np.int64)
        for index, row in enumerate(rows):
            padded[index, : len(row)] = row
        return to_device(padded, self._device)


class BatchRunner:
    """Runs sequences in batches of similar length, with at most a number of tokens in each, padding included.

    Where the GPU runs out of memory, the batch is halved and the budget of later batches with it, which is logged.
    Threads may share a runner: the batches of one are queued on the device while those of another are computed,
    so a GPU is kept busy by threads that take turns at tokenizing.
    """

    def __init__(self, forward: ForwardPass, *, device: str, pad_id: int, tokens_per_batch: int) -> None:
        self._forward = forward
        self._device = torch.device(device)
        self._pad_id = pad_id
        self._tokens_per_batch = tokens_per_batch
        self._turn = threading.Lock()

    def run(self, sequences: Ids, segments: Ids | None = None) -> NDArray[np.float32]:
        """Run all sequences; float32 rows in the order given. Raises `ModelError`."""
        sequences = [sequence or [self._pad_id] for sequence in sequences]
        # The longest first: if memory is short, it shows at once.
        order = sorted(range(len(sequences)), key=lambda index: -len(sequences[index]))
        try:
            with torch.inference_mode(), current(self._device):
                with self._turn:
                    outputs = [
                        self._run_batch(batch, sequences, segments) for batch in self._cut(order, sequences)
                    ]
                    copied, arrived = self._copy_to_host(torch.cat(outputs).float())
                # Only here does the host wait for the device, and lets other threads have their turn.
                arrived()
        except RuntimeError as exc:
            reason = next(iter(str(exc).strip().splitlines()), "")[:300]
            raise ModelError(f"the model failed on {self._device} ({type(exc).__name__}: {reason})") from exc
        rows: NDArray[np.float32] = np.empty_like(copied)
        rows[order] = copied
        if not np.isfinite(rows).all():
            raise ModelError(
                "the model returned values that are not finite; set the precision to bf16 or fp32"
            )
        return rows

    def _cut(self, order: Sequence[int], sequences: Ids) -> Iterator[Sequence[int]]:
        """Batches within the budget, which a batch that ran out of memory may lower on the way."""
        start, left = 0, sum(map(len, sequences))
        while start < len(order):
            longest = len(sequences[order[start]])
            even_part = left / -(-left // self._tokens_per_batch)
            stop, tokens = start, 0
            while stop < len(order) and (self._forward.padded or tokens < even_part):
                more = longest if self._forward.padded else len(sequences[order[stop]])
                if stop > start and tokens + more > self._tokens_per_batch:
                    break
                tokens += more
                stop += 1
            yield order[start:stop]
            left -= sum(len(sequences[index]) for index in order[start:stop])
            start = stop

    def _run_batch(self, batch: Sequence[int], sequences: Ids, segments: Ids | None) -> Any:
        try:
            return self._forward(
                [sequences[index] for index in batch],
                None if segments is None else [segments[index] for index in batch],
            )
        except torch.OutOfMemoryError as exc:
            if len(batch) == 1:
                raise ModelStoppedError(
                    f"a single text of {len(sequences[batch[0]])} tokens does not fit into the GPU's memory"
                ) from exc
        half = len(batch) // 2
        self._tokens_per_batch = min(self._tokens_per_batch, len(sequences[batch[0]]) * half)
        _log.warning(
            "out of GPU memory with %d texts in a batch; going on with %d tokens a batch",
            len(batch),
            self._tokens_per_batch,
        )
        if self._device.type == "cuda":
            torch.cuda.empty_cache()
        halves = (batch[:half], batch[half:])
        return torch.cat([self._run_batch(part, sequences, segments) for part in halves])

    def _copy_to_host(self, rows: Any) -> tuple[NDArray[np.float32], Callable[[], None]]:
        """An array that has the rows once the function beside it has returned."""
        if self._device.type != "cuda":
            return rows.cpu().numpy(), lambda: None
        pinned = torch.empty(rows.shape, dtype=rows.dtype, pin_memory=True)
        pinned.copy_(rows, non_blocking=True)
        event = torch.cuda.Event(blocking=True)  # a thread that waits sleeps instead of spinning
        event.record()
        return pinned.numpy(), event.synchronize


def usual_tokens(forward: ForwardPass, *, device: str) -> int:
    """A budget for `BatchRunner` that fills the device. A larger batch spans more lengths, so it has more padding."""
    if device == "cpu":
        return 4_096
    return 16_384 if forward.padded else 65_536


def current(device: Any) -> AbstractContextManager[Any]:
    """Makes a GPU the thread's current one, to which events and Triton's kernels go, whichever holds the model."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def to_device(array: NDArray[Any], device: Any) -> Any:
    """A tensor with the array's values, which on a GPU arrive in the order of its stream."""
    tensor = torch.from_numpy(array)
    if device.type == "cuda":
        tensor = tensor.pin_memory()
    return tensor.to(device, non_blocking=True)
