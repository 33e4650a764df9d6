"""Sources as admins see to them over HTTP: only places that the settings allow, and one refresh at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit
from uuid import UUID

from psycopg.types.json import Jsonb

from ingest.catalog import (
    SourceState,
    find_source,
    list_sources,
    set_schedule,
    want_refresh,
)
from ingest.errors import SourceUnavailableError
from ingest.sources.patterns import Patterns
from retrieval.database import Database, query
from retrieval.documents import seen_by
from retrieval.errors import ExtraMissingError, InvalidRequestError, NotFoundError
from retrieval.metadata import check_metadata
from retrieval.records import Scope
from service.collections import AlreadyThereError, StillInUseError
from service.ingestion import forget_source
from service.intake import Intake
from service.places import Place, Remote, read_place
from service.schedule import next_due
from service.settings import Settings
from service.targets import SourceRules, register_source
from service.uploads import uploads_folder
from service.webhooks.delivering import subscribe

Standing = Literal["running", "due", "idle"]
_MOST_SOURCES = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceDraft:
    """A place that is to be a source. `readers` None: as the settings say; `notify_url` was checked."""

    location: Place
    collection: str
    schedule: str | None
    include: Sequence[str] | None
    exclude: Sequence[str] | None
    readers: Sequence[str] | None
    metadata: Mapping[str, str] | None
    notify_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceChanges:
    """What is to be another way with a source; None keeps it. `schedule` counts where `reschedule` says so, and
    `notify_url`, which was checked, where `resubscribe` does."""

    reschedule: bool = False
    schedule: str | None = None
    resubscribe: bool = False
    notify_url: str | None = None
    include: Sequence[str] | None = None
    exclude: Sequence[str] | None = None
    readers: Sequence[str] | None = None
    metadata: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EditorsSource:
    """A source as an editor may know of it: `documents` are those that they may read. What its runs did counts others,
    too, so it is told where they see all of them."""

    state: SourceState
    sees_all: bool


async def visible_sources(
    database: Database, *, collection: str | None, scope: Scope, after: tuple[str, UUID] | None, limit: int
) -> list[SourceState]:
    """Up to `limit` sources after one, by `place_of`; of the collections that exist for the caller."""
    states = [
        state
        for state in await list_sources(database, collection=collection)
        if scope.has_collection(state.collection)
    ]
    states.sort(key=place_of)
    return [state for state in states if after is None or place_of(state) > after][:limit]


async def editable_sources(
    database: Database, *, collection: str | None, scope: Scope, after: tuple[str, UUID] | None, limit: int
) -> list[EditorsSource]:
    """The same of those that an editor may have refreshed, of which they see anything; by `named_place_of`."""
    states = await visible_sources(
        database, collection=collection, scope=scope, after=None, limit=_MOST_SOURCES
    )
    readable = await _readable(database, [state.source.id for state in states], scope)
    shown = [state for state in states if state.source.id in readable or _is_reader(state, scope)]
    shown.sort(key=named_place_of)
    page = [state for state in shown if after is None or named_place_of(state) > after][:limit]
    return [_as_editor(state, readable.get(state.source.id, 0)) for state in page]


async def editable_source(database: Database, source_id: UUID, *, scope: Scope) -> EditorsSource:
    """The source of that id, if an editor may have it refreshed. Raises `NotFoundError`."""
    state = await visible_source(database, source_id, scope=scope)
    readable = await _readable(database, [source_id], scope)
    if source_id not in readable and not _is_reader(state, scope):
        raise _unknown(source_id)
    return _as_editor(state, readable.get(source_id, 0))


async def _readable(database: Database, source_ids: Sequence[UUID], scope: Scope) -> dict[UUID, int]:
    """How many documents of each source someone may read, in the index or removed: of those with any."""
    rows = await database.fetch_all(
        query("catalog.count_readable"), {"source_ids": list(source_ids), **seen_by(scope)}
    )
    return {row["source_id"]: row["documents"] for row in rows}


def _as_editor(state: SourceState, readable: int) -> EditorsSource:
    return EditorsSource(
        state=replace(state, documents=readable), sees_all=readable == state.documents and readable > 0
    )


def name_of(state: SourceState) -> str:
    """What a source is called where its place is not to be told."""
    if state.upload_layer is not None:
        return "uploads"
    location = state.source.location
    path = location if state.source.kind == "folder" else urlsplit(location).path
    return path.rstrip("/").rpartition("/")[2] or state.source.kind


def standing_of(state: SourceState, *, now: datetime) -> Standing:
    """Whether a source is being refreshed, waits for it, or neither."""
    if state.running:
        return "running"
    return "due" if state.next_due is not None and state.next_due <= now else "idle"


def place_of(state: SourceState) -> tuple[str, UUID]:
    """Where a source stands in the list of all."""
    return f"{state.collection} {state.source.location}", state.source.id


def named_place_of(state: SourceState) -> tuple[str, UUID]:
    """Where a source stands in the list of an editor, who is not told where its folder is."""
    return f"{state.collection} {name_of(state)}", state.source.id


async def visible_source(database: Database, source_id: UUID, *, scope: Scope) -> SourceState:
    """The source of that id, if its collection exists for the caller. Raises `NotFoundError`."""
    state = await find_source(database, source_id)
    if not scope.has_collection(state.collection):
        raise _unknown(source_id)
    return state


def _unknown(source_id: UUID) -> NotFoundError:
    return NotFoundError(f"there is no source {source_id}. `footnote sources list` shows them all.")


async def add_source(intake: Intake, draft: SourceDraft, *, scope: Scope) -> UUID:
    """Make a place a source, due at once where it has a schedule.

    Raises `InvalidRequestError`, `AlreadyThereError`.
    """
    if not scope.has_collection(draft.collection):
        raise InvalidRequestError(f"no collection {draft.collection!r} exists for this key.")
    location = await asyncio.to_thread(_allowed, draft.location, intake.settings)
    if draft.schedule is not None:
        next_due(draft.schedule, after=datetime.now(UTC))
    for state in await list_sources(intake.database, collection=draft.collection):
        if state.source.location == str(location):
            raise AlreadyThereError(
                f"'{location}' is a source of collection '{draft.collection}' already, {state.source.id}. "
                "To change it, PATCH it."
            )
    rules = SourceRules(
        include=draft.include, exclude=draft.exclude, readers=draft.readers, metadata=draft.metadata
    )
    try:
        source = await register_source(intake, location, collection=draft.collection, rules=rules)
    except (SourceUnavailableError, ExtraMissingError) as exc:
        raise InvalidRequestError(str(exc)) from exc
    due = None if draft.schedule is None else datetime.now(UTC)
    await set_schedule(intake.database, source.id, schedule=draft.schedule, next_due=due)
    if draft.notify_url is not None:
        await subscribe(intake.database, source.id, draft.notify_url)
    return source.id


def _allowed(place: Place, settings: Settings) -> Place:
    """A place, or where a path leads, links followed, if sources may be added there over HTTP."""
    return (
        _allowed_address(place, settings) if isinstance(place, Remote) else _allowed_folder(place, settings)
    )


def _allowed_address(place: Remote, settings: Settings) -> Remote:
    for written in settings.sources.allowed_urls:
        allowed = read_place(written)
        if isinstance(allowed, Remote) and allowed.covers(place):
            return place
    raise InvalidRequestError(
        "the address is not at or below one of those that may be added over HTTP, which the setting "
        "sources.allowed_urls (FOOTNOTE_SOURCES__ALLOWED_URLS) names. An operator can add it with: "
        "footnote sources add URL"
    )


def _allowed_folder(location: Path, settings: Settings) -> Path:
    roots = [root.resolve() for root in settings.sources.allowed_roots]
    if not roots:
        raise InvalidRequestError(
            "no folder may be added over HTTP: the setting sources.allowed_roots (FOOTNOTE_SOURCES__ALLOWED_ROOTS) "
            "names none. An operator can add it with: footnote sources add PATH"
        )
    try:
        led_to = location.resolve()
    except (OSError, RuntimeError):  # a link that leads to itself
        led_to = location
    if not any(led_to.is_relative_to(root) for root in roots):
        raise InvalidRequestError(
            "the folder is not at or below one of those that may be added over HTTP, which the setting "
            "sources.allowed_roots (FOOTNOTE_SOURCES__ALLOWED_ROOTS) names."
        )
    uploads = uploads_folder(settings).resolve()
    if led_to.is_relative_to(uploads) or uploads.is_relative_to(led_to):
        raise InvalidRequestError("the folder holds uploads, which are taken in already.")
    return led_to


async def change_source(database: Database, state: SourceState, changes: SourceChanges) -> None:
    """Change a source; what reaches its documents does so when it is refreshed next. Raises `InvalidRequestError`, and
    `NotFoundError` for one that has been removed since."""
    source = state.source
    if state.upload_layer is not None and changes != SourceChanges(
        reschedule=changes.reschedule,
        schedule=changes.schedule,
        resubscribe=changes.resubscribe,
        notify_url=changes.notify_url,
    ):
        raise InvalidRequestError(
            "of the folder of a collection's uploads only schedule and notify_url can be changed. What is said of its "
            "documents is said of each: PATCH /v1/documents/{id}."
        )
    due = None
    if changes.schedule is not None:
        due = next_due(changes.schedule, after=datetime.now(UTC))
    Patterns(include=changes.include or (), exclude=changes.exclude or ())  # refuses one that is none
    check_metadata(changes.metadata or {})
    lists = {name: getattr(changes, name) for name in ("include", "exclude", "readers")}
    said = {name: None if value is None else list(value) for name, value in lists.items()}
    metadata = None if changes.metadata is None else Jsonb(dict(changes.metadata))
    parameters = {**said, "metadata": metadata, "source_id": source.id}
    if await database.fetch_one(query("catalog.change"), parameters) is None:
        raise _unknown(source.id)
    if changes.reschedule:
        await set_schedule(database, source.id, schedule=changes.schedule, next_due=due)
    if changes.resubscribe:
        await subscribe(database, source.id, changes.notify_url)


async def take_away(intake: Intake, state: SourceState) -> None:
    """Forget a source with its documents. Raises `StillInUseError`."""
    if state.upload_layer is not None:
        raise StillInUseError(
            "the folder of a collection's uploads goes with the collection. Its documents can be deleted one by one: "
            "DELETE /v1/documents/{id}."
        )
    if state.running:
        raise StillInUseError("the source is being refreshed. Try again when that has ended.")
    await forget_source(intake, state)


async def refresh_soon(database: Database, source_id: UUID, *, scope: Scope, is_admin: bool) -> None:
    """Have a source refreshed as soon as a worker is free. Whoever is no admin has to see any of its documents, or
    those that come. Raises `NotFoundError`."""
    state = await visible_source(database, source_id, scope=scope)
    if not is_admin and not _is_reader(state, scope):
        seen = await database.fetch_one(
            query("catalog.has_readable"), {"source_id": source_id, **seen_by(scope)}
        )
        if seen is None:
            raise _unknown(source_id)
    await want_refresh(database, source_id)


def _is_reader(state: SourceState, scope: Scope) -> bool:
    return scope.principals is None or bool(scope.principals & set(state.source.readers))
