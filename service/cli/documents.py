"""`footnote documents`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated
from uuid import UUID

import typer

from retrieval.collections import find_collection
from retrieval.database import Database
from retrieval.documents import find_document, find_revision, list_documents
from retrieval.records import Document, Revision, Scope
from service.cli.display import note, one_line, print_json, show_table
from service.cli.options import CollectionOption, JsonOption, show_metadata, with_database
from service.deleting import Deleted, delete_document
from service.settings import load_settings

_PAGE = 500
IdArgument = Annotated[
    UUID, typer.Argument(metavar="ID", help="The document's id, as `documents list` shows it.")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    commands = typer.Typer(help="What is in the index.", no_args_is_help=True)
    commands.command("list")(list_all)
    commands.command("show")(show)
    commands.command("text")(text)
    commands.command("delete")(delete)
    app.add_typer(commands, name="documents")


def list_all(collection: CollectionOption = "default", as_json: JsonOption = False) -> int:
    """All documents of a collection."""

    async def run(database: Database) -> list[Document]:
        await find_collection(database, collection)
        documents: list[Document] = []
        page = await list_documents(database, collection, scope=Scope.everything(), limit=_PAGE)
        while page:
            documents += page
            after = (page[-1].path, page[-1].id)
            page = await list_documents(
                database, collection, scope=Scope.everything(), after=after, limit=_PAGE
            )
        return documents

    documents = with_database(run)
    if as_json:
        print_json({"documents": [asdict(document) for document in documents]})
    else:
        show_table(
            ("id", "path", "revision", "chunks", "updated", "metadata"),
            (
                (
                    d.id,
                    one_line(d.path),
                    d.revision,
                    d.chunk_count,
                    f"{d.updated_at:%Y-%m-%d %H:%M}",
                    show_metadata(d.metadata),
                )
                for d in documents
            ),
        )
    return 0


def show(document_id: IdArgument, as_json: JsonOption = False) -> int:
    """One document: where it is, its revision, who may read it, its metadata."""

    async def run(database: Database) -> Document:
        return await find_document(database, document_id, scope=Scope.everything())

    document = asdict(with_database(run))
    if as_json:
        print_json(document)
    else:
        show_table(("field", "value"), (document | {"metadata": show_metadata(document["metadata"])}).items())
    return 0


def text(
    document_id: IdArgument,
    revision: Annotated[int | None, typer.Option(help="Which revision; the newest without it.")] = None,
) -> int:
    """Print a revision's text and nothing else: what citations count their characters in."""

    async def run(database: Database) -> Revision:
        return await find_revision(database, document_id, revision=revision, scope=Scope.everything())

    # Bytes, so that no terminal setting and no newline translation changes a character.
    sys.stdout.buffer.write(with_database(run).text.encode("utf-8"))
    sys.stdout.buffer.flush()
    return 0


def delete(
    document_id: IdArgument,
    keep_out: Annotated[
        bool, typer.Option("--keep-out", help="Exclude its file from its source from now on.")
    ] = False,
    as_json: JsonOption = False,
) -> int:
    """Delete a document from the index with all of its texts. Its file is left alone."""
    settings = load_settings()

    async def run(database: Database) -> Deleted:
        return await delete_document(database, settings, document_id, keep_out=keep_out)

    deleted = with_database(run)
    if as_json:
        print_json(
            {
                "id": deleted.document.id,
                "path": deleted.document.path,
                "comes_back": deleted.comes_back,
            }
        )
        return 0
    note(
        f"Deleted {one_line(deleted.document.path)} with all of its texts; citations to it are answered with 410."
    )
    if deleted.comes_back:
        note(
            f"Its file is still in {one_line(deleted.location)}, so the next refresh takes it in again as a new "
            "document: delete the file, or delete the document with --keep-out."
        )
    return 0
