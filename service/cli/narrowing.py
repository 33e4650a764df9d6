"""Options that narrow a search down: which documents it looks at, and how many passages of one are taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer

from retrieval.filters import Filters
from retrieval.search import MAX_K
from service.cli.options import parse_metadata
from service.moments import read_begin, read_end

PathsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--path",
        metavar="GLOB",
        help="Look only at paths that fit, as in 'docs/*.md' ('*' stands for slashes, too) or 'docs/'; repeatable.",
    ),
]
TypesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--type",
        metavar="MEDIA",
        help="Look only at documents of this type: text/markdown, text/*; repeatable.",
    ),
]
SinceOption = Annotated[
    str | None,
    typer.Option(
        metavar="DATE",
        help="Look only at files changed on this day or later, or since a time; UTC without a zone.",
    ),
]
UntilOption = Annotated[
    str | None,
    typer.Option(metavar="DATE", help="Look only at files changed on this day or earlier, or before a time."),
]
MetaOption = Annotated[
    list[str] | None,
    typer.Option(
        "--meta",
        metavar="NAME=VALUE",
        help="Look only at documents with these metadata, every one of them; repeatable.",
    ),
]
MaxPerDocumentOption = Annotated[
    int | None,
    typer.Option(
        min=1, max=MAX_K, help="Take so many passages of a document before all others have had their turn."
    ),
]


def filters_of(
    paths: Sequence[str] | None,
    types: Sequence[str] | None,
    since: str | None,
    until: str | None,
    meta: Sequence[str] | None,
) -> Filters:
    """The filters that a command line names. Raises `InvalidRequestError`."""
    return Filters(
        paths=tuple(paths or ()),
        media_types=tuple(types or ()),
        modified_from=None if since is None else read_begin(since),
        modified_before=None if until is None else read_end(until),
        metadata=parse_metadata(meta) or {},
    )
