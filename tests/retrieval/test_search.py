"""Search: completed scores, the order they give, who sees what, and one state of the index throughout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from typing import Any
from uuid import UUID

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval.collections import ensure_collection
from retrieval.database import Database
from retrieval.errors import IndexMismatchError, InvalidRequestError
from retrieval.filters import NO_FILTERS, Filters
from retrieval.fusion import FusionPolicy, fuse
from retrieval.lexical import Bm25Policy, lexical_scores, read_question
from retrieval.passages import PassagePolicy
from retrieval.queries import SearchQueries
from retrieval.records import Hit, Scope
from retrieval.removing import remove_document
from retrieval.reranking import RerankPolicy, blend
from retrieval.search import MAX_K, MAX_QUESTION_CHARACTERS, Searcher, SearchPolicy, check_k, check_question
from retrieval.stores.memory import MemoryStore
from retrieval.stores.pgvector import PgvectorStore
from tests.retrieval.corpus import BagOfWords, Corpus, QueryBagOfWords, make_corpus, shared_database

EVERYTHING = Scope.everything()
MILLENNIUM = datetime(2000, 1, 1, tzinfo=UTC)
ANIMALS = [
    "badgers dig tunnels below the garden",
    "foxes run through the garden at night",
    "owls fly over the garden at night",
    "moles dig tunnels as badgers do",
    "night falls",
    "the garden is closed on Mondays",
    "tickets cost four euros",
    "children pay two euros for tickets",
    "dogs have to stay outside",
    "the café opens at nine",
]


@pytest.fixture(scope="module")
def dsn(postgres_dsn: str) -> Iterator[str]:
    """One database for the module; every test has a collection of its own."""
    with shared_database(postgres_dsn) as shared:
        yield shared


@pytest.fixture
async def corpus(database: Database) -> Corpus:
    return await make_corpus(database, PgvectorStore())


@pytest.fixture
async def animals(corpus: Corpus) -> Corpus:
    await corpus.add("animals.txt", *ANIMALS)
    return corpus


class LongestFirst:
    """A reranker that likes long passages, and remembers what it read."""

    def __init__(self) -> None:
        self.read: list[tuple[str, str]] = []

    async def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        assert pairs, "nothing to score is nothing to ask"
        self.read += pairs
        return np.array([len(passage) / 10 - 3 for _, passage in pairs], dtype=np.float32)


def searcher(
    corpus: Corpus, *, reranker: LongestFirst | None = None, embedder: BagOfWords | None = None, **policy: Any
) -> Searcher:
    embedder = embedder or corpus.embedder
    return Searcher(
        database=corpus.database,
        store=corpus.store,
        embedder=embedder,
        query_embedder=QueryBagOfWords(embedder),
        reranker=reranker,
        policy=SearchPolicy(**policy),
    )


async def search(
    corpus: Corpus,
    question: str,
    *,
    k: int = 10,
    scope: Scope = EVERYTHING,
    reranker: LongestFirst | None = None,
    **policy: Any,
) -> list[Hit]:
    return await searcher(corpus, reranker=reranker, **policy).search(
        corpus.collection, question, k=k, scope=scope
    )


def eager(candidates: int, weight: float) -> RerankPolicy:
    """Reads whatever the list looks like, and has all the time there is."""
    return RerankPolicy(candidates=candidates, weight=weight, budget_ms=1e9, decided_margin=1e9)


def texts(hits: Sequence[Hit]) -> list[str]:
    return [hit.passage.text for hit in hits]


async def true_scores(corpus: Corpus, question: str) -> tuple[Mapping[str, float], Mapping[str, float]]:
    """Cosine and BM25 of every chunk of a collection, by its text, without any list of candidates."""
    rows = await corpus.database.fetch_all(
        "SELECT id, text FROM chunks WHERE collection_id = %(id)s", {"id": corpus.collection.id}
    )
    asked = corpus.embedder.embed_query(question)
    async with corpus.database.snapshot() as connection:
        words = await read_question(
            connection, collection_id=corpus.collection.id, question=question, policy=Bm25Policy()
        )
        bm25 = await lexical_scores(connection, words, [row["id"] for row in rows])
    return (
        {row["text"]: float(corpus.embedder.embed_query(row["text"]) @ asked) for row in rows},
        {row["text"]: bm25[row["id"]] for row in rows},
    )


QUESTIONS = ["who digs tunnels", "garden at night", "tickets for children", "what is closed", "zebras"]


async def attainable_score(corpus: Corpus, question: str) -> float:
    async with corpus.database.snapshot() as connection:
        words = await read_question(
            connection, collection_id=corpus.collection.id, question=question, policy=Bm25Policy()
        )
    return words.attainable


async def test_every_hit_has_both_scores_whichever_list_it_came_from(animals: Corpus) -> None:
    for question, k in product(QUESTIONS, (1, 3, 10)):
        cosines, bm25 = await true_scores(animals, question)
        hits = await search(animals, question, k=k, candidates=3)
        assert len(hits) == k
        for hit in hits:
            assert hit.cosine == pytest.approx(cosines[hit.passage.text], abs=1e-3)
            assert hit.bm25 == pytest.approx(bm25[hit.passage.text])
            assert hit.rerank is None


@pytest.mark.parametrize("feedback", [0.0, 0.1])
@pytest.mark.parametrize("question", QUESTIONS)
async def test_the_order_is_that_of_the_fused_true_scores(
    animals: Corpus, question: str, feedback: float
) -> None:
    cosines, bm25 = await true_scores(animals, question)
    attainable = await attainable_score(animals, question)
    policy = FusionPolicy(feedback=feedback)

    def fused(dense: Mapping[str, float]) -> list[tuple[int, float]]:
        keys = {text: number for number, text in enumerate(ANIMALS)}
        return fuse(
            {keys[text]: cosine for text, cosine in dense.items()},
            {keys[text]: score for text, score in bm25.items()},
            attainable=attainable,
            cosine_bounds=BagOfWords.cosine_bounds,
            policy=policy,
        )

    leader = animals.embedder.embed_query(ANIMALS[fused(cosines)[0][0]])
    asked = (1 - feedback) * animals.embedder.embed_query(question) + feedback * leader
    asked /= np.linalg.norm(asked)
    expected = fused({text: float(animals.embedder.embed_query(text) @ asked) for text in ANIMALS})
    hits = await search(animals, question, fusion=policy)
    assert [hit.score for hit in hits] == pytest.approx([score for _, score in expected], abs=3e-3)
    found = {hit.passage.text: hit.score for hit in hits}
    assert found == pytest.approx({ANIMALS[i]: score for i, score in expected}, abs=3e-3)


async def test_a_passage_carries_its_place(corpus: Corpus) -> None:
    draft = corpus.draft(
        "deep/a.txt",
        ["Ünïcode 🦡 first.", "Badgers dig.", "Foxes run."],
        title="Animals",
        headings=("At night",),
    )
    published = await corpus.publish(draft)
    (hit, *_) = await search(corpus, "foxes")
    passage = hit.passage
    assert (passage.document_id, passage.revision, passage.path) == (published.document_id, 1, "deep/a.txt")
    assert (passage.title, passage.headings, passage.text) == ("Animals", ("At night",), "Foxes run.")
    assert draft.text[passage.char_start : passage.char_end] == passage.text
    assert passage.page == 2


async def test_a_text_that_stands_at_two_places_is_found_once_at_the_first(corpus: Corpus) -> None:
    await corpus.add("a.txt", "Foxes run.", "Badgers dig.", "Foxes run.")
    hits = await search(corpus, "foxes run")
    assert {*texts(hits)} == {"Foxes run.", "Badgers dig."}
    assert hits[0].passage.char_start == 0


async def test_a_collection_that_nothing_was_ingested_into_finds_nothing(
    database: Database, corpus: Corpus
) -> None:
    reranker = LongestFirst()
    assert await search(corpus, "badgers", reranker=reranker) == []
    unborn = await ensure_collection(database, "unborn")
    assert await searcher(corpus, reranker=reranker).search(unborn, "badgers", k=5, scope=EVERYTHING) == []


async def test_fewer_passages_than_asked_for_are_all_returned(animals: Corpus) -> None:
    assert len(await search(animals, "badgers", k=MAX_K)) == len(ANIMALS)
    assert len(await search(animals, "zebras", k=4)) == 4


async def test_k_may_exceed_the_candidates_of_the_policy(animals: Corpus) -> None:
    assert len(await search(animals, "badgers", k=9, candidates=2)) == 9


async def test_an_absurd_k_is_refused(animals: Corpus) -> None:
    for k in (0, -1, MAX_K + 1):
        with pytest.raises(InvalidRequestError, match=f"k is {k}; it must be between 1 and 1,000"):
            await search(animals, "badgers", k=k)
    assert check_k(1) == 1
    assert check_k(MAX_K) == MAX_K


async def test_a_question_without_a_word_is_refused(animals: Corpus) -> None:
    for question in ("", "  \n\t ", "\x00", "\x00 \x00\u2003"):
        with pytest.raises(InvalidRequestError, match="the question is empty"):
            await search(animals, question)


async def test_a_question_of_a_hundred_thousand_characters_is_refused_and_not_repeated(
    animals: Corpus,
) -> None:
    with pytest.raises(InvalidRequestError, match=r"has 100,000 characters; at most 8,000") as caught:
        await search(animals, "x" * 100_000)
    assert len(str(caught.value)) < 300
    assert len(check_question("x" * MAX_QUESTION_CHARACTERS)) == MAX_QUESTION_CHARACTERS


async def test_a_strange_question_is_a_question(animals: Corpus) -> None:
    for question in (
        "a\x00b",
        "\ud800 badgers \udfff",
        "'; DROP TABLE chunks --",
        "%s",
        "🦡",
        "the of",
        "!&|:*",
    ):
        assert len(await search(animals, question)) == len(ANIMALS)


def test_a_question_loses_what_cannot_be_stored_and_the_space_around_it() -> None:
    assert check_question("  who\x00 digs? \n") == "who  digs?"
    assert check_question("a\ud800b") == "a?b"


async def test_an_index_of_another_embedder_is_refused(animals: Corpus) -> None:
    other = searcher(animals, embedder=BagOfWords(model="other-words"))
    with pytest.raises(IndexMismatchError) as caught:
        await other.search(animals.collection, "badgers", k=1, scope=EVERYTHING)
    message = str(caught.value)
    for part in (
        "built with bag-of-words@01234567 (64",
        "embedder is other-words",
        "footnote reindex --collection made",
    ):
        assert part in message


async def test_an_index_in_another_store_is_refused(animals: Corpus) -> None:
    with pytest.raises(
        IndexMismatchError, match="keeps its vectors in pgvector; the configured store is memory"
    ):
        await search(animals.into(MemoryStore()), "badgers")


@pytest.mark.parametrize("store", [PgvectorStore, MemoryStore])
async def test_a_caller_never_gets_what_it_may_not_read(
    database: Database, store: type[PgvectorStore | MemoryStore]
) -> None:
    corpus = await make_corpus(database, store())
    await corpus.add("public.txt", "badgers dig")
    await corpus.add("ann.txt", "badgers dig deep", readers=["user:ann"])
    await corpus.add("hr.txt", "badgers dig deeper", readers=["group:hr"])
    await corpus.add("nobody.txt", "badgers dig deepest", readers=[])
    for question in ("badgers dig deepest", "nothing of the kind"):
        assert {*texts(await search(corpus, question, scope=Scope.of([])))} == {"badgers dig"}
        assert {*texts(await search(corpus, question, scope=Scope.of(["user:ann"])))} == {
            "badgers dig",
            "badgers dig deep",
        }
        assert await search(corpus, question, scope=Scope(principals=frozenset())) == []
        assert len(await search(corpus, question)) == 4
    reranker = LongestFirst()
    await search(corpus, "badgers", scope=Scope.of(["group:hr"]), reranker=reranker, rerank=eager(9, 0.3))
    assert {passage for _, passage in reranker.read} == {"badgers dig", "badgers dig deeper"}


async def test_rights_that_a_store_has_not_heard_of_yet_count_already(database: Database) -> None:
    corpus = await make_corpus(database, MemoryStore())
    published = await corpus.add("a.txt", "badgers dig")
    hidden = await corpus.add("b.txt", "badgers dig badgers dig deep")
    await database.execute(
        "UPDATE documents SET readers = '{user:ann}' WHERE id = %(id)s", {"id": hidden.document_id}
    )
    plain = FusionPolicy.by_dense_weight(0.8)
    (hit,) = await search(corpus, "badgers", scope=Scope.of([]), fusion=plain)
    assert hit.passage.document_id == published.document_id
    # What is hidden must not weigh on the score of what is seen: it would tell of itself.
    alone = await make_corpus(database, MemoryStore())
    await alone.add("a.txt", "badgers dig")
    (only,) = await search(alone, "badgers", scope=Scope.of([]), fusion=plain)
    assert hit.score == pytest.approx(only.score)


async def test_a_removed_document_is_found_no_more(animals: Corpus) -> None:
    published = await animals.add("b.txt", "badgers dig everywhere")
    assert texts(await search(animals, "badgers dig everywhere", k=1)) == ["badgers dig everywhere"]
    await remove_document(animals.database, animals.store, animals.index, published.document_id)
    assert {*texts(await search(animals, "badgers dig everywhere"))} == {*ANIMALS}


async def test_collections_are_searched_apart(animals: Corpus) -> None:
    other = await make_corpus(animals.database, animals.store)
    await other.add("a.txt", "badgers in another collection")
    assert texts(await search(other, "badgers")) == ["badgers in another collection"]
    assert "badgers in another collection" not in texts(await search(animals, "badgers"))


async def test_the_reranker_reads_the_best_and_its_score_is_blended_in(animals: Corpus) -> None:
    reranker = LongestFirst()
    plain = await search(animals, "garden at night")
    hits = await search(animals, "garden at night", reranker=reranker, rerank=eager(4, 0.3))
    assert [passage for _, passage in reranker.read] == texts(plain)[:4]
    assert {question for question, _ in reranker.read} == {"garden at night"}
    fused = {hit.passage.text: hit.score for hit in plain}
    for hit in hits[:4]:
        assert hit.rerank == pytest.approx(len(hit.passage.text) / 10 - 3)
        (alone,) = blend([replace(hit, score=fused[hit.passage.text])], [hit.rerank or 0], weight=0.3)
        assert hit.score == pytest.approx(alone.score)
    assert {*texts(hits[:4])} == {*texts(plain)[:4]}
    assert texts(hits[4:]) == texts(plain)[4:]
    assert [hit.rerank for hit in hits[4:]] == [None] * 6


async def test_scores_fall_from_hit_to_hit_however_many_the_reranker_read(animals: Corpus) -> None:
    for k, candidates, weight in product((1, 3, 10), (1, 4, 30), (0.0, 0.3, 1.0)):
        hits = await search(
            animals,
            "garden at night",
            k=k,
            reranker=LongestFirst(),
            rerank=eager(candidates, weight),
        )
        assert len(hits) == k
        scores = [hit.score for hit in hits]
        assert scores == sorted(scores, reverse=True)


async def test_the_reranker_may_lift_a_passage_from_below_k(animals: Corpus) -> None:
    hits = await search(animals, "night", k=1, reranker=LongestFirst(), rerank=eager(30, 1.0))
    assert texts(hits) == [max(ANIMALS, key=len)]


async def test_the_reranker_reads_title_and_headings_too(corpus: Corpus) -> None:
    await corpus.publish(corpus.draft("a.txt", ["Animals"], title="Animals", headings=("Animals", "Foxes")))
    await corpus.add("b.txt", "Tickets")
    reranker = LongestFirst()
    await search(corpus, "foxes", reranker=reranker, rerank=eager(30, 0.3))
    assert [passage for _, passage in reranker.read] == ["Animals\nFoxes\nAnimals", "Tickets"]


class _Interrupted(PgvectorStore):
    """Has something done between the first and the second question that a search puts to it."""

    def __init__(self, meanwhile: Any) -> None:
        self._meanwhile = meanwhile

    async def nearest(self, *args: Any, **kwargs: Any) -> list[tuple[int, float]]:
        found = await super().nearest(*args, **kwargs)
        await self._meanwhile()
        return found


async def test_a_search_sees_one_state_of_the_index_while_another_is_published(corpus: Corpus) -> None:
    await corpus.add("a.txt", "Badgers dig.", "Foxes run.")

    async def publish_anew() -> None:
        await corpus.add("a.txt", "Something else stands here now.", "Foxes walk.", "Badgers dig.")
        await corpus.add("b.txt", "Badgers in a new document.")

    hits = await search(corpus.into(_Interrupted(publish_anew)), "badgers and foxes")
    assert {*texts(hits)} == {"Badgers dig.", "Foxes run."}
    assert {hit.passage.revision for hit in hits} == {1}
    for hit in hits:
        whole = "Badgers dig.\n\nFoxes run."
        assert whole[hit.passage.char_start : hit.passage.char_end] == hit.passage.text
    after = await search(corpus, "badgers and foxes")
    assert {*texts(after)} == {
        "Something else stands here now.",
        "Foxes walk.",
        "Badgers dig.",
        "Badgers in a new document.",
    }
    assert {hit.passage.revision for hit in after if hit.passage.path == "a.txt"} == {2}


async def test_a_search_in_another_store_returns_no_half_of_what_is_published_meanwhile(
    database: Database,
) -> None:
    store = MemoryStore()
    corpus = await make_corpus(database, store)
    published = await corpus.add("a.txt", "Badgers dig.", "Foxes run.")

    class Interrupted(MemoryStore):
        """The same memory, and a document that is published after the search has begun."""

        def __init__(self) -> None:
            super().__init__()
            self._indexes = store._indexes

        async def nearest(self, *args: Any, **kwargs: Any) -> list[tuple[int, float]]:
            await corpus.add("a.txt", "Badgers sleep.", "Foxes run.")
            return await super().nearest(*args, **kwargs)

    hits = await search(corpus.into(Interrupted()), "badgers and foxes")
    # Memory has forgotten the old chunk, which its words still find, and holds the new one, which is not there yet.
    assert {*texts(hits)} == {"Foxes run.", "Badgers dig."}
    assert {hit.passage.revision for hit in hits} == {1}
    assert {*texts(await search(corpus, "badgers and foxes"))} == {"Badgers sleep.", "Foxes run."}
    assert hits[0].passage.document_id == published.document_id


async def test_a_search_leaves_its_connection_fit_to_write(animals: Corpus, dsn: str) -> None:
    async with Database(dsn, max_connections=1) as narrow:
        alone = Searcher(
            database=narrow,
            store=animals.store,
            embedder=animals.embedder,
            query_embedder=QueryBagOfWords(animals.embedder),
            reranker=None,
            policy=SearchPolicy(),
        )
        await alone.search(animals.collection, "badgers", k=1, scope=EVERYTHING)
        await narrow.execute("UPDATE documents SET size_bytes = 1 WHERE id = %(id)s", {"id": UUID(int=0)})
        with pytest.raises(IndexMismatchError):
            await searcher(animals, embedder=BagOfWords(3)).search(
                animals.collection, "badgers", k=1, scope=EVERYTHING
            )
        row = await narrow.fetch_one("SELECT current_setting('transaction_isolation') AS level")
        assert row == {"level": "read committed"}


async def test_copies_are_places_of_the_hit_that_they_repeat_and_others_take_their_turn(
    corpus: Corpus,
) -> None:
    for path in ("a.txt", "b.txt", "c.txt"):
        await corpus.add(path, "Badgers dig at night.")
    await corpus.add("d.txt", "Badgers sleep.")
    first, second = await search(corpus, "badgers dig at night", k=2)
    assert (first.passage.text, second.passage.text) == ("Badgers dig at night.", "Badgers sleep.")
    assert {first.passage.path, *(place.path for place in first.also_at)} == {"a.txt", "b.txt", "c.txt"}
    every = PassagePolicy(drop_copies=False)
    assert len(await search(corpus, "badgers dig at night", passages=every)) == 4


async def test_a_copy_is_no_place_for_a_caller_who_may_not_read_it(corpus: Corpus) -> None:
    await corpus.add("seen.txt", "Badgers dig at night.")
    await corpus.add("hidden.txt", "Badgers dig at night.", readers=["user:ann"])
    (hit,) = await search(corpus, "badgers dig", scope=Scope.of([]))
    assert (hit.passage.path, hit.also_at) == ("seen.txt", ())


async def test_documents_take_turns_where_the_caller_says_so(corpus: Corpus) -> None:
    await corpus.add("long.txt", "Badgers dig at night.", "Badgers dig by day.", "Badgers dig in spring.")
    await corpus.add("short.txt", "Badgers sleep somewhere else in winter.")
    asked = searcher(corpus)
    hits = await asked.search(
        corpus.collection,
        "badgers dig",
        k=2,
        scope=EVERYTHING,
        passages=PassagePolicy(max_per_document=1),
    )
    assert {hit.passage.path for hit in hits} == {"long.txt", "short.txt"}
    assert {hit.passage.path for hit in await search(corpus, "badgers dig", k=2)} == {"long.txt"}


async def test_neighbours_are_one_passage_where_the_caller_says_so(corpus: Corpus) -> None:
    await corpus.add("a.txt", "Badgers dig.", "They do so at night.", "Badgers sleep.")
    (hit,) = await search(corpus, "badgers", k=3, passages=PassagePolicy(merge=True))
    assert hit.passage.text == "Badgers dig.\n\nThey do so at night.\n\nBadgers sleep."
    assert (hit.passage.char_start, hit.passage.char_end) == (0, len(hit.passage.text))


async def test_several_texts_find_what_each_of_them_finds(animals: Corpus) -> None:
    queries = SearchQueries(question="at the zoo", texts=("badgers dig tunnels", "tickets cost euros"))
    reranker = LongestFirst()
    hits = await searcher(animals, reranker=reranker, rerank=eager(4, 0.0)).search(
        animals.collection, queries, k=4, scope=EVERYTHING
    )
    assert {*texts(hits)} >= {"badgers dig tunnels below the garden", "tickets cost four euros"}
    assert {question for question, _ in reranker.read} == {"at the zoo"}


async def test_a_made_up_passage_moves_the_vector_and_not_the_words(animals: Corpus) -> None:
    queries = SearchQueries(question="zebras", texts=("zebras",), hypothetical=("tickets cost four euros",))
    (hit,) = await searcher(animals).search(animals.collection, queries, k=1, scope=EVERYTHING)
    assert (hit.passage.text, hit.bm25) == ("tickets cost four euros", 0.0)


async def test_filters_narrow_both_lists(corpus: Corpus) -> None:
    await corpus.add("docs/a.md", "badgers dig")
    await corpus.add("mail/b.md", "badgers dig deep")
    for question in ("badgers dig deep", "zebras"):
        found = await searcher(corpus).search(
            corpus.collection, question, k=5, scope=EVERYTHING, filters=Filters(paths=("docs/*",))
        )
        assert texts(found) == ["badgers dig"]


async def test_a_file_of_which_nobody_says_when_it_was_changed_has_no_time(corpus: Corpus) -> None:
    """What is kept of a file of the web tells its states apart, and would be any day up to 2262."""
    draft = replace(corpus.draft("a.txt", ["badgers dig"]), mtime_ns=2**62)
    await corpus.publish(draft)
    later, earlier = Filters(modified_from=MILLENNIUM), Filters(modified_before=MILLENNIUM)

    async def hits(filters: Filters = NO_FILTERS) -> list[Hit]:
        return await searcher(corpus).search(
            corpus.collection, "badgers", k=5, scope=EVERYTHING, filters=filters
        )

    assert [hit.passage.modified_at and hit.passage.modified_at.year for hit in await hits()] == [2116]
    assert [len(await hits(later)), len(await hits(earlier))] == [1, 0]
    await corpus.database.execute(
        "UPDATE sources SET kind = 'web' WHERE id = %(id)s", {"id": corpus.source_id}
    )
    assert [hit.passage.modified_at for hit in await hits()] == [None]
    assert [len(await hits(later)), len(await hits(earlier))] == [0, 0]
