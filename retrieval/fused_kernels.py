"""Adding and normalising states in one pass over memory where Triton can, else in three by torch.

Triton comes with torch's builds for GPUs on Linux and needs a C compiler at run time.
"""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Callable
from typing import Any

import torch

try:
    import triton
    import triton.language as tl
except ImportError:  # a build of torch for the CPU
    triton = tl = None

_log = logging.getLogger(__name__)

AddNorm = Callable[[Any, Any, Any], Any]
"""Of values and others, both (tokens, width), and a LayerNorm: the norm of their sum. May overwrite the values."""


def choose_add_norm(device: str, dtype: Any) -> AddNorm:
    """Triton's where it works on this device, which has to be the current one; else torch's, and the log says so.

    On a CPU torch's, which is all there is.
    """
    if torch.device(device).type == "cpu":
        return plain_add_norm
    if triton is None:
        reason = "triton is not installed"
    else:
        try:
            _try_out(device, dtype)
        except (RuntimeError, OSError, subprocess.SubprocessError, triton.CompilationError) as exc:
            reason = f"{type(exc).__name__}: {next(iter(str(exc).strip().splitlines()), '')[:300]}"
        else:
            return fused_add_norm
    _log.warning("encoding somewhat slower on %s: no Triton kernel can be had there (%s)", device, reason)
    return plain_add_norm


def _try_out(device: str, dtype: Any) -> None:
    values = torch.ones(2, 64, device=device, dtype=dtype)
    with torch.inference_mode():
        fused_add_norm(values, values, torch.nn.LayerNorm(64, device=device, dtype=dtype))


def plain_add_norm(values: Any, others: Any, norm: Any) -> Any:
    """`AddNorm` by torch."""
    return norm(values.add_(others))


def fused_add_norm(values: Any, others: Any, norm: Any) -> Any:
    """`AddNorm` by Triton, with the sum and its statistics in fp32. Both inputs are contiguous."""
    rows, width = values.shape
    block = triton.next_power_of_2(width)
    warps = max(1, min(8, block // 256))
    _kernel[(rows,)](values, others, norm.weight, norm.bias, width, norm.eps, BLOCK=block, num_warps=warps)
    return values


def _add_norm_of_a_row(
    values: tl.tensor,
    others: tl.tensor,
    weight: tl.tensor,
    bias: tl.tensor,
    width: tl.tensor,
    epsilon: tl.tensor,
    BLOCK: tl.constexpr,  # noqa: N803  Triton's way to write a constant
) -> None:
    row = tl.program_id(0).to(tl.int64) * width
    columns = tl.arange(0, BLOCK)
    inside = columns < width
    total = tl.load(values + row + columns, mask=inside, other=0.0).to(tl.float32)
    total += tl.load(others + row + columns, mask=inside, other=0.0).to(tl.float32)
    mean = tl.sum(total, axis=0) / width
    centred = tl.where(inside, total - mean, 0.0)
    scale = tl.rsqrt(tl.sum(centred * centred, axis=0) / width + epsilon)
    factors = tl.load(weight + columns, mask=inside, other=0.0).to(tl.float32)
    offsets = tl.load(bias + columns, mask=inside, other=0.0).to(tl.float32)
    tl.store(values + row + columns, centred * scale * factors + offsets, mask=inside)


if triton is not None:
    _kernel: Any = triton.jit(_add_norm_of_a_row)
