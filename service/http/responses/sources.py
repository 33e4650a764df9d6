"""Sources, with their last and their next run."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import ConfigDict

from ingest.catalog import SourceState
from service.http.responses.body import Body, moment
from service.managed_sources import EditorsSource, name_of, standing_of

_SOURCE: dict[str, Any] = {
    "id": "b7c5c9f0-33a1-4f0e-8e43-2d9d0f2b1c55",
    "collection": "handbook",
    "kind": "folder",
    "name": "handbook",
    "location": "/srv/handbook",
    "include": [],
    "exclude": ["drafts/"],
    "readers": ["group:staff"],
    "metadata": {"team": "hr"},
    "schedule": "*/15 * * * *",
    "notify_url": None,
    "state": "idle",
    "documents": 130,
    "next_due": "2026-01-31T09:45:00+00:00",
    "last_started": "2026-01-31T09:30:00+00:00",
    "last_finished": "2026-01-31T09:30:02+00:00",
    "last_report": {"added": 1, "updated": 0, "removed": 0, "unchanged": 129, "skipped": [], "failed": []},
    "last_error": None,
    "progress": None,
}
_EDITORS_SOURCE: dict[str, Any] = {
    **_SOURCE,
    "location": None,
    "include": None,
    "exclude": None,
    "readers": None,
    "metadata": None,
    "notify_url": None,
    "state": "running",
    "last_report": {"added": 1, "updated": 0, "removed": 0, "unchanged": 129, "skipped": 0, "failed": 0},
    "progress": {"files": 12, "done": 4, "failed": 0},
}
_FAILED_RUN = "the last run did nothing; whoever administers the service sees why."


class ProgressBody(Body):
    """How far a run is: `files` to go through, of which `done`, of which `failed`."""

    files: int
    done: int
    failed: int


class SourceBody(Body):
    """A source with its last and its next run.

    `kind` is "folder", "s3" for a bucket, "web" for a list of files on the web, and "uploads" for the folder of a
    collection's uploads. `state`: "running", it is being refreshed; "due", it is to be as soon as a worker is free;
    "idle". `last_report` is what the last run did, `last_error` why it did nothing; `progress` is there while one runs
    that has found out how much there is to do. `notify_url` is where runs are told.

    For editors `location`, `include`, `exclude`, `readers`, `metadata` and `notify_url` are null, `documents` counts
    those that they may read, `last_report` has numbers where it has lists of files, and is null, as is `progress`,
    unless they may read all of the source's documents.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_SOURCE, _EDITORS_SOURCE]})

    id: UUID
    collection: str
    kind: Literal["folder", "s3", "web", "uploads"]
    name: str
    location: str | None
    include: list[str] | None
    exclude: list[str] | None
    readers: list[str] | None
    metadata: dict[str, str] | None
    schedule: str | None
    notify_url: str | None
    state: Literal["running", "due", "idle"]
    documents: int
    next_due: datetime | None
    last_started: datetime | None
    last_finished: datetime | None
    last_report: dict[str, Any] | None
    last_error: str | None
    progress: ProgressBody | None


def source_as_json(state: SourceState, *, now: datetime) -> dict[str, Any]:
    source = state.source
    return {
        "id": str(source.id),
        "collection": state.collection,
        "kind": source.kind if state.upload_layer is None else "uploads",
        "name": name_of(state),
        "location": source.location,
        "include": list(source.include),
        "exclude": list(source.exclude),
        "readers": list(source.readers),
        "metadata": dict(source.metadata),
        "schedule": source.schedule,
        "notify_url": state.notify_url,
        "state": standing_of(state, now=now),
        "documents": state.documents,
        "next_due": moment(state.next_due),
        "last_started": moment(state.last_started),
        "last_finished": moment(state.last_finished),
        "last_report": state.last_report,
        "last_error": state.last_error,
        "progress": state.progress,
    }


def editors_source_as_json(source: EditorsSource, *, now: datetime) -> dict[str, Any]:
    """The same as an editor may know of it."""
    state = source.state
    report = state.last_report if source.sees_all else None
    return {
        **source_as_json(state, now=now),
        **dict.fromkeys(("location", "include", "exclude", "readers", "metadata", "notify_url")),
        "last_report": None if report is None else {**report, **_counts(report)},
        "last_error": None if state.last_error is None else _FAILED_RUN,
        "progress": state.progress if source.sees_all else None,
    }


def _counts(report: Mapping[str, Any]) -> dict[str, int]:
    return {name: len(report[name]) for name in ("skipped", "failed") if name in report}


class SourcesBody(Body):
    """A page of sources, by collection and location."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"sources": [_SOURCE], "next": None}]})

    sources: list[SourceBody]
    next: str | None


class WantedBody(Body):
    """A source is due: a worker refreshes it as soon as one is free."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"id": _SOURCE["id"], "state": "due"}]})

    id: UUID
    state: Literal["due"]
