"""Which source a place stands for.

A path is a source of its own, a part of one that is registered, or a folder around some: those it takes over. A
bucket's prefix, or a list on the web, is a source of its own.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

from ingest.catalog import (
    KnownDocument,
    SourceRecord,
    SourceState,
    ensure_source,
    known_documents,
    list_sources,
)
from ingest.errors import SourceUnavailableError
from ingest.sources import load_source
from retrieval.collections import check_collection_name, ensure_collection
from retrieval.database import Database
from retrieval.errors import InvalidRequestError
from service.intake import Intake
from service.places import Place, Remote
from service.settings import Settings

_NOT_REGISTERED = 0
"""The collection of a source that has none yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceRules:
    """What a caller says about a source; None keeps what was said before."""

    include: Sequence[str] | None = None
    exclude: Sequence[str] | None = None
    readers: Sequence[str] | None = None
    metadata: Mapping[str, str] | None = None

    @property
    def given(self) -> bool:
        return (self.include, self.exclude, self.readers, self.metadata) != (None,) * 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A source, and the part of it that is meant. `within`: sources inside of it that it takes over."""

    source: SourceRecord
    below: str = ""
    within: tuple[SourceState, ...] = ()


async def register_source(
    intake: Intake, place: Place, *, collection: str, rules: SourceRules
) -> SourceRecord:
    """Register a place as a source, without reading it yet. Raises `SourceUnavailableError`, `InvalidRequestError`."""
    target = await find_or_register(intake, place, collection=collection, rules=rules)
    if target.below:
        raise InvalidRequestError(
            f"'{place}' lies inside the source '{target.source.location}', which brings its files in already."
        )
    return target.source


async def find_or_register(intake: Intake, place: Place, *, collection: str, rules: SourceRules) -> Target:
    """The source that a place stands for, registered where it is new. Raises `InvalidRequestError`, and
    `SourceUnavailableError` where nothing is there."""
    database, settings = intake.database, intake.settings
    known = await _find(database, settings, place, collection=collection, rules=rules)
    if known.below:
        return known
    location = known.source.location
    is_registered = known.source.collection_id != _NOT_REGISTERED
    if isinstance(place, Path) and not is_registered and not await asyncio.to_thread(Path(location).exists):
        raise _missing(place)
    load_source(_with_rules(known.source, rules).spec)  # refuses a pattern that is none
    source = await ensure_source(
        database,
        await ensure_collection(database, collection),
        location,
        kind=known.source.kind,
        include=rules.include,
        exclude=rules.exclude,
        readers=rules.readers,
        metadata=rules.metadata,
        default_readers=settings.ingest.readers,
        taking_over=[
            (inner.source.id, await asyncio.to_thread(_prefix, inner.source, Path(location)))
            for inner in known.within
        ],
    )
    return Target(source=source)


async def find_planned(
    database: Database, settings: Settings, place: Place, *, collection: str, rules: SourceRules
) -> tuple[Target, dict[str, KnownDocument]]:
    """The source that a place would stand for, and the documents of others that it would take over, by new path."""
    target = await _find(database, settings, place, collection=collection, rules=rules)
    adopted: dict[str, KnownDocument] = {}
    for inner in target.within:
        below = await asyncio.to_thread(_prefix, inner.source, Path(target.source.location))
        for document in (await known_documents(database, inner.source.id)).values():
            adopted[below + document.path] = replace(document, path=below + document.path)
    if not target.below:
        target = replace(target, source=_with_rules(target.source, rules))
    return target, adopted


async def _find(
    database: Database, settings: Settings, place: Place, *, collection: str, rules: SourceRules
) -> Target:
    """The registered source that a place is, or lies inside of; else one that is not registered yet.

    Two sources that overlap would bring the same file in twice, and answers would cite it twice. A folder takes over
    the sources inside of it, unless they have rules of their own.
    """
    check_collection_name(collection)
    states = await list_sources(database, collection=collection)
    if isinstance(place, Remote):
        return Target(source=_find_remote(states, place, rules, settings))
    location = _absolute(place)
    within = []
    for state in states:
        if state.source.kind != "folder":
            continue
        known = Path(state.source.location)
        if location == known:
            return Target(source=state.source)
        if location.is_relative_to(known):
            if rules.given:
                raise InvalidRequestError(
                    f"'{location}' lies inside the source '{known}' of collection '{collection}'. "
                    f"Rules, readers and metadata are those of the whole source: footnote ingest '{known}' …"
                )
            return Target(source=state.source, below=location.relative_to(known).as_posix())
        if known.is_relative_to(location):
            within.append(state)
    fresh = _unregistered(location, rules, settings)
    for state in within:
        _check_can_be_taken_over(state, fresh, collection)
    return Target(source=fresh, within=tuple(within))


def _find_remote(
    states: Sequence[SourceState], place: Remote, rules: SourceRules, settings: Settings
) -> SourceRecord:
    """The registered source at an address, else one that is not registered yet."""
    for state in states:
        source = state.source
        if source.kind != place.kind:
            continue
        if source.location == place.location:
            return source
        known = Remote(kind=place.kind, location=source.location)
        if place.kind == "s3" and (known.covers(place) or place.covers(known)):
            raise InvalidRequestError(
                f"'{place}' overlaps the source '{known}' of collection '{state.collection}': files of both would be "
                f"taken in twice. Remove that one first (footnote sources remove {source.id}) or use another "
                "collection (--collection)."
            )
    return _unregistered(place, rules, settings)


def _check_can_be_taken_over(inner: SourceState, outer: SourceRecord, collection: str) -> None:
    source = inner.source
    own = {
        "a schedule": source.schedule is not None,
        "rules of what to take in": bool(source.include or source.exclude),
        "readers": set(source.readers) != set(outer.readers),
        "metadata": source.metadata not in ({}, outer.metadata),
    }
    if any(own.values()):
        what = " and ".join(name for name, is_own in own.items() if is_own)
        raise InvalidRequestError(
            f"'{outer.location}' lies around the source '{source.location}' of collection '{collection}', which has "
            f"{what} of its own. Remove that one first (footnote sources remove {source.id}) or use another collection "
            "(--collection)."
        )


def _prefix(inner: SourceRecord, outer: Path) -> str:
    """What goes before the path of a document when a folder around its source takes it over."""
    location = Path(inner.location)
    # The path of a source that is one file is that file's name.
    below = location.parent if location.is_file() else location
    relative = below.relative_to(outer).as_posix()
    return "" if relative == "." else f"{relative}/"


def _missing(path: Path) -> SourceUnavailableError:
    shown = os.fsencode(path).decode("utf-8", "backslashreplace")
    return SourceUnavailableError(f"'{shown}' does not exist. Nothing was changed in the index.")


def _absolute(path: Path) -> Path:
    # resolve() would follow links; Path.expanduser fails where there is no such user.
    location = Path(os.path.abspath(os.path.expanduser(path)))  # noqa: PTH100, PTH111
    try:
        str(location).encode("utf-8")
    except UnicodeEncodeError as exc:
        shown = os.fsencode(location).decode("utf-8", "backslashreplace")
        raise InvalidRequestError(
            f"the name of '{shown}' is not valid UTF-8, so it cannot be a source. Give its parent folder instead."
        ) from exc
    return location


def _unregistered(place: Place, rules: SourceRules, settings: Settings) -> SourceRecord:
    return SourceRecord(
        id=uuid4(),
        collection_id=_NOT_REGISTERED,
        kind=place.kind if isinstance(place, Remote) else "folder",
        location=str(place),
        include=tuple(rules.include or ()),
        exclude=tuple(rules.exclude or ()),
        readers=tuple(rules.readers or settings.ingest.readers),
        schedule=None,
        metadata=dict(rules.metadata or {}),
    )


def _with_rules(source: SourceRecord, rules: SourceRules) -> SourceRecord:
    """The source as it would be registered under these rules."""
    return replace(
        source,
        include=source.include if rules.include is None else tuple(rules.include),
        exclude=source.exclude if rules.exclude is None else tuple(rules.exclude),
        readers=source.readers if rules.readers is None else tuple(rules.readers),
        metadata=source.metadata if rules.metadata is None else dict(rules.metadata),
    )
