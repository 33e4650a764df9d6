"""Conditions: what Qdrant can be told of a selection. Postgres has the last word on what it finds.

The readers of a document are copied into its points and kept in step (`retrieval/readers.py`). Nothing else is: what
paths, media types, times and metadata say is looked up in Postgres, and handed over as the documents that fit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

from qdrant_client import models

from retrieval.database import Connection
from retrieval.filters import NO_FILTERS, Selection
from retrieval.stores import Index
from retrieval.visible import visible_documents


def has_id(chunk_ids: Sequence[int]) -> models.Filter:
    """These chunks."""
    return models.Filter(must=[models.HasIdCondition(has_id=list(chunk_ids))])


def of_documents(document_ids: Iterable[UUID]) -> models.Filter:
    """The chunks of these documents."""
    wanted = models.MatchAny(any=sorted(str(document_id) for document_id in document_ids))
    return models.Filter(must=[models.FieldCondition(key="document_id", match=wanted)])


async def pushed_down(
    connection: Connection, index: Index, selection: Selection, *, most_documents: int
) -> models.Filter | None:
    """A condition that every chunk of the selection fulfils, and as few others as can be said; None where all do.

    `most_documents`: of so many documents the ids are sent at most. Of more, only what their readers say.
    """
    if selection.filters != NO_FILTERS:
        fitting = await visible_documents(connection, index.collection_id, selection, most=most_documents)
        if fitting is not None:
            return of_documents(fitting)
    if selection.scope.principals is None:
        return None
    may_read = models.MatchAny(any=sorted(selection.scope.principals))
    return models.Filter(must=[models.FieldCondition(key="readers", match=may_read)])
