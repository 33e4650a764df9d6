"""Options that several commands share, and how a command gets at the built service."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Annotated, Any, TypeVar

import typer

from retrieval.database import Database
from retrieval.errors import InvalidRequestError
from retrieval.metadata import check_metadata
from retrieval.records import PUBLIC, Scope
from service.cli.display import note
from service.footnote import Footnote
from service.intake import Intake
from service.settings import Settings, load_settings
from service.wiring import open_database, open_footnote, open_intake

T = TypeVar("T")

CollectionOption = Annotated[str, typer.Option("--collection", help="The collection.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]
MetadataOption = Annotated[
    list[str] | None,
    typer.Option(
        "--meta",
        metavar="NAME=VALUE",
        help="What to say of all documents of the source, for searches to be narrowed down by, as in team=hr; it "
        "takes the place of what was said before. Repeatable.",
    ),
]
NoMetadataOption = Annotated[bool, typer.Option("--no-meta", help="Forget what was said with --meta before.")]

EmbedderOption = Annotated[
    str | None,
    typer.Option(
        "--embedder", metavar="KIND", help="onnx, sentence_transformer or remote; else the configured one."
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option("--model", help="The embedder's model: a folder, or its name at the hub or at the server."),
]


def run_until_done(work: Coroutine[Any, Any, T]) -> T:
    """Run the work. SIGTERM ends it as Ctrl-C does, so that what it has started is stopped."""

    async def run() -> T:
        task = asyncio.current_task()
        assert task is not None, "asyncio.run makes a task"
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        return await work

    return asyncio.run(run())


def with_intake(work: Callable[[Intake], Awaitable[T]], *, settings: Settings | None = None) -> T:
    """Run `work` with what ingestion needs, under the configured settings where no others are given.

    The process gives way to others: what is done to the index can wait, and questions cannot.
    """

    async def run() -> T:
        chosen = settings or load_settings()
        async with open_intake(chosen, report=note, nice=chosen.ingest.nice) as intake:
            return await work(intake)

    return run_until_done(run())


def with_footnote(work: Callable[[Footnote], Awaitable[T]]) -> T:
    """Run `work` with the whole service."""

    async def run() -> T:
        async with open_footnote(load_settings(), report=note) as footnote:
            return await work(footnote)

    return run_until_done(run())


def with_database(work: Callable[[Database], Awaitable[T]]) -> T:
    """Run `work` with the database alone: quicker, no models are loaded."""

    async def run() -> T:
        async with open_database(load_settings(), report=note) as database:
            return await work(database)

    return run_until_done(run())


def parse_principals(text: str | None) -> list[str] | None:
    """ "user:ann,group:hr" as a list; None stays None. Raises `InvalidRequestError`."""
    if text is None:
        return None
    principals = [part.strip() for part in text.split(",") if part.strip()]
    for principal in principals:
        kind, _, name = principal.partition(":")
        if principal != PUBLIC and (kind not in {"user", "group"} or not name or not principal.isprintable()):
            raise InvalidRequestError(
                f"{principal[:80]!r} is not a reader. Write user:NAME, group:NAME or public, separated by commas."
            )
    if not principals:
        raise InvalidRequestError("the list of readers is empty. Write user:NAME, group:NAME or public.")
    return principals


def parse_metadata(pairs: Sequence[str] | None) -> dict[str, str] | None:
    """["team=hr", …] as a mapping; none given stays None. Raises `InvalidRequestError`."""
    if not pairs:
        return None
    metadata: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InvalidRequestError(f"{pair[:80]!r} is not metadata. Write NAME=VALUE, as in team=hr.")
        if name in metadata:
            raise InvalidRequestError(f"the metadata {name[:80]!r} are given twice: a name has one value.")
        metadata[name] = value
    check_metadata(metadata)
    return metadata


def metadata_said(pairs: Sequence[str] | None, *, forget: bool) -> dict[str, str] | None:
    """What --meta and --no-meta say of a source; None where they keep what was said before."""
    said = parse_metadata(pairs)
    if forget and said is not None:
        raise InvalidRequestError(
            "--meta replaces what was said before and --no-meta forgets it: give one of them."
        )
    return {} if forget else said


def show_metadata(metadata: Mapping[str, str]) -> str:
    """ "team=hr, year=2026", in the order of the names."""
    return ", ".join(f"{name}={value}" for name, value in sorted(metadata.items()))


def scope_of(as_principals: str | None) -> Scope:
    """Whose eyes to look with; without `--as` the operator's, which see all."""
    principals = parse_principals(as_principals)
    return Scope.everything() if principals is None else Scope.of(principals)
