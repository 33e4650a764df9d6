"""Sources, with their last and their next run."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from pydantic import ConfigDict

from ingest.catalog import SourceState
from service.http.responses.body import Body, moment

_SOURCE: dict[str, Any] = {
    "id": "b7c5c9f0-33a1-4f0e-8e43-2d9d0f2b1c55",
    "collection": "handbook",
    "kind": "folder",
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
}


class SourceBody(Body):
    """A source with its last and its next run.

    `kind` is "folder", "s3" for a bucket, "web" for a list of files on the web, and "uploads" for the folder of a
    collection's uploads. `state`: "running", it is being refreshed; "due", it is to be as soon as a worker is free;
    "idle". `last_report` is what the last run did, `last_error` why it did nothing.
    `notify_url` is where runs are told.
    """

    model_config = ConfigDict(json_schema_extra={"examples": [_SOURCE]})

    id: UUID
    collection: str
    kind: Literal["folder", "s3", "web", "uploads"]
    location: str
    include: list[str]
    exclude: list[str]
    readers: list[str]
    metadata: dict[str, str]
    schedule: str | None
    notify_url: str | None
    state: Literal["running", "due", "idle"]
    documents: int
    next_due: datetime | None
    last_started: datetime | None
    last_finished: datetime | None
    last_report: dict[str, Any] | None
    last_error: str | None


def source_as_json(state: SourceState, *, now: datetime) -> dict[str, Any]:
    source = state.source
    is_due = state.next_due is not None and state.next_due <= now
    return {
        "id": str(source.id),
        "collection": state.collection,
        "kind": source.kind if state.upload_layer is None else "uploads",
        "location": source.location,
        "include": list(source.include),
        "exclude": list(source.exclude),
        "readers": list(source.readers),
        "metadata": dict(source.metadata),
        "schedule": source.schedule,
        "notify_url": state.notify_url,
        "state": "running" if state.running else "due" if is_due else "idle",
        "documents": state.documents,
        "next_due": moment(state.next_due),
        "last_started": moment(state.last_started),
        "last_finished": moment(state.last_finished),
        "last_report": state.last_report,
        "last_error": state.last_error,
    }


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
