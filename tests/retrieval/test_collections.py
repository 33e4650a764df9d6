"""Collections: made when first named, found again, and names that are none."""

from __future__ import annotations

import asyncio

import pytest

from retrieval.collections import (
    allow_outside,
    check_collection_name,
    ensure_collection,
    find_collection,
    list_collections,
)
from retrieval.database import Database
from retrieval.errors import InvalidRequestError, NotFoundError
from retrieval.stores.pgvector import PgvectorStore
from tests.retrieval.corpus import make_corpus

NO_NAMES = ["", " ", "-a", "A", "a b", "ä", "a/b", "a" * 64, "a\x00", "\x00", "\ud800", "'; --", "a\n"]


async def test_a_collection_is_made_once_and_found_again(database: Database) -> None:
    made = await asyncio.gather(*(ensure_collection(database, "papers") for _ in range(4)))
    assert {*made} == {await find_collection(database, "papers")}
    assert (made[0].language, made[0].allow_outside) == ("english", False)
    assert await ensure_collection(database, "papers", language="german") == made[0]
    assert (await ensure_collection(database, "akten", language="german")).language == "german"


async def test_whether_passages_may_go_outside_is_kept(database: Database) -> None:
    await ensure_collection(database, "papers")
    for allow in (True, False):
        await allow_outside(database, "papers", allow=allow)
        assert (await find_collection(database, "papers")).allow_outside is allow
    with pytest.raises(NotFoundError, match="there is no collection 'other'"):
        await allow_outside(database, "other", allow=True)


async def test_the_list_counts_documents_and_chunks(database: Database) -> None:
    corpus = await make_corpus(database, PgvectorStore(), name="papers")
    await ensure_collection(database, "empty")
    await corpus.add("a.txt", "One.", "Two.")
    await corpus.add("b.txt", "One.")
    counts = {row["name"]: (row["documents"], row["chunks"]) for row in await list_collections(database)}
    assert counts == {"empty": (0, 0), "papers": (2, 3)}


async def test_what_cannot_be_a_name_is_refused_and_never_found(database: Database) -> None:
    for name in NO_NAMES:
        with pytest.raises(InvalidRequestError, match="cannot be the name of a collection"):
            await ensure_collection(database, name)
        with pytest.raises(NotFoundError, match="there is no collection"):
            await find_collection(database, name)
        with pytest.raises(NotFoundError):
            await allow_outside(database, name, allow=True)


@pytest.mark.parametrize("name", ["a", "default", "0", "a.b_c-d", "a" * 63])
def test_a_name_is_returned_as_it_is(name: str) -> None:
    assert check_collection_name(name) == name
