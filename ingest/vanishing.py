"""Vanishing: whether what a source no longer holds may be believed to be gone, and taken out of the index."""

from __future__ import annotations

from collections.abc import Collection

from ingest.catalog import SourceRecord, note_device
from ingest.errors import SourceUnavailableError
from ingest.plan import RefreshPlan
from ingest.sources import Listing
from retrieval.database import Database

_FEW = 10
"""So many may always go, as long as something is left."""


async def check_mounted(
    database: Database, record: SourceRecord, listing: Listing, *, known: Collection[str]
) -> None:
    """Refuse to conclude from a mount point that all files were deleted. `known`: the paths of the documents."""
    if listing.device is None or listing.device == record.device:
        return
    if looks_unmounted(record, listing, known=known):
        raise SourceUnavailableError(
            f"'{record.location}' lies on another file system than before and has none of its {len(known):,} "
            "documents: it looks like a mount point whose mount is away. They stay as they are. Mount it, or remove "
            f"the source (footnote sources remove {record.id}) if they should go."
        )
    if listing.files:
        await note_device(database, record.id, listing.device)


def looks_unmounted(record: SourceRecord, listing: Listing, *, known: Collection[str]) -> bool:
    """Whether a folder lies elsewhere than before, with none of its documents: what else is in it may lie below the
    mount, to say that it is away."""
    lies_elsewhere = None is not listing.device != record.device is not None
    return bool(known) and lies_elsewhere and not any(found.path in known for found in listing.files)


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
