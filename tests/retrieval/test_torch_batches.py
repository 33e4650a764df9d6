"""Batches on torch: sorted, bounded by tokens, halved when memory runs out, and always in the caller's order."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from retrieval.errors import ModelError, ModelStoppedError

pytestmark = pytest.mark.extras


class Device:
    """A forward pass that sums each row's own tokens, notes each batch's shape, and holds only so many tokens."""

    def __init__(self, *, memory_tokens: int = 10**9) -> None:
        self.memory_tokens = memory_tokens
        self.shapes: list[tuple[int, int]] = []

    def __call__(self, features: dict[str, Any]) -> Any:
        import torch

        ids, mask = features["input_ids"], features["attention_mask"]
        if ids.numel() > self.memory_tokens:
            raise torch.OutOfMemoryError("no memory left")
        self.shapes.append(tuple(ids.shape))
        return (ids * mask).sum(dim=1, keepdim=True).float()


def _runner(device: Device, tokens_per_batch: int) -> Any:
    return _padded_runner(device, pad_id=99, tokens_per_batch=tokens_per_batch)


def _padded_runner(model: Callable[[dict[str, Any]], Any], *, pad_id: int, tokens_per_batch: int) -> Any:
    from retrieval.torch_batches import BatchRunner, PaddedPass

    forward = PaddedPass(model, device="cpu", pad_id=pad_id)
    return BatchRunner(forward, device="cpu", pad_id=pad_id, tokens_per_batch=tokens_per_batch)


def _sequences(lengths: list[int]) -> list[list[int]]:
    return [[index + 1] * length for index, length in enumerate(lengths)]


LENGTHS = [3, 50, 1, 7, 50, 12, 30, 2]
SUMS = [(index + 1) * length for index, length in enumerate(LENGTHS)]


def test_rows_come_back_in_the_order_given_and_padding_counts_for_nothing() -> None:
    rows = _runner(Device(), 64).run(_sequences(LENGTHS))
    assert rows.dtype == np.float32
    assert rows[:, 0].tolist() == SUMS


def test_a_batch_holds_at_most_the_budget_of_padded_tokens_the_longest_first() -> None:
    device = Device()
    _runner(device, 64).run(_sequences(LENGTHS))
    assert all(rows * width <= 64 for rows, width in device.shapes)
    widths = [width for _, width in device.shapes]
    assert widths == sorted(widths, reverse=True)
    assert len(widths) == 4


def test_a_sequence_longer_than_the_budget_is_run_alone() -> None:
    device = Device()
    assert _runner(device, 10).run(_sequences([25, 4]))[:, 0].tolist() == [25, 8]
    assert device.shapes == [(1, 25), (1, 4)]


def test_out_of_memory_halves_the_batch_and_those_that_follow_and_says_so(
    caplog: pytest.LogCaptureFixture,
) -> None:
    device = Device(memory_tokens=100)
    runner = _runner(device, 1000)
    with caplog.at_level(logging.WARNING, logger="retrieval.torch_batches"):
        assert runner.run(_sequences(LENGTHS * 4))[:, 0].tolist() == [
            (index + 1) * length for index, length in enumerate(LENGTHS * 4)
        ]
    assert "out of GPU memory with 20 texts in a batch; going on with 500 tokens a batch" in caplog.text
    caplog.clear()
    runner.run(_sequences(LENGTHS * 4))
    assert caplog.text == ""


def test_a_text_that_does_not_fit_alone_is_a_model_error() -> None:
    with pytest.raises(ModelStoppedError, match="a single text of 50 tokens does not fit"):
        _runner(Device(memory_tokens=40), 1000).run(_sequences(LENGTHS))


def test_values_that_are_not_finite_are_a_model_error() -> None:
    def overflow(features: dict[str, Any]) -> Any:
        return features["input_ids"].float() / 0

    runner = _padded_runner(overflow, pad_id=0, tokens_per_batch=64)
    with pytest.raises(ModelError, match="not finite; set the precision to bf16 or fp32"):
        runner.run([[1, 2]])


def test_a_failure_of_torch_is_a_model_error() -> None:
    def fail(features: dict[str, Any]) -> Any:
        raise RuntimeError("device-side assert")

    with pytest.raises(ModelError, match=r"failed on cpu .*device-side assert"):
        _padded_runner(fail, pad_id=0, tokens_per_batch=64).run([[1, 2]])


def test_an_empty_sequence_is_run_as_padding() -> None:
    assert _runner(Device(), 64).run([[], [5]])[:, 0].tolist() == [99, 5]


class Packing:
    """As `Device`, but without padding: notes how many tokens each batch has."""

    padded = False

    def __init__(self, *, memory_tokens: int = 10**9) -> None:
        self.memory_tokens = memory_tokens
        self.tokens: list[int] = []

    def __call__(self, sequences: Sequence[Sequence[int]], segments: object) -> Any:
        import torch

        tokens = sum(map(len, sequences))
        if tokens > self.memory_tokens:
            raise torch.OutOfMemoryError("no memory left")
        self.tokens.append(tokens)
        return torch.tensor([[float(sum(sequence))] for sequence in sequences])


def _packing_runner(device: Packing, tokens_per_batch: int) -> Any:
    from retrieval.torch_batches import BatchRunner

    return BatchRunner(device, device="cpu", pad_id=99, tokens_per_batch=tokens_per_batch)


def test_without_padding_batches_are_about_even_and_within_the_budget() -> None:
    device = Packing()
    assert _packing_runner(device, 60).run(_sequences(LENGTHS))[:, 0].tolist() == SUMS
    assert device.tokens == [50, 50, 55]
    device = Packing()
    _packing_runner(device, 10).run(_sequences([25, 4, 4, 4]))
    assert device.tokens == [25, 8, 4]
    device = Packing()
    _packing_runner(device, 1000).run(_sequences([10] * 150))
    assert device.tokens == [750, 750]


def test_without_padding_out_of_memory_halves_the_batch_and_those_that_follow(
    caplog: pytest.LogCaptureFixture,
) -> None:
    device = Packing(memory_tokens=100)
    rows = _packing_runner(device, 1000).run(_sequences([40] * 40))
    assert rows[:, 0].tolist() == [40 * (index + 1) for index in range(40)]
    assert max(device.tokens) <= 100
    assert "out of GPU memory with 20 texts in a batch; going on with 400 tokens a batch" in caplog.text
