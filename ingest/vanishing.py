"""Vanishing: whether what a source no longer holds may be believed to be gone, and taken out of the index."""

from __future__ import annotations

from ingest.catalog import SourceRecord, note_device
from ingest.errors import SourceUnavailableError
from ingest.plan import RefreshPlan
from ingest.sources import Listing
from retrieval.database import Database

_FEW = 10
"""So many may always go, as long as something is left."""


async def check_mounted(database: Database, record: SourceRecord, listing: Listing, *, known: int) -> None:
    """Refuse to conclude from an empty mount point that all files were deleted."""
    if listing.device is None or listing.device == record.device:
        return
    if known and record.device is not None and listing.is_bare:
        raise SourceUnavailableError(
            f"'{record.location}' is empty and lies on another file system than before: it looks like a mount point "
            f"whose mount is away. Its {known:,} documents stay as they are. Mount it, or remove the source "
            f"(footnote sources remove {record.id}) if they should go."
        )
    if listing.files:
        await note_device(database, record.id, listing.device)


def check_removals(record: SourceRecord, listing: Listing, plan: RefreshPlan, *, known: int) -> None:
    """Refuse to conclude from a list that has shrunk all at once that so much was deleted. Folders are believed."""
    gone = len(plan.removed)
    if not gone or listing.max_removed_share >= 1.0:
        return
    if gone == known or (gone > _FEW and gone > listing.max_removed_share * known):
        raise SourceUnavailableError(
            f"'{record.location}' no longer has {gone:,} of the {known:,} documents that are indexed from it, which "
            "looks like a fault at its end. Nothing was changed. If they should go, refresh it with "
            "FOOTNOTE_SOURCES__MAX_REMOVED_SHARE=1 set (sources.max_removed_share), or remove the source "
            f"(footnote sources remove {record.id})."
        )
