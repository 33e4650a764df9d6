"""Publishing: what stands in the index after every way in and out, and after every way to fail."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from retrieval.database import Database
from retrieval.documents import find_revision
from retrieval.errors import ContentRejectedError, NotFoundError, StoreUnavailableError
from retrieval.publishing import DocumentChangedError, publish
from retrieval.records import ChunkDraft, Scope, contextual_text
from retrieval.removing import purge_revisions, remove_document
from retrieval.stores.memory import MemoryStore
from retrieval.stores.pgvector import PgvectorStore
from tests.retrieval.corpus import Corpus, embed, make_corpus, shared_database

EVERYTHING = Scope.everything()


@pytest.fixture(scope="module")
def dsn(postgres_dsn: str) -> Iterator[str]:
    """One database for the module; every test has a collection of its own."""
    with shared_database(postgres_dsn) as shared:
        yield shared


@pytest.fixture
async def corpus(database: Database) -> Corpus:
    return await make_corpus(database, PgvectorStore())


async def rows(corpus: Corpus, statement: str, **parameters: Any) -> list[dict[str, Any]]:
    found = await corpus.database.fetch_all(statement, {"collection": corpus.collection.id, **parameters})
    return [dict(row) for row in found]


async def stored_chunks(corpus: Corpus) -> dict[str, int]:
    """The chunks of a collection by text, oldest last."""
    found = await rows(
        corpus, "SELECT id, text FROM chunks WHERE collection_id = %(collection)s ORDER BY id DESC"
    )
    return {row["text"]: row["id"] for row in found}


async def stored_vectors(corpus: Corpus) -> dict[int, str]:
    """The vectors of a collection by chunk, with the transaction that wrote each."""
    found = await rows(
        corpus, f"SELECT chunk_id, embedding::text || xmin AS vector FROM vectors_{corpus.index.id}"
    )
    return {row["chunk_id"]: row["vector"] for row in found}


async def everything_stored(corpus: Corpus) -> Mapping[str, Any]:
    """All that a failed publish must leave as it was, down to the versions of the rows."""
    return {
        "documents": await rows(
            corpus, "SELECT *, xmin::text FROM documents WHERE collection_id = %(collection)s ORDER BY id"
        ),
        "revisions": await rows(
            corpus,
            "SELECT r.* FROM revisions AS r JOIN documents AS d ON d.id = r.document_id"
            " WHERE d.collection_id = %(collection)s ORDER BY r.document_id, r.revision",
        ),
        "chunks": await rows(corpus, "SELECT * FROM chunks WHERE collection_id = %(collection)s ORDER BY id"),
        "places": await rows(
            corpus,
            "SELECT p.* FROM chunk_places AS p JOIN documents AS d ON d.id = p.document_id"
            " WHERE d.collection_id = %(collection)s ORDER BY p.document_id, p.ordinal",
        ),
        "terms": await rows(
            corpus,
            "SELECT chunk_id, length, terms::text FROM chunk_terms WHERE collection_id = %(collection)s"
            " ORDER BY chunk_id",
        ),
        "fresh": await rows(
            corpus,
            "SELECT chunk_id, words::text FROM fresh_terms WHERE collection_id = %(collection)s ORDER BY chunk_id",
        ),
        "removed": await rows(
            corpus,
            "SELECT chunk_id FROM removed_terms WHERE collection_id = %(collection)s ORDER BY chunk_id",
        ),
        "vectors": await stored_vectors(corpus),
    }


async def grow_old(corpus: Corpus, document_id: UUID) -> None:
    """Let two days pass for the superseded revisions of a document."""
    await corpus.database.execute(
        "UPDATE revisions SET superseded_at = superseded_at - interval '2 days' WHERE document_id = %(id)s",
        {"id": document_id},
    )


async def check_consistent(corpus: Corpus) -> None:
    """What holds for every collection at every moment."""
    places = await rows(
        corpus,
        "SELECT c.id, c.text, c.headings, t.terms::text, t.length, t.word_count, t.checksum, t.document_id,"
        " p.document_id AS of_document, p.char_start, p.char_end, r.title, r.text AS whole, d.current_revision"
        " FROM chunks AS c LEFT JOIN chunk_terms AS t ON t.chunk_id = c.id"
        " LEFT JOIN chunk_places AS p ON p.chunk_id = c.id"
        " LEFT JOIN documents AS d ON d.id = p.document_id AND d.id = c.document_id"
        " LEFT JOIN revisions AS r ON r.document_id = d.id AND r.revision = d.current_revision"
        " WHERE c.collection_id = %(collection)s",
    )
    for place in places:
        assert place["whole"] is not None, "a chunk belongs to the current revision of its document"
        assert place["whole"][place["char_start"] : place["char_end"]] == place["text"]
    assert {*await stored_vectors(corpus)} == {place["id"] for place in places}
    for place in places:
        (words,) = await rows(
            corpus,
            "SELECT lexical_terms(v)::text AS terms, lexical_length(v) AS length, length(v) AS word_count,"
            " lexical_checksum(v) AS checksum FROM lexical_vector('english', %(text)s) AS v",
            text=contextual_text(place["title"], place["headings"], place["text"]),
        )
        assert {name: place[name] for name in words} == words
        assert place["document_id"] == place["of_document"]
    listed = await rows(
        corpus,
        "SELECT chunk_id FROM fresh_terms WHERE collection_id = %(collection)s UNION ALL"
        " SELECT s.first_chunk + m FROM segments AS s, unnest(s.members) AS m WHERE collection_id = %(collection)s"
        " EXCEPT ALL SELECT chunk_id FROM removed_terms WHERE collection_id = %(collection)s",
    )
    assert sorted(row["chunk_id"] for row in listed) == sorted({place["id"] for place in places})
    current = await rows(
        corpus,
        "SELECT r.document_id FROM revisions AS r JOIN documents AS d ON d.id = r.document_id"
        " WHERE d.collection_id = %(collection)s AND r.superseded_at IS NULL ORDER BY 1",
    )
    assert current == await rows(
        corpus,
        "SELECT id AS document_id FROM documents"
        " WHERE collection_id = %(collection)s AND current_revision IS NOT NULL ORDER BY 1",
    )


async def test_a_published_document_stands_in_every_table(corpus: Corpus) -> None:
    draft = corpus.draft(
        "a.txt", ["Badgers dig.", "Ünïcode 🦡 counts", "Foxes run."], title="Animals", headings=("Digging",)
    )
    published = await corpus.publish(draft)
    assert (published.revision, published.chunk_count, published.removed_chunks) == (1, 3, ())
    await check_consistent(corpus)
    assert len(await stored_chunks(corpus)) == 3
    revision = await find_revision(corpus.database, published.document_id, scope=EVERYTHING)
    assert (revision.text, revision.title, revision.page_starts) == (draft.text, "Animals", draft.page_starts)


async def test_publishing_the_same_content_again_changes_nothing(corpus: Corpus) -> None:
    draft = corpus.draft("a.txt", ["Badgers dig.", "Foxes run."])
    first = await corpus.publish(draft)
    before = await everything_stored(corpus)
    assert await corpus.missing(draft) == {}
    again = await corpus.publish(draft)
    assert (again.document_id, again.revision, again.removed_chunks) == (first.document_id, 1, ())
    after = await everything_stored(corpus)
    for documents in (before["documents"], after["documents"]):
        # Holding the row for the time of the transaction writes it anew.
        documents[0].pop("xmin")
    assert after == before


async def test_an_edit_keeps_the_rows_and_vectors_of_the_chunks_that_did_not_change(corpus: Corpus) -> None:
    await corpus.add("a.txt", "Badgers dig.", "Foxes run.", "Owls fly.")
    chunks, vectors = await stored_chunks(corpus), await stored_vectors(corpus)
    edited = corpus.draft("a.txt", ["Badgers dig.", "Foxes walk and sleep.", "Owls fly."])
    assert [*(await corpus.missing(edited)).values()] == ["Foxes walk and sleep."]
    published = await corpus.publish(edited)
    assert published.revision == 2
    assert published.removed_chunks == (chunks["Foxes run."],)
    after = await stored_chunks(corpus)
    assert {*after} == {"Badgers dig.", "Foxes walk and sleep.", "Owls fly."}
    for kept in ("Badgers dig.", "Owls fly."):
        assert after[kept] == chunks[kept]
        assert (await stored_vectors(corpus))[after[kept]] == vectors[chunks[kept]]
    await check_consistent(corpus)


async def test_a_new_title_makes_every_chunk_anew(corpus: Corpus) -> None:
    await corpus.publish(corpus.draft("a.txt", ["Badgers dig.", "Foxes run."], title="Animals"))
    before = await stored_chunks(corpus)
    published = await corpus.publish(corpus.draft("a.txt", ["Badgers dig.", "Foxes run."], title="Beasts"))
    assert {*published.removed_chunks} == {*before.values()}
    await check_consistent(corpus)


async def test_the_same_text_twice_in_a_document_is_one_chunk_at_two_places(corpus: Corpus) -> None:
    draft = corpus.draft("a.txt", ["Yes.", "No.", "Yes."])
    assert len(await corpus.missing(draft)) == 2
    published = await corpus.publish(draft)
    assert published.chunk_count == 3
    assert len(await stored_chunks(corpus)) == 2
    places = await rows(
        corpus,
        "SELECT ordinal, chunk_id, char_start FROM chunk_places WHERE document_id = %(id)s ORDER BY ordinal",
        id=published.document_id,
    )
    yes = (await stored_chunks(corpus))["Yes."]
    assert [(p["ordinal"], p["char_start"]) for p in places if p["chunk_id"] == yes] == [(0, 0), (2, 11)]
    await check_consistent(corpus)
    await corpus.add("a.txt", "No.", "Yes.")
    assert (await stored_chunks(corpus))["Yes."] == yes
    await check_consistent(corpus)


async def test_the_same_text_in_two_documents_is_two_chunks(corpus: Corpus) -> None:
    await corpus.add("a.txt", "Yes.")
    second = await corpus.add("b.txt", "Yes.")
    assert len(await stored_vectors(corpus)) == 2
    await remove_document(corpus.database, corpus.store, corpus.index, second.document_id)
    assert len(await stored_vectors(corpus)) == 1
    await check_consistent(corpus)


async def test_a_document_without_chunks_is_a_document(corpus: Corpus) -> None:
    published = await corpus.add("a.txt")
    assert (published.revision, published.chunk_count) == (1, 0)
    await corpus.add("a.txt", "Badgers dig.")
    await corpus.add("a.txt")
    assert await stored_vectors(corpus) == {}
    await check_consistent(corpus)


async def test_a_removed_document_leaves_only_its_revisions(corpus: Corpus) -> None:
    published = await corpus.add("a.txt", "Badgers dig.")
    kept = await corpus.add("b.txt", "Foxes run.")
    for _ in range(2):
        await remove_document(corpus.database, corpus.store, corpus.index, published.document_id)
        stored = await everything_stored(corpus)
        assert [row["text"] for row in stored["chunks"]] == ["Foxes run."]
        assert {row["document_id"] for row in stored["places"]} == {kept.document_id}
        assert {row["chunk_id"] for row in stored["terms"]} == {*stored["vectors"]}
        await check_consistent(corpus)
    revision = await find_revision(corpus.database, published.document_id, scope=EVERYTHING)
    assert revision.text == "Badgers dig."
    assert revision.superseded_at is not None


async def test_removing_what_never_was_does_nothing(corpus: Corpus) -> None:
    await remove_document(corpus.database, corpus.store, corpus.index, UUID(int=1))


async def test_a_document_that_comes_back_keeps_its_id_and_counts_on(corpus: Corpus) -> None:
    draft = corpus.draft("a.txt", ["Badgers dig."])
    first = await corpus.publish(draft)
    await remove_document(corpus.database, corpus.store, corpus.index, first.document_id)
    assert len(await corpus.missing(draft)) == 1
    again = await corpus.publish(draft)
    assert (again.document_id, again.revision) == (first.document_id, 2)
    (document,) = await rows(corpus, "SELECT removed_at FROM documents WHERE collection_id = %(collection)s")
    assert document["removed_at"] is None
    await check_consistent(corpus)


async def test_old_revisions_keep_their_text_until_their_time_has_come(corpus: Corpus) -> None:
    published = await corpus.add("a.txt", "First.")
    await corpus.add("a.txt", "Second.")
    assert await purge_revisions(corpus.database, retention_days=1) == 0
    old = await find_revision(corpus.database, published.document_id, revision=1, scope=EVERYTHING)
    assert old.text == "First."
    await grow_old(corpus, published.document_id)
    assert await purge_revisions(corpus.database, retention_days=1) == 1
    with pytest.raises(NotFoundError, match="no longer kept"):
        await find_revision(corpus.database, published.document_id, revision=1, scope=EVERYTHING)
    assert (await corpus.add("a.txt", "Third.")).revision == 3
    await check_consistent(corpus)


async def test_a_removed_document_goes_with_the_last_of_its_texts(corpus: Corpus) -> None:
    first = await corpus.add("a.txt", "First.")
    await remove_document(corpus.database, corpus.store, corpus.index, first.document_id)
    await grow_old(corpus, first.document_id)
    await purge_revisions(corpus.database, retention_days=1)
    again = await corpus.add("a.txt", "Second.")
    assert again.revision == 1
    assert again.document_id != first.document_id, "or a citation to the first text would show the second"
    await check_consistent(corpus)


async def test_two_runs_that_publish_one_path_at_once_end_in_one_consistent_revision(corpus: Corpus) -> None:
    for number in range(8):
        one = corpus.draft(f"{number}.txt", ["Shared.", f"One {number}.", "Same."])
        other = corpus.draft(f"{number}.txt", ["Same.", "Shared.", f"Other {number}."])
        texts = [embed(corpus.embedder, await corpus.missing(draft)) for draft in (one, other)]
        published = await asyncio.gather(
            *(
                publish(corpus.database, corpus.store, corpus.index, draft, vectors)
                for draft, vectors in zip((one, other), texts, strict=True)
            )
        )
        assert {p.revision for p in published} == {1, 2}
        assert len({p.document_id for p in published}) == 1
        last = one if published[0].revision == 2 else other
        revision = await find_revision(corpus.database, published[0].document_id, scope=EVERYTHING)
        assert (revision.number, revision.text) == (2, last.text)
    await check_consistent(corpus)


async def test_two_runs_that_publish_the_same_content_at_once_make_one_revision(corpus: Corpus) -> None:
    draft = corpus.draft("a.txt", ["Badgers dig.", "Foxes run."])
    vectors = embed(corpus.embedder, await corpus.missing(draft))
    published = await asyncio.gather(
        *(publish(corpus.database, corpus.store, corpus.index, draft, vectors) for _ in range(5))
    )
    assert {p.revision for p in published} == {1}
    assert len(await stored_chunks(corpus)) == 2
    await check_consistent(corpus)


async def test_a_run_whose_chunks_were_taken_away_meanwhile_is_told_to_prepare_again(corpus: Corpus) -> None:
    await corpus.add("a.txt", "Badgers dig.", "Foxes run.")
    draft = corpus.draft("a.txt", ["Badgers dig.", "Owls fly."])
    vectors = embed(corpus.embedder, await corpus.missing(draft))
    await corpus.add("a.txt", "Something else entirely.")
    before = await everything_stored(corpus)
    with pytest.raises(DocumentChangedError, match=r"'a\.txt' was changed by another run") as caught:
        await publish(corpus.database, corpus.store, corpus.index, draft, vectors)
    assert caught.value.retryable
    assert await everything_stored(corpus) == before
    assert (await corpus.publish(draft)).revision == 3
    await check_consistent(corpus)


class _Failing(PgvectorStore):
    """Writes, and then fails."""

    async def write(self, *args: Any, **kwargs: Any) -> None:
        await super().write(*args, **kwargs)
        raise StoreUnavailableError("the store went away")


async def test_a_failure_in_mid_transaction_leaves_nothing_of_a_new_document(corpus: Corpus) -> None:
    before = await everything_stored(corpus)
    with pytest.raises(StoreUnavailableError):
        await corpus.into(_Failing()).add("a.txt", "Badgers dig.")
    assert await everything_stored(corpus) == before
    assert before["documents"] == []


async def test_a_failure_in_mid_transaction_leaves_a_changed_document_as_it_was(corpus: Corpus) -> None:
    await corpus.add("a.txt", "Badgers dig.", "Foxes run.")
    before = await everything_stored(corpus)
    with pytest.raises(StoreUnavailableError):
        await corpus.into(_Failing()).add("a.txt", "Badgers dig.", "Owls fly.")
    assert await everything_stored(corpus) == before
    assert (await corpus.add("a.txt", "Badgers dig.", "Owls fly.")).revision == 2
    await check_consistent(corpus)


async def test_a_failure_at_the_last_statement_leaves_a_changed_document_as_it_was(corpus: Corpus) -> None:
    await corpus.add("a.txt", "Badgers dig.")
    before = await everything_stored(corpus)
    # The revision's row, which comes after chunks, vectors, postings and places, cannot hold such an offset.
    draft = replace(corpus.draft("a.txt", ["Owls fly."]), page_starts=(2**40,))
    with pytest.raises(ContentRejectedError, match="integer out of range"):
        await corpus.publish(draft)
    assert await everything_stored(corpus) == before


async def test_vectors_that_went_out_of_use_are_forgotten_in_the_store(database: Database) -> None:
    corpus = await make_corpus(database, MemoryStore())
    published = await corpus.add("a.txt", "Kept.", "First.")
    await corpus.add("a.txt", "Kept.", "Second.")
    async with database.snapshot() as connection:
        assert await corpus.store.count(corpus.index, connection) == 2
    await remove_document(database, corpus.store, corpus.index, published.document_id)
    async with database.snapshot() as connection:
        assert await corpus.store.count(corpus.index, connection) == 0


async def test_a_document_of_many_chunks_is_published_whole(corpus: Corpus) -> None:
    texts = [f"chunk {number} of many" for number in range(1_500)]
    await corpus.add("a.txt", *texts)
    await corpus.add("a.txt", *texts[::2], "and an end")
    assert len(await stored_vectors(corpus)) == 751


async def test_a_repeated_word_counts_as_often_as_it_stands_there(corpus: Corpus) -> None:
    chunk = ChunkDraft(char_start=0, char_end=23, text="badger badgers badger's", headings=(), token_count=3)
    assert chunk.embedding_text("") == "badger badgers badger's"
    await corpus.add("a.txt", chunk.text)
    (found,) = await rows(
        corpus,
        "SELECT terms = format('{%%s:1}/1000000000', lexical_base('badger') * 10 + 3)::sparsevec AS alone, length"
        " FROM chunk_terms WHERE collection_id = %(collection)s",
    )
    assert found == {"alone": True, "length": 3}
