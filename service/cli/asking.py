"""`footnote search` and `footnote ask`."""

from __future__ import annotations

from typing import Annotated

import typer

from generation.answers import Answer
from retrieval.records import Hit
from service.cli.display import print_json, show_answer, show_hits
from service.cli.options import CollectionOption, JsonOption, scope_of, with_footnote
from service.shapes import hit_as_json
from service.wiring import DEFAULT_K, Footnote

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
    as_principals: AsOption = None,
    as_json: JsonOption = False,
) -> int:
    """Find the passages that bear on a question."""
    scope = scope_of(as_principals)

    async def run(footnote: Footnote) -> list[Hit]:
        return await footnote.search(collection, query, k=k, scope=scope)

    hits = with_footnote(run)
    if as_json:
        print_json({"hits": [hit_as_json(hit) for hit in hits]})
    else:
        show_hits(hits)
    return 0


def ask(
    question: Annotated[str, typer.Argument(help="The question.")],
    collection: CollectionOption = "default",
    k: Annotated[int, typer.Option("-k", help="How many passages to answer from.")] = DEFAULT_K,
    as_principals: AsOption = None,
    as_json: JsonOption = False,
) -> int:
    """Answer a question, every sentence with its footnote, or say that the sources do not answer it."""
    scope = scope_of(as_principals)

    async def run(footnote: Footnote) -> Answer:
        return await footnote.ask(collection, question, k=k, scope=scope)

    answer = with_footnote(run)
    if as_json:
        print_json(answer.as_json())
    else:
        show_answer(answer)
    return 0
