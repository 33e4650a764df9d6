"""Granting: a source's documents get its readers, and no text is opened to anybody for whom it was not meant.

Whoever opens a folder to more readers has seen to its files first: mended them, taken some out. So what the index still
holds of a file as it was goes to nobody new. Its new revision has the new readers from the beginning.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from uuid import UUID

from ingest.catalog import SourceRecord, documents_with_other_readers
from retrieval.database import Database
from retrieval.readers import grant_readers
from retrieval.records import PUBLIC
from retrieval.stores import Index, VectorStore


async def grant(
    database: Database,
    store: VectorStore,
    index: Index,
    source: SourceRecord,
    *,
    outdated: Collection[UUID],
) -> None:
    """Give a source's documents their readers, one after the other: those that were said of one alone, else its.

    `outdated`: documents whose files are not, or may not be, as the index has them. They, and those that were removed,
    lose readers and gain none. So do all for which the source has other readers by now than `source`, with which the
    run began: what they say was read before that.
    """
    for document in await documents_with_other_readers(database, source.id):
        was_said_since = document.own is None and document.source != source.readers
        is_behind = document.is_removed or document.id in outdated or was_said_since
        readers = interim_readers(document.readers, document.wanted) if is_behind else document.wanted
        if set(readers) != set(document.readers) or not is_behind:
            await grant_readers(database, store, index, document.id, readers, own=document.own)


def interim_readers(before: Sequence[str], after: Sequence[str]) -> tuple[str, ...]:
    """Who may read what is behind the times: those who could and still may, as far as names tell."""
    if PUBLIC in before:
        return tuple(after)
    if PUBLIC in after:
        return tuple(before)
    return tuple(reader for reader in before if reader in after)
