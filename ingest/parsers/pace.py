"""Asking for time: a parser whose work is long but goes on says so, and is not taken for one that hangs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_ASK: ContextVar[Callable[[float], None] | None] = ContextVar("ask", default=None)


def ask_for_time(seconds: float) -> None:
    """Say that the work goes on, and that its next step may take so long. Nothing happens where nobody listens."""
    ask = _ASK.get()
    if ask is not None:
        ask(seconds)


@contextmanager
def listening(ask: Callable[[float], None]) -> Iterator[None]:
    """Hear every `ask_for_time` within the block."""
    token = _ASK.set(ask)
    try:
        yield
    finally:
        _ASK.reset(token)
