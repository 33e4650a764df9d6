"""What a run did, and how it tells of it while it runs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from ingest.sources import Skipped

Fate = Literal["added", "updated", "renamed", "unchanged", "skipped", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A file that could not be ingested."""

    path: str
    error: str
    retryable: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a plan would do, path by path; `renamed` holds (old, new) pairs."""

    added: Sequence[str] = ()
    updated: Sequence[str] = ()
    renamed: Sequence[tuple[str, str]] = ()
    removed: Sequence[str] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "added": list(self.added),
            "updated": list(self.updated),
            "renamed": [{"from": before, "to": after} for before, after in self.renamed],
            "removed": list(self.removed),
        }


@dataclass(slots=True, kw_only=True)
class RefreshReport:
    """What a run did; grows while it runs. `manifest` is there for a plan that was not carried out."""

    added: int = 0
    updated: int = 0
    renamed: int = 0
    removed: int = 0
    unchanged: int = 0
    chunks: int = 0
    seconds: float = 0.0
    skipped: list[Skipped] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)
    manifest: Manifest | None = None

    def as_json(self) -> dict[str, Any]:
        """The report in the form of `footnote ingest --json`."""
        return {
            "added": self.added,
            "updated": self.updated,
            "renamed": self.renamed,
            "removed": self.removed,
            "unchanged": self.unchanged,
            "skipped": [{"path": entry.path, "reason": entry.reason} for entry in self.skipped],
            "failed": [
                {"path": entry.path, "error": entry.error, "retryable": entry.retryable}
                for entry in self.failed
            ],
            "chunks": self.chunks,
            "seconds": round(self.seconds, 3),
        } | ({} if self.manifest is None else {"plan": self.manifest.as_json()})


class Progress(Protocol):
    """Is told how a run goes on."""

    def planned(self, *, files: int) -> None: ...

    def finished(self, path: str, fate: Fate, chunks: int) -> None: ...


def add_up(reports: Collection[RefreshReport]) -> RefreshReport:
    """The sum of several reports."""
    total = RefreshReport()
    manifests = [report.manifest for report in reports if report.manifest is not None]
    for report in reports:
        total.added += report.added
        total.updated += report.updated
        total.renamed += report.renamed
        total.removed += report.removed
        total.unchanged += report.unchanged
        total.chunks += report.chunks
        total.seconds += report.seconds
        total.skipped += report.skipped
        total.failed += report.failed
    if manifests:
        total.manifest = Manifest(
            added=[path for manifest in manifests for path in manifest.added],
            updated=[path for manifest in manifests for path in manifest.updated],
            renamed=[pair for manifest in manifests for pair in manifest.renamed],
            removed=[path for manifest in manifests for path in manifest.removed],
        )
    return total
