"""What a caller may not see does not exist for them.

A world of documents whose readers change is asked all that can be asked over HTTP, by callers who may read different
parts of it. Then, for each caller, everything that they may not read is taken out of a copy of the world, as if it had
never been, and the copy is asked the same: every response has to be the same, to the byte.

The world remembers answers and vectors of questions, which were kept when others asked and readers were others; the
copies remember nothing. Jobs that were answered before readers changed are shown, and told to webhooks, afterwards.
"""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import numpy as np
import psycopg
import pytest
from numpy.typing import NDArray
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from pydantic import SecretStr

from generation.answers import AnswerPolicy
from generation.caching import AnswerCache
from ingest.parsers import ParserPolicy
from retrieval.batching import EmbeddingBatcher, ScoringBatcher
from retrieval.database import Database
from retrieval.kept import Kept
from retrieval.lexical import Bm25Policy
from retrieval.query_vectors import KeptVectors, RememberingEmbedder
from retrieval.records import Scope
from retrieval.reranking import RerankPolicy
from retrieval.search import Searcher, SearchPolicy
from retrieval.stores import VectorStore
from retrieval.stores.pgvector import PgvectorStore
from service.footnote import Footnote
from service.http.cursors import encode_cursor
from service.keys import create_key
from service.sections import DatabaseSettings, WebhooksSettings
from service.settings import Settings
from tests.retrieval.corpus import BagOfWords
from tests.service.access_jobs import Jobs, ToldOfJob
from tests.service.access_world import CALLERS, COLLECTIONS, KEPT_TO, ROLES, SHARED, World
from tests.service.http.conftest import open_house
from tests.service.webhooks.receiver import Receiver, receiving
from tests.service.workers import LOOPBACK

EXACT = Bm25Policy()
BY_SEGMENTS = Bm25Policy(scan_below=0)
EVERYTHING_FOUND = 1_000
_MADE = re.compile(
    rb'"id":"chatcmpl-[0-9a-f-]{36}","object":"chat.completion","created":[0-9]{10}|"answer_id":"[0-9a-f-]{36}"'
)
SAME_TRACE = f"00-{1:032x}-{1:016x}-00"
NARROWED: tuple[Mapping[str, object], ...] = (
    {},
    {"filters": {"paths": ["hr/"]}},
    {"filters": {"paths": ["*a-*", "Ä*"], "metadata": {"team": "hr"}}, "max_per_document": 1},
    {"filters": {"media_types": ["text/*"], "metadata": {"team": "sales"}}},
)


class SharedWords:
    """A reranker: the more of the question's words a passage has, the better it answers."""

    name = "shared words"
    max_tokens = 512
    parallelism = 1
    batch_size = 32

    def score(self, pairs: Sequence[tuple[str, str]]) -> NDArray[np.float32]:
        return np.array([-9 + 16 * self._share(*pair) for pair in pairs], dtype=np.float32)

    def _share(self, question: str, passage: str) -> float:
        asked = {*question.lower().split()}
        return len(asked & {*passage.lower().replace(".", " ").split()}) / max(len(asked), 1)

    def close(self) -> None:
        """Nothing to close."""


@asynccontextmanager
async def footnote_over(
    dsn: str, store: VectorStore, home: Path, *, bm25: Bm25Policy, remembers: bool = False
) -> AsyncIterator[Footnote]:
    embedder, reranker = BagOfWords(), SharedWords()
    vectors: KeptVectors | None = Kept(max_bytes=2**24, max_age_s=3_600) if remembers else None
    answers = AnswerCache(Kept(max_bytes=2**24, max_age_s=3_600)) if remembers else None
    async with (
        Database(dsn, max_connections=3) as database,
        EmbeddingBatcher(embedder) as embedding,
        ScoringBatcher(reranker) as scoring,
    ):
        yield Footnote(
            settings=Settings(
                home=home,
                database=DatabaseSettings(dsn=SecretStr(dsn)),
                webhooks=WebhooksSettings(allow_networks=LOOPBACK),
            ),
            database=database,
            store=store,
            embedder=embedder,
            reranker=reranker,
            embedding=embedding,
            parser_policy=ParserPolicy(),
            scoring=scoring,
            searcher=Searcher(
                database=database,
                store=store,
                embedder=embedder,
                query_embedder=embedding
                if vectors is None
                else RememberingEmbedder(embedding, embedder.identity, vectors),
                reranker=scoring,
                policy=SearchPolicy(bm25=bm25, rerank=RerankPolicy(budget_ms=1e9)),
            ),
            llm=None,
            answer_policy=AnswerPolicy(),
            answer_cache=answers,
            query_vectors=vectors,
        )


@asynccontextmanager
async def copy_of(dsn: str) -> AsyncIterator[str]:
    """A copy of a database to which nobody is connected."""
    original = sql.Identifier(str(conninfo_to_dict(dsn)["dbname"]))
    name = f"test_{uuid4().hex}"
    copy = sql.Identifier(name)
    server = make_conninfo(dsn, dbname="postgres")
    async with await psycopg.AsyncConnection.connect(server, autocommit=True) as connection:
        await connection.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(copy, original))
        yield make_conninfo(dsn, dbname=name)
        await connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(copy))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request, and whether its response may depend on how much there is that the caller cannot see.

    Scores may, where a caller may read too much for each chunk to be looked at (docs/architecture.md).
    """

    method: str
    url: str
    body: Mapping[str, object] | None = None
    headers: Mapping[str, str] | None = None
    is_ranked: bool = False

    @property
    def finds_everything(self) -> bool:
        asked = self.body or {}
        return "query" in asked and asked.get("k") == EVERYTHING_FOUND and "merge" not in asked


def all_requests(world: World, chance: random.Random) -> list[Asked]:
    """All that there is to ask of a world, whoever asks."""
    return [*_questions(world, chance), *_lists(world, chance), *_documents(world)]


def _questions(world: World, chance: random.Random) -> Iterator[Asked]:
    marks = [life.marks[-1] for life in chance.sample(world.lives, min(4, len(world.lives)))]
    texts = [chance.choice(life.texts) for life in chance.sample(world.lives, min(2, len(world.lives)))]
    questions = [
        " ".join(chance.sample(SHARED, 3)),
        f"the {chance.choice(SHARED)} nobody ever wrote",
        *(f"{mark} {chance.choice(SHARED)}" for mark in marks),
        f"The {marks[0]} is {chance.choice(SHARED)}.",
        *texts,
    ]
    for collection in (*COLLECTIONS, "nowhere"):
        asked = questions if collection == "default" else questions[:2]
        for number, question in enumerate(asked):
            k = (EVERYTHING_FOUND, 1, 3)[number % 3]
            body = {"collection": collection, "k": k, **chance.choice(NARROWED)}
            query = {"query": question, **body}
            yield Asked(method="POST", url="/v1/search", body=query, is_ranked=True)
            yield Asked(method="POST", url="/v1/search", body={**query, "merge": True}, is_ranked=True)
            yield Asked(method="POST", url="/v1/ask", body={"question": question, **body}, is_ranked=True)
            streamed = {"question": question, **body, "stream": True}
            yield Asked(method="POST", url="/v1/ask", body=streamed, is_ranked=True)
            yield Asked(method="POST", url="/v1/chat/completions", body=_chat(question, body), is_ranked=True)
            narrowed = {name: value for name, value in body.items() if name != "max_per_document"}
            tool = {"query": question, **narrowed, "k": min(k, 100)}
            if number % 2:
                yield _call("search", tool, is_ranked=True)
            else:
                yield _call("ask", {**tool, "question": question, "query": None}, is_ranked=True)
    yield Asked(method="POST", url="/v1/search", body={"query": "  "})


def _chat(question: str, body: Mapping[str, object]) -> Mapping[str, object]:
    """The same, as a client of OpenAI's API asks it."""
    options = {name: value for name, value in body.items() if name != "collection"}
    messages = [{"role": "user", "content": question}]
    return {"model": f"footnote/{body['collection']}", "messages": messages, "footnote": options}


def _call(tool: str, arguments: Mapping[str, object], *, is_ranked: bool = False) -> Asked:
    """A call of a tool at /mcp."""
    given = {name: value for name, value in arguments.items() if value is not None}
    return _message("tools/call", {"name": tool, "arguments": given}, is_ranked=is_ranked)


def _message(method: str, params: Mapping[str, object], *, is_ranked: bool = False) -> Asked:
    body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
    accept = {"Accept": "application/json, text/event-stream"}
    return Asked(method="POST", url="/mcp", body=body, headers=accept, is_ranked=is_ranked)


def _lists(world: World, chance: random.Random) -> Iterator[Asked]:
    yield Asked(method="GET", url="/v1/models")
    yield _message("tools/list", {})
    yield Asked(method="GET", url="/v1/collections")
    yield Asked(method="GET", url="/v1/collections?limit=1")
    for collection in (*COLLECTIONS, "nowhere"):
        yield Asked(method="GET", url=f"/v1/collections/{collection}")
        yield Asked(method="GET", url=f"/v1/collections?cursor={encode_cursor(collection, UUID(int=0))}")
        place = f"/v1/documents?collection={collection}"
        yield Asked(method="GET", url=place)
        for narrowed in ("status=any", "status=any&path=hr/&media_type=text/*"):
            yield Asked(method="GET", url=f"{place}&{narrowed}")
        yield Asked(method="GET", url=f"/v1/models/footnote/{collection}")
        for life in chance.sample(world.lives, min(2, len(world.lives))):
            cursor = encode_cursor(life.path, life.id)
            yield Asked(method="GET", url=f"/v1/documents?collection={collection}&limit=2&cursor={cursor}")


def _documents(world: World) -> Iterator[Asked]:
    for life in (*world.lives, None):
        place = f"/v1/documents/{UUID(int=7) if life is None else life.id}"
        numbers = range(1, (0 if life is None else len(life.texts)) + 2)
        yield Asked(method="GET", url=place)
        yield Asked(method="GET", url=f"{place}/text")
        yield Asked(method="GET", url=f"{place}/chunks")
        # What nobody has seen is neither changed nor deleted, but whether it could be tells that it is there.
        seen = {"If-Match": '"never"'}
        readers = {"readers": ["public"]}
        yield Asked(method="PATCH", url=place, body=readers, headers=seen)
        yield Asked(method="DELETE", url=place, headers=seen)
        for number in numbers:
            yield Asked(method="GET", url=f"{place}/text?revision={number}")
            yield Asked(method="GET", url=f"{place}/revisions/{number}?char_start=0")
            yield Asked(method="GET", url=f"{place}/revisions/{number}/pages/1/image")
            asked = {"document": place.rpartition("/")[2], "revision": number}
            yield _call("get_document", asked)
        if life is not None:
            # Whoever guesses a text must not have it confirmed.
            tag = f'"{sha256(life.texts[0].encode()).hexdigest()[:32]}"'
            yield Asked(method="GET", url=f"{place}/text?revision=1", headers={"If-None-Match": tag})


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A response, all of it but for when it was made and which it is."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @classmethod
    def of(cls, response: httpx.Response) -> Told:
        return cls(
            status=response.status_code,
            # An answer's id is drawn by lot.
            headers=tuple(
                sorted((name, value) for name, value in response.headers.items() if name != "footnote-answer")
            ),
            body=_MADE.sub(b"", response.content),
        )

    def found(self) -> set[tuple[str, int]]:
        """Where hits and their copies are, without their order and scores."""
        hits = httpx.Response(200, content=self.body).json().get("hits", [])
        return {(place["document"], place["char_start"]) for hit in hits for place in (hit, *hit["also_at"])}


async def tell(client: httpx.AsyncClient, key: str, requests: Sequence[Asked]) -> list[Told]:
    headers = {"Authorization": f"Bearer {key}", "X-Request-ID": "the-same", "traceparent": SAME_TRACE}
    return [
        Told.of(
            await client.request(
                asked.method, asked.url, json=asked.body, headers={**headers, **(asked.headers or {})}
            )
        )
        for asked in requests
    ]


async def tell_pages(client: httpx.AsyncClient, key: str, collection: str) -> list[Told]:
    """A whole list, two documents at a time."""
    told: list[Told] = []
    url: str | None = f"/v1/documents?collection={collection}&limit=2"
    while url is not None:
        told += await tell(client, key, [Asked(method="GET", url=url)])
        following = httpx.Response(200, content=told[-1].body).json().get("next")
        url = following and f"/v1/documents?collection={collection}&limit=2&cursor={following}"
    return told


async def live(world: World, client: httpx.AsyncClient, keys: Mapping[str, str], *, events: int) -> None:
    """Let the world go its way, and be asked on it, so that what was told before can show afterwards."""
    for _ in range(3):
        await world.happen(events)
        requests = all_requests(world, random.Random(world.count))
        for name in world.chance.sample(sorted(CALLERS), 2):
            told = await tell(client, keys[name], world.chance.sample(requests, 10))
            check_no_secret(world, name, told)
    await world.end_some()


def check_not_void(told: Sequence[Told]) -> None:
    """What is compared has to be worth it: hits, answers, refusals, texts, and much that is not there."""
    assert any(response.found() for response in told if response.body.startswith(b'{"hits"'))
    assert any(b'"also_at":[{' in response.body for response in told)
    assert any(b'"status":"answered"' in response.body for response in told)
    assert any(b'"status":"refused"' in response.body for response in told)
    assert any(b'"status":"failed"' in response.body for response in told)
    assert any(b'"structuredContent"' in response.body for response in told)
    assert any(b'"annotations":[{"type":"url_citation"' in response.body for response in told)
    assert {200, 404, 412, 422} <= {response.status for response in told}


def scope_of(caller: str) -> Scope:
    return Scope.of(CALLERS[caller], collections=KEPT_TO.get(caller))


def check_no_secret(world: World, caller: str, told: Sequence[Told]) -> None:
    secrets = [word.encode() for word in world.secrets_from(scope_of(caller))]
    for response in told:
        whole = response.body + repr(response.headers).encode()
        assert not [word for word in secrets if word in whole], (caller, response)


def job_requests(requests: Sequence[Asked]) -> list[Mapping[str, object]]:
    """The questions, to be answered later."""
    return [
        each.body for each in requests if each.url == "/v1/ask" and each.body and "stream" not in each.body
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """What a caller was told of the world: at once, and of jobs that were put in before and after readers changed."""

    told: list[Told]
    shown: list[ToldOfJob]
    late: list[ToldOfJob]


@dataclass(frozen=True, slots=True, kw_only=True)
class Inquiry:
    """What every caller asks, of the world and of its copies. `later`: what is to be answered by jobs."""

    requests: Sequence[Asked]
    later: Sequence[Mapping[str, object]]
    keys: Mapping[str, str]
    receiver: Receiver

    async def ask(self, jobs: Jobs, caller: str, early: Sequence[UUID]) -> Remembered:
        """Ask everything; `early` are jobs of the caller that were put in before."""
        client = jobs.client
        told = await tell(client, self.keys[caller], self.requests)
        for collection in COLLECTIONS:
            told += await tell_pages(client, self.keys[caller], collection)
        shown = await jobs.show(early) + await jobs.deliver(early)
        accepted, late = await jobs.put_in(self.later[:: max(1, len(self.later) // 4)])
        late += await jobs.show(accepted) + await jobs.deliver(accepted)
        return Remembered(told=told, shown=shown, late=[each.without_times() for each in late])

    def jobs_of(self, caller: str, footnote: Footnote, client: httpx.AsyncClient) -> Jobs:
        return Jobs(footnote=footnote, client=client, key=self.keys[caller], receiver=self.receiver)


async def check_world(
    dsn: str, store: VectorStore, home: Path, *, seed: int, bm25: Bm25Policy, events: int, callers: int
) -> None:
    chance = random.Random(seed)
    is_exact = bm25 is EXACT
    before: dict[str, Remembered] = {}
    with receiving() as receiver:
        async with (
            footnote_over(dsn, store, home, bm25=bm25, remembers=True) as footnote,
            open_house(footnote) as house,
        ):
            world = World(database=footnote.database, store=store, embedder=BagOfWords(), chance=chance)
            await world.begin()
            keys = {
                name: (
                    await create_key(
                        footnote.database,
                        name=name,
                        principals=principals,
                        role=ROLES.get(name, "editor"),
                        collections=KEPT_TO.get(name),
                    )
                ).key
                for name, principals in CALLERS.items()
            }
            await live(world, house.client, keys, events=events)
            asking = ["all", "clerk", *chance.sample(sorted(CALLERS.keys() - {"all", "clerk"}), callers - 2)]
            requests = all_requests(world, chance)
            await tell(house.client, keys["all"], [each for each in requests if each.is_ranked])
            inquiry = Inquiry(
                requests=requests,
                later=job_requests(requests),
                keys=keys,
                receiver=receiver,
            )
            of = {name: inquiry.jobs_of(name, footnote, house.client) for name in asking}
            early = {name: (await jobs.put_in(inquiry.later))[0] for name, jobs in of.items()}
            await world.regrant_some()
            for corpus in world.corpora.values():
                await store.optimize(corpus.index, footnote.database)
            for name, jobs in of.items():
                before[name] = await inquiry.ask(jobs, name, early[name])
            check_kept(footnote)
        check_not_void([response for known in before.values() for response in known.told])
        if is_exact:
            check_jobs_not_void(before.values())
        for name, known in before.items():
            check_no_secret(world, name, known.told)
            check_no_secret_in_jobs(world, name, [*known.shown, *known.late])
            async with (
                copy_of(dsn) as copied,
                footnote_over(copied, store, home, bm25=bm25) as footnote,
                open_house(footnote) as house,
            ):
                await world.forget_unseen(footnote.database, scope_of(name))
                jobs = inquiry.jobs_of(name, footnote, house.client)
                await jobs.tell_anew()
                expected = await inquiry.ask(jobs, name, early[name])
                for asked, here, there in zip(requests, known.told, expected.told, strict=False):
                    if is_exact or not asked.is_ranked:
                        assert here == there, (name, asked)
                    else:
                        assert here.status == there.status, (name, asked)
                        if asked.finds_everything:
                            assert here.found() == there.found(), (name, asked)
                assert known.told[len(requests) :] == expected.told[len(requests) :], name
                assert known.shown == expected.shown, name
                if is_exact:
                    assert known.late == expected.late, name
                else:
                    assert [each.status for each in known.late] == [each.status for each in expected.late], (
                        name
                    )


def check_kept(footnote: Footnote) -> None:
    """What was kept was of use, so that it could have told of what it should not."""
    assert all(figures.hits for figures in footnote.cache_figures().values())


def check_jobs_not_void(told: Iterable[Remembered]) -> None:
    """Jobs were answered, and some of what they said was taken back."""
    known = list(told)
    shown = [each for every in known for each in every.shown]
    assert {200, 410} <= {each.status for each in shown}
    assert any('"status":"answered"' in each.body for each in shown)
    assert any('"withheld": "' in each.body for each in shown)
    late = [each for every in known for each in every.late]
    assert {200, 202, 404} <= {each.status for each in late}
    assert any('"status": "answered"' in each.body for each in late), "no webhook has told an answer"


def check_no_secret_in_jobs(world: World, caller: str, told: Sequence[ToldOfJob]) -> None:
    secrets = world.secrets_from(scope_of(caller))
    for each in told:
        assert not [word for word in secrets if word in each.without_question()], (caller, each)


def search_by_graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have graphs built and walked also where so few chunks could be compared one by one."""
    for module in ("graphs", "pgvector"):
        monkeypatch.setattr(f"retrieval.stores.{module}.EXACT_BELOW", 0)


async def check_store(kind: str, dsn: str, home: Path, *, seed: int, bm25: Bm25Policy, **sizes: int) -> None:
    if kind == "pgvector":
        await check_world(dsn, PgvectorStore(), home, seed=seed, bm25=bm25, **sizes)
        return
    from retrieval.stores.qdrant.store import QdrantStore

    store = QdrantStore(words=kind == "qdrant with words")
    try:
        await check_world(dsn, store, home, seed=seed, bm25=bm25, **sizes)
    finally:
        await store.close()


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("kind", "seed"), [("pgvector", 2), ("qdrant", 3)])
async def test_a_caller_cannot_tell_a_world_from_one_without_what_they_may_not_see(
    dsn: str, tmp_path: Path, kind: str, seed: int
) -> None:
    await check_store(kind, dsn, tmp_path, seed=seed, bm25=EXACT, events=4, callers=3)


@pytest.mark.timeout(600)
async def test_nor_where_graphs_and_segments_are_searched_save_for_scores(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    search_by_graph(monkeypatch)
    await check_store("pgvector", dsn, tmp_path, seed=4, bm25=BY_SEGMENTS, events=4, callers=3)


@pytest.mark.soak
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("way", ["pgvector", "qdrant", "graphs and segments", "qdrant with words"])
@pytest.mark.parametrize("seed", range(1_000, 1_012))
async def test_a_caller_cannot_tell_in_many_and_larger_worlds(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, seed: int
) -> None:
    is_exact = way in {"pgvector", "qdrant"}
    if not is_exact:
        search_by_graph(monkeypatch)
    await check_store(
        way if way.startswith("qdrant") else "pgvector",
        dsn,
        tmp_path,
        seed=seed,
        bm25=EXACT if is_exact else BY_SEGMENTS,
        events=5 + seed % 30,
        callers=len(CALLERS),
    )
