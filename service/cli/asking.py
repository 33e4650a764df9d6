"""`footnote search` and `footnote ask`."""

from __future__ import annotations

from contextlib import aclosing
from typing import Annotated

import typer

from generation.answer import whole
from generation.answers import Answer
from service.asking import DEFAULT_K
from service.cli.answer_display import show_answer, show_as_told
from service.cli.display import print_json, show_found, stdout
from service.cli.narrowing import (
    MaxPerDocumentOption,
    MetaOption,
    PathsOption,
    SinceOption,
    TypesOption,
    UntilOption,
    filters_of,
)
from service.cli.options import CollectionOption, JsonOption, scope_of, with_footnote
from service.footnote import Footnote, Found
from service.shapes import found_as_json
from service.specs import passage_policy

AsOption = Annotated[
    str | None,
    typer.Option("--as", help="See only what these may see, e.g. user:ann,group:hr; without it, all."),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("search")(search)
    app.command("ask")(ask)


def search(
    query: Annotated[str, typer.Argument(help="What to look for.")],
    collection: CollectionOption = "default",
    k: Annotated[int, typer.Option("-k", help="How many passages.")] = 10,
    paths: PathsOption = None,
    types: TypesOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    meta: MetaOption = None,
    max_per_document: MaxPerDocumentOption = None,
    merge: Annotated[
        bool, typer.Option("--merge", help="Join passages that follow one another in a text.")
    ] = False,
    as_principals: AsOption = None,
    as_json: JsonOption = False,
) -> int:
    """Find the passages that bear on a question."""
    scope = scope_of(as_principals)
    filters = filters_of(paths, types, since, until, meta)

    async def run(footnote: Footnote) -> Found:
        passages = passage_policy(footnote.settings, max_per_document=max_per_document, merge=merge)
        return await footnote.search(collection, query, k=k, scope=scope, filters=filters, passages=passages)

    found = with_footnote(run)
    if as_json:
        print_json(found_as_json(found))
    else:
        show_found(found)
    return 0


def ask(
    question: Annotated[str, typer.Argument(help="The question.")],
    collection: CollectionOption = "default",
    k: Annotated[int, typer.Option("-k", help="How many passages to answer from.")] = DEFAULT_K,
    paths: PathsOption = None,
    types: TypesOption = None,
    since: SinceOption = None,
    until: UntilOption = None,
    meta: MetaOption = None,
    max_per_document: MaxPerDocumentOption = None,
    as_principals: AsOption = None,
    as_json: JsonOption = False,
) -> int:
    """Answer a question, every sentence with its footnote, or say that the sources do not answer it."""
    scope = scope_of(as_principals)
    filters = filters_of(paths, types, since, until, meta)

    async def run(footnote: Footnote) -> Answer | None:
        """The answer; None where it has been shown, sentence by sentence."""
        passages = passage_policy(footnote.settings, max_per_document=max_per_document)
        prepared = await footnote.prepare(
            collection, question, k=k, scope=scope, filters=filters, passages=passages
        )
        async with aclosing(footnote.answer(prepared)) as events:
            if as_json or footnote.llm is None or not stdout().is_terminal:
                return await whole(events)
            await show_as_told(events)
            return None

    answer = with_footnote(run)
    if answer is not None:
        print_json(answer.as_json()) if as_json else show_answer(answer)
    return 0
