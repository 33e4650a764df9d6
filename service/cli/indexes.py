"""`footnote indexes`: which embedder made them, which one answers, going back to one, giving one up."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from retrieval.indexes import IndexRecord
from service.cli.display import count, note, print_json, show_table
from service.cli.options import EmbedderOption, JsonOption, ModelOption, run_until_done, with_intake
from service.cli.switching import tell_of_former, tell_progress, tell_to_set
from service.indexes import activate, changed_settings, count_vectors, drop
from service.settings import load_settings, with_embedder
from service.wiring import open_database

IndexArgument = Annotated[
    int, typer.Argument(metavar="ID", help="The index's id, as `indexes list` shows it.")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    indexes = typer.Typer(
        help="Indexes: which embedder made them, and which one answers.", no_args_is_help=True
    )
    indexes.command("list")(indexes_list)
    indexes.command("activate")(indexes_activate)
    indexes.command("drop")(indexes_drop)
    app.add_typer(indexes, name="indexes")


def indexes_list(
    collection: Annotated[
        str | None, typer.Option("--collection", help="One collection; else all of them.")
    ] = None,
    as_json: JsonOption = False,
) -> int:
    """All indexes: what made them, where they are, how large they are, and which ones answer."""
    settings = load_settings()

    async def run() -> list[tuple[IndexRecord, int | None]]:
        async with open_database(settings, report=note) as database:
            return await count_vectors(database, settings, collection=collection)

    found = run_until_done(run())
    if as_json:
        print_json({"indexes": [_record_as_json(record, vectors) for record, vectors in found]})
        return 0
    show_table(
        ("id", "collection", "state", "embedder", "store", "vectors", "size", "created"),
        (
            (
                record.index.id,
                record.collection.name,
                record.state,
                record.index.embedder,
                record.index.store,
                "?" if vectors is None else f"{vectors:,}",
                "?" if record.size_bytes is None else f"{record.size_bytes / 2**20:,.1f} MiB",
                f"{record.created_at:%Y-%m-%d %H:%M}",
            )
            for record, vectors in found
        ),
    )
    return 0


def _record_as_json(record: IndexRecord, vectors: int | None) -> dict[str, Any]:
    return {
        "id": record.index.id,
        "collection": record.collection.name,
        "state": record.state,
        "embedder": record.index.embedder,
        "store": record.index.store,
        "vectors": vectors,
        "size_bytes": record.size_bytes,
        "created_at": record.created_at,
    }


def indexes_activate(
    index_id: IndexArgument,
    embedder: EmbedderOption = None,
    model: ModelOption = None,
    as_json: JsonOption = False,
) -> int:
    """Let a former index answer again. It is given what was published since; searches go on throughout."""
    configured = load_settings()
    used = with_embedder(configured, kind=embedder, model=model)
    done = with_intake(
        lambda intake: activate(intake, index_id, progress=tell_progress(f"index {index_id}")), settings=used
    )
    changed = changed_settings(configured, used)
    if as_json:
        print_json(
            {
                "index": done.index.id,
                "former": None if done.former is None else done.former.id,
                "embedded": done.filled,
                "settings": changed,
            }
        )
    elif done.former is None:
        note(f"Index {index_id} answers already.")
    else:
        note(
            f"Index {index_id}, built with {done.index.embedder}, answers now; "
            f"{count(done.filled, 'chunk')} had to be embedded for it."
        )
        tell_of_former(done.former)
        tell_to_set(changed)
    return 0


def indexes_drop(index_id: IndexArgument, as_json: JsonOption = False) -> int:
    """Give up an index that does not answer, and its vectors with it."""
    settings = load_settings()

    async def run() -> IndexRecord:
        async with open_database(settings, report=note) as database:
            return await drop(database, settings, index_id)

    record = run_until_done(run())
    if as_json:
        print_json({"index": record.index.id, "collection": record.collection.name})
    else:
        note(f"Index {index_id} of '{record.collection.name}', built with {record.index.embedder}, is gone.")
    return 0
