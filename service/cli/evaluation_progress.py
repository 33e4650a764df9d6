"""How measuring shows that it goes on."""

from __future__ import annotations

import time
from types import TracebackType

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)

from service.cli.display import count, note, stderr

_SECONDS_BETWEEN_LINES = 5.0
_NOUNS = {"asking": "question", "checking": "claim"}


class EvaluationProgress:
    """A bar on a terminal, a plain line every few seconds in a pipe."""

    def __init__(self) -> None:
        self._console = stderr()
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._set = ""
        self._stage = ""
        self._task = self._bar.add_task("", total=None, visible=False)
        self._done = self._total = 0
        self._told = time.monotonic()

    def __enter__(self) -> EvaluationProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def name(self, evaluation_set: str) -> None:
        """Say which set comes next."""
        self._set = evaluation_set

    def begin(self, stage: str, total: int) -> None:
        """Say what is done next, and how often."""
        self._stage, self._done, self._total, self._told = stage, 0, total, time.monotonic()
        self._bar.reset(self._task, total=total, description=f"{self._set}: {stage}", visible=True)
        if not self._console.is_terminal:
            note(f"{self._set}: {stage} {_things(stage, total)}")

    def advance(self) -> None:
        """Say that it was done once more."""
        self._done += 1
        self._bar.advance(self._task)
        now = time.monotonic()
        if not self._console.is_terminal and now - self._told >= _SECONDS_BETWEEN_LINES:
            self._told = now
            note(f"{self._set}: {self._done:,} of {_things(self._stage, self._total)}")


def _things(stage: str, number: int) -> str:
    return count(number, _NOUNS.get(stage, "document"))
