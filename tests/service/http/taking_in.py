"""What a worker does: sources that are due are refreshed, with real parsers."""

from __future__ import annotations

from ingest.reports import Fate
from service.intake import Intake
from service.schedule import RefreshedSource, refresh_due


class _Silent:
    def planned(self, *, files: int) -> None:
        pass

    def finished(self, path: str, fate: Fate, chunks: int) -> None:
        pass


async def take_in(intake: Intake) -> list[RefreshedSource]:
    """Refresh what is due, until nothing is."""
    async with intake.parser_pool() as pool:
        return [refreshed async for refreshed in refresh_due(intake, pool, progress=lambda _: _Silent())]
