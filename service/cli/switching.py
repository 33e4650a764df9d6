"""What a person is told when another index answers, and while it is being made ready."""

from __future__ import annotations

import time
from collections.abc import Mapping

from retrieval.filling import Progress
from retrieval.stores import Index
from service.cli.display import count, note
from service.settings import settings_file

_SECONDS_BETWEEN_LINES = 5.0


def tell_progress(label: str) -> Progress:
    """Tells how many chunks are done, every few seconds."""
    told = time.monotonic()

    def progress(done: int, total: int) -> None:
        nonlocal told
        if done >= total or time.monotonic() - told >= _SECONDS_BETWEEN_LINES:
            told = time.monotonic()
            note(f"{label}: {done:,} of {count(total, 'chunk')}")

    return progress


def tell_of_former(former: Index) -> None:
    """How to go back to the index that answered before, or to give it up."""
    note(
        f"Index {former.id} is kept. To go back to it: footnote indexes activate {former.id}. "
        f"To give it up: footnote indexes drop {former.id}"
    )


def tell_to_set(changed: Mapping[str, str]) -> None:
    """Which settings other processes need, so that they have the embedder of the index that answers."""
    if not changed:
        return
    note(
        f"Set this in '{settings_file() or 'footnote.toml'}', or in the environment, for every Footnote process:"
    )
    note("  [embedder]")
    for name, value in changed.items():
        note(f'  {name.removeprefix("embedder.")} = "{value}"')
    note(
        "Until then they answer from the former index, where what is published from now on is found by its words "
        "alone, and they do not ingest."
    )
