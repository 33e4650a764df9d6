"""Progress of refreshes: counted as it comes, noted now and then, by nobody but who holds the source."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ingest.catalog import find_source
from service.footnote import Footnote
from service.progress import noted_progress
from service.targets import SourceRules, register_source
from service.working import Unwatched
from tests.service.workers import until


async def _held(footnote: Footnote, folder: Path) -> dict[str, Any]:
    source = await register_source(footnote, folder, collection="default", rules=SourceRules())
    await footnote.database.execute(
        "UPDATE sources SET lease_owner = 'me', lease_until = now() + interval '1 min' WHERE id = %(id)s",
        {"id": source.id},
    )
    return {"source_id": source.id, "owner": "me"}


async def test_what_is_done_is_noted_while_the_run_goes_on(footnote: Footnote, tmp_path: Path) -> None:
    held = await _held(footnote, tmp_path)
    async with noted_progress(footnote.database, held, Unwatched(), every_s=0.01) as progress:
        await asyncio.sleep(0.05)
        assert (await find_source(footnote.database, held["source_id"])).progress is None
        progress.planned(files=3)
        progress.finished("a.txt", "added", 4)
        progress.finished("b.txt", "failed", 0)

        async def noted() -> Mapping[str, Any] | None:
            return (await find_source(footnote.database, held["source_id"])).progress

        assert await until(noted) == {"files": 3, "done": 2, "failed": 1}


async def test_whoever_does_not_hold_the_source_any_more_notes_nothing(
    footnote: Footnote, tmp_path: Path
) -> None:
    held = await _held(footnote, tmp_path)
    async with noted_progress(
        footnote.database, {**held, "owner": "them"}, Unwatched(), every_s=0.01
    ) as progress:
        progress.planned(files=3)
        await asyncio.sleep(0.1)
    assert (await find_source(footnote.database, held["source_id"])).progress is None
