"""Reading documents and revisions: pages of a list, who may read, and what stays readable for how long."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from uuid import UUID, uuid4

import pytest

from retrieval.database import Database
from retrieval.documents import find_document, find_revision, list_documents
from retrieval.errors import ErasedError, NotFoundError
from retrieval.records import Document, Scope
from retrieval.removing import erase_document, remove_document
from retrieval.stores.pgvector import PgvectorStore
from tests.retrieval.corpus import Corpus, make_corpus, shared_database

EVERYTHING = Scope.everything()
ANN = Scope.of(["user:ann"])
STRANGER = Scope.of(["user:bob"])


@pytest.fixture(scope="module")
def dsn(postgres_dsn: str) -> Iterator[str]:
    """One database for the module; every test has a collection of its own."""
    with shared_database(postgres_dsn) as shared:
        yield shared


@pytest.fixture
async def corpus(database: Database) -> Corpus:
    return await make_corpus(database, PgvectorStore())


async def second_source(corpus: Corpus) -> Corpus:
    row = await corpus.database.fetch_one(
        "INSERT INTO sources (collection_id, kind, location, readers)"
        " VALUES (%(id)s, 'folder', '/made/up/too', '{public}') RETURNING id",
        {"id": corpus.collection.id},
    )
    assert row is not None
    return replace(corpus, source_id=row["id"])


async def listed(corpus: Corpus, *, scope: Scope = EVERYTHING) -> list[str]:
    return [
        document.path
        for document in await list_documents(corpus.database, corpus.collection.name, scope=scope)
    ]


async def test_a_listed_document_says_what_the_catalog_knows(corpus: Corpus) -> None:
    published = await corpus.publish(
        corpus.draft("a.txt", ["Yes.", "No.", "Yes."], title="Answers", readers=["user:ann", "group:hr"])
    )
    (document,) = await list_documents(corpus.database, corpus.collection.name, scope=EVERYTHING)
    assert document == Document(
        id=published.document_id,
        collection=corpus.collection.name,
        path="a.txt",
        title="Answers",
        media_type="text/plain",
        revision=1,
        readers=("user:ann", "group:hr"),
        chunk_count=3,
        updated_at=document.updated_at,
        removed_at=None,
    )
    assert await find_document(corpus.database, published.document_id, scope=ANN) == document


async def test_pages_join_to_the_whole_list_without_gap_or_repeat(corpus: Corpus) -> None:
    other = await second_source(corpus)
    for path in ("b.txt", "a.txt", "ä/ö.txt", "a/b.txt", "A.txt", "%20.txt", "z"):
        await corpus.add(path, "one")
        await other.add(path, "one")
    everything = await list_documents(corpus.database, corpus.collection.name, scope=EVERYTHING)
    assert len(everything) == 14
    for size in (1, 3, 14):
        pages: list[Document] = []
        after = ("", UUID(int=0))
        while page := await list_documents(
            corpus.database, corpus.collection.name, scope=EVERYTHING, after=after, limit=size
        ):
            pages += page
            after = (page[-1].path, page[-1].id)
        assert pages == everything


async def test_a_list_shows_what_its_reader_may_see_and_is_current(corpus: Corpus) -> None:
    await corpus.add("public.txt", "one")
    await corpus.add("ann.txt", "two", readers=["user:ann"])
    await corpus.add("nobody.txt", "three", readers=[])
    gone = await corpus.add("gone.txt", "four")
    await remove_document(corpus.database, corpus.store, corpus.index, gone.document_id)
    assert await listed(corpus) == ["ann.txt", "nobody.txt", "public.txt"]
    assert await listed(corpus, scope=ANN) == ["ann.txt", "public.txt"]
    assert await listed(corpus, scope=STRANGER) == ["public.txt"]
    assert await listed(corpus, scope=Scope(principals=frozenset())) == []
    assert await list_documents(corpus.database, "no-such-collection", scope=EVERYTHING) == []


async def test_a_document_that_may_not_be_seen_is_as_absent_as_one_that_never_was(corpus: Corpus) -> None:
    published = await corpus.add("a.txt", "one", readers=["user:ann"])
    never = uuid4()
    messages = []
    for document_id in (published.document_id, never):
        with pytest.raises(NotFoundError) as caught:
            await find_document(corpus.database, document_id, scope=STRANGER)
        messages.append(str(caught.value).replace(str(document_id), "ID"))
        with pytest.raises(NotFoundError) as caught:
            await find_revision(corpus.database, document_id, scope=STRANGER)
        messages.append(str(caught.value).replace(str(document_id), "ID"))
        with pytest.raises(NotFoundError) as caught:
            await find_revision(corpus.database, document_id, revision=1, scope=STRANGER)
        messages.append(str(caught.value).replace(str(document_id), "ID"))
    assert messages[:3] == messages[3:]
    assert messages[0] == "there is no document ID."
    assert messages[2] == "there is no revision 1 of document ID, or its text is no longer kept."


async def test_a_removed_document_can_still_be_looked_up(corpus: Corpus) -> None:
    published = await corpus.add("a.txt", "one")
    await remove_document(corpus.database, corpus.store, corpus.index, published.document_id)
    document = await find_document(corpus.database, published.document_id, scope=EVERYTHING)
    assert (document.revision, document.chunk_count, document.title) == (None, 0, "")
    assert document.removed_at is not None
    revision = await find_revision(corpus.database, published.document_id, scope=EVERYTHING)
    assert (revision.number, revision.text) == (1, "one")


async def test_a_revision_is_the_newest_or_the_one_asked_for(corpus: Corpus) -> None:
    published = await corpus.publish(corpus.draft("a.txt", ["First 🦡.", "More."], title="Old"))
    await corpus.publish(corpus.draft("a.txt", ["Second."], title="New"))
    newest = await find_revision(corpus.database, published.document_id, scope=EVERYTHING)
    assert (newest.number, newest.title, newest.text, newest.page_starts) == (2, "New", "Second.", (0,))
    assert newest.superseded_at is None
    first = await find_revision(corpus.database, published.document_id, revision=1, scope=EVERYTHING)
    assert (first.document_id, first.number, first.title) == (published.document_id, 1, "Old")
    assert first.text == "First 🦡.\n\nMore."
    assert first.superseded_at is not None
    for absent in (0, -1, 3, 2**31, 2**70):
        with pytest.raises(NotFoundError, match=f"revision {absent} of document"):
            await find_revision(corpus.database, published.document_id, revision=absent, scope=EVERYTHING)


async def test_a_former_revision_is_for_those_who_could_read_it_then_and_may_read_the_document_now(
    corpus: Corpus,
) -> None:
    """Mended before it was opened to everybody, or closed afterwards: neither tells the former text."""
    published = await corpus.add("a.txt", "Ann's salary.", readers=["user:ann", "user:carl"])
    await corpus.add("a.txt", "No salary.", readers=["public"])
    await corpus.add("a.txt", "Nothing.", readers=["user:bob", "user:ann"])
    readable = {
        name: [
            number
            for number in (1, 2, 3)
            if await can_read(corpus, published.document_id, number, f"user:{name}")
        ]
        for name in ("ann", "bob", "carl", "dora")
    }
    assert readable == {"ann": [1, 2, 3], "bob": [2, 3], "carl": [], "dora": []}
    await remove_document(corpus.database, corpus.store, corpus.index, published.document_id)
    await corpus.database.execute(
        "UPDATE documents SET readers = '{public}' WHERE id = %(id)s", {"id": published.document_id}
    )
    assert not await can_read(corpus, published.document_id, 3, "user:dora")
    newest = await find_revision(corpus.database, published.document_id, scope=Scope.of(["user:dora"]))
    assert (newest.number, newest.text) == (2, "No salary.")


async def can_read(corpus: Corpus, document_id: UUID, revision: int, principal: str) -> bool:
    try:
        await find_revision(corpus.database, document_id, revision=revision, scope=Scope.of([principal]))
    except NotFoundError:
        return False
    return True


async def test_an_erased_document_was_there_for_those_alone_who_could_see_it(corpus: Corpus) -> None:
    published = await corpus.add("a.txt", "One.", readers=["user:ann"])
    await erase_document(corpus.database, corpus.store, corpus.index, published.document_id)
    for scope in (EVERYTHING, ANN):
        with pytest.raises(ErasedError):
            await find_document(corpus.database, published.document_id, scope=scope)
        with pytest.raises(ErasedError):
            await find_revision(corpus.database, published.document_id, revision=1, scope=scope)
    for ask in (find_document, find_revision):
        with pytest.raises(NotFoundError) as caught:
            await ask(corpus.database, published.document_id, scope=STRANGER)
        assert not isinstance(caught.value, ErasedError)


async def test_new_readers_count_for_old_revisions_too(corpus: Corpus) -> None:
    published = await corpus.add("a.txt", "First.")
    await corpus.add("a.txt", "Second.", readers=["user:ann"])
    for revision in (None, 1, 2):
        with pytest.raises(NotFoundError):
            await find_revision(corpus.database, published.document_id, revision=revision, scope=STRANGER)
    first = await find_revision(corpus.database, published.document_id, revision=1, scope=ANN)
    assert first.text == "First."
