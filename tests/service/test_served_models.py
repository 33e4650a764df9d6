"""The built service with embedder and reranker behind a server: a real little one, which asks the session's models."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import SecretStr

from generation.errors import OutsideNotAllowedError
from ingest.reports import RefreshReport
from retrieval.collections import allow_outside, ensure_collection
from retrieval.embedders import Embedder
from retrieval.errors import IndexMismatchError, ModelError, ModelUnavailableError
from retrieval.records import Scope
from retrieval.rerankers import Reranker
from service.cli import run
from service.footnote import Footnote
from service.indexes import Terms, reindex
from service.ingestion import ingest_path
from service.sections import DatabaseSettings, EmbedderSettings, RerankerSettings
from service.settings import Settings
from service.targets import SourceRules
from service.wiring import open_footnote, open_intake
from tests.retrieval.model_servers.model_server import ModelServerOfTests, Reply, serving
from tests.service.http.conftest import open_house
from tests.service.test_ingestion import Silent

KEY = "sk-hunter2-and-more"
QUESTION = "How many days of paid leave do I have?"
ANSWER = "Everyone has 28 days of paid leave a year."

Configure = Callable[..., Settings]


@pytest.fixture
def server(embedder: Embedder, reranker: Reranker) -> Iterator[ModelServerOfTests]:
    with serving() as served:
        served.embed = embedder.embed_documents
        served.score = reranker.score
        yield served


@pytest.fixture
def configure(server: ModelServerOfTests, dsn: str, tmp_path: Path, weights_cache: Path) -> Configure:
    """Settings with both models behind the server, inside unless told otherwise."""

    def make(*, embedder: dict[str, Any] | None = None, reranker: dict[str, Any] | None = None) -> Settings:
        served: dict[str, Any] = {
            "kind": "remote",
            "base_url": server.url,
            "api_key": SecretStr(KEY),
            "location": "inside",
        }
        return Settings(
            home=weights_cache.parent,  # where the tests keep the default models
            database=DatabaseSettings(dsn=SecretStr(dsn)),
            embedder=EmbedderSettings(
                **{
                    **served,
                    "model": "BAAI/bge-small-en-v1.5",
                    "tokenizer": "bge-small-en-v1.5",
                    **(embedder or {}),
                }
            ),
            reranker=RerankerSettings(
                **{
                    **served,
                    "model": "ms-marco-MiniLM-L-12-v2",
                    "tokenizer": "ms-marco-MiniLM-L-12-v2",
                    "form": "vllm",
                    **(reranker or {}),
                }
            ),
        )

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "papers"
    root.mkdir()
    (root / "leave.md").write_text(f"# Leave\n\n{ANSWER}\n")
    (root / "hotels.md").write_text("# Hotels\n\nA night in Vienna may cost 140 euros.\n")
    return root


async def ingest(footnote: Footnote, folder: Path, *, collection: str = "default") -> RefreshReport:
    async with footnote.parser_pool() as pool:
        return await ingest_path(
            footnote, pool, folder, collection=collection, rules=SourceRules(), progress=Silent()
        )


def texts_seen(server: ModelServerOfTests) -> str:
    return str(server.bodies)


async def test_what_is_ingested_is_found_and_answers(configure: Configure, folder: Path) -> None:
    async with open_footnote(configure(), report=print) as footnote:
        report = await ingest(footnote, folder)
        assert (report.added, report.failed) == (2, [])
        answer = await footnote.ask("default", QUESTION, scope=Scope.everything())
        assert answer.citations[0].quote == ANSWER
    async with open_footnote(configure(), report=print) as again:
        assert (await again.search("default", QUESTION, k=1, scope=Scope.everything())).hits[0].passage.text


async def test_an_outage_of_the_embedder_s_server_is_waited_out_during_ingestion(
    server: ModelServerOfTests, configure: Configure, folder: Path
) -> None:
    async with open_footnote(configure(), report=print) as footnote:
        ends_at = time.monotonic() + 4
        server.refuses = lambda body: Reply(status=503) if time.monotonic() < ends_at else None
        report = await ingest(footnote, folder)
    assert time.monotonic() > ends_at
    assert (report.added, report.failed) == (2, [])


async def test_an_outage_during_a_question_is_a_problem_that_says_what_is_away(
    server: ModelServerOfTests, configure: Configure, folder: Path
) -> None:
    async with open_footnote(configure(), report=print) as footnote, open_house(footnote) as house:
        await ingest(footnote, folder)
        server.refuses = lambda body: Reply(status=503)
        response = await house.client.post("/v1/search", json={"query": "What does a hotel cost?"})
    told = response.json()
    assert (response.status_code, told["type"]) == (503, "urn:footnote:problem:model-unavailable")
    assert response.headers["Retry-After"] == "5"
    assert "the embedder 'BAAI/bge-small-en-v1.5' at http://127.0.0.1" in told["detail"]
    assert KEY not in response.text


async def test_an_embedder_outside_sees_only_collections_that_allow_it(
    server: ModelServerOfTests, configure: Configure, folder: Path
) -> None:
    settings = configure(embedder={"location": "outside"})
    async with open_footnote(settings, report=print) as footnote:
        with pytest.raises(
            OutsideNotAllowedError, match=r"the embedder .* FOOTNOTE_EMBEDDER__LOCATION=inside"
        ):
            await ingest(footnote, folder)
        await allow_outside(footnote.database, "default", allow=True)
        assert (await ingest(footnote, folder)).added == 2
        await allow_outside(footnote.database, "default", allow=False)
        server.bodies.clear()
        for ask in (footnote.ask("default", QUESTION, scope=Scope.everything()), _search(footnote)):
            with pytest.raises(OutsideNotAllowedError):
                await ask
        with pytest.raises(OutsideNotAllowedError):
            await reindex(
                footnote,
                "default",
                configured=settings,
                terms=Terms(),
                tell=print,
                progress=lambda done, total: None,
            )
        assert texts_seen(server) == "[]"
    async with open_footnote(settings, report=print):
        assert "paid leave" not in texts_seen(server), "nor is it shown the index to see whether it fits"


async def _search(footnote: Footnote) -> object:
    return await footnote.search("default", QUESTION, k=3, scope=Scope.everything())


async def test_a_reranker_outside_is_asked_about_nothing_that_may_not_leave(
    server: ModelServerOfTests, configure: Configure, folder: Path
) -> None:
    async with open_footnote(configure(reranker={"location": "outside"}), report=print) as footnote:
        assert (await ingest(footnote, folder)).added == 2
        server.bodies.clear()
        with pytest.raises(OutsideNotAllowedError, match=r"the reranker .* FOOTNOTE_RERANKER__LOCATION"):
            await footnote.ask("default", QUESTION, scope=Scope.everything())
        assert texts_seen(server) == "[]"
        await allow_outside(footnote.database, "default", allow=True)
        assert (await footnote.ask("default", QUESTION, scope=Scope.everything())).citations


async def test_another_model_behind_the_same_name_is_neither_searched_nor_ingested_with(
    server: ModelServerOfTests, configure: Configure, folder: Path, embedder: Embedder
) -> None:
    async with open_footnote(configure(), report=print) as footnote:
        await ingest(footnote, folder)
    server.embed = lambda texts: np.roll(embedder.embed_documents(texts), 7, axis=1)
    with pytest.raises(IndexMismatchError, match=r"index 'default' .* another model runs behind the name"):
        async with open_footnote(configure(), report=print):
            pass
    async with open_intake(configure(), report=print) as intake, intake.parser_pool() as pool:
        with pytest.raises(IndexMismatchError, match="another model runs behind the name"):
            await intake.pipeline("default", pool)


async def test_of_many_indexes_the_one_that_another_model_made_is_named(
    server: ModelServerOfTests, configure: Configure, folder: Path, embedder: Embedder
) -> None:
    async with open_footnote(configure(), report=print) as footnote:
        async with footnote.parser_pool() as pool:
            for number in range(9):
                await footnote.pipeline(f"papers-{number}", pool)  # which have nothing in them, and fit
        await ingest(footnote, folder, collection="papers-8")
    server.embed = lambda texts: np.roll(embedder.embed_documents(texts), 7, axis=1)
    with pytest.raises(IndexMismatchError, match="index 'papers-8'"):
        async with open_footnote(configure(), report=print):
            pass


async def test_another_revision_that_is_set_is_another_index(configure: Configure, folder: Path) -> None:
    async with open_footnote(configure(), report=print) as footnote:
        await ingest(footnote, folder)
    async with open_footnote(configure(embedder={"revision": "2"}), report=print) as footnote:
        with pytest.raises(IndexMismatchError, match="footnote reindex"):
            await ingest(footnote, folder)


async def test_a_server_that_is_away_keeps_the_service_from_starting_and_is_named(
    configure: Configure,
) -> None:
    settings = configure(reranker={"base_url": "http://127.0.0.1:9"})
    with pytest.raises(
        ModelUnavailableError, match=r"the reranker .* at http://127\.0\.0\.1:9 cannot be reached"
    ):
        async with open_footnote(settings, report=print):
            pass


async def test_readiness_asks_a_server_outside_seldom_and_one_that_is_away_again(
    server: ModelServerOfTests, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.http.readiness._MAX_AGE_S", 0.0)
    settings = configure(embedder={"location": "outside"})
    async with open_footnote(settings, report=print) as footnote, open_house(footnote) as house:
        server.bodies.clear()
        for _ in range(3):
            assert (await house.client.get("/health/ready")).status_code == 200
        embedded, reranked = _asked(server)
        assert (embedded, reranked) == (1, 3)
    async with open_footnote(settings, report=print) as footnote, open_house(footnote) as house:
        server.refuses = lambda body: Reply(status=401)
        assert (await house.client.get("/health/ready")).status_code == 503
        server.refuses = lambda body: None
        assert (await house.client.get("/health/ready")).status_code == 200


def _asked(server: ModelServerOfTests) -> tuple[int, int]:
    """How often embeddings and rankings were asked for."""
    embedded = sum("input" in body for body in server.bodies)
    return embedded, len(server.bodies) - embedded


async def test_leaving_in_the_middle_of_an_outage_does_not_wait_for_its_end(
    server: ModelServerOfTests, configure: Configure
) -> None:
    async with open_intake(configure(), report=print) as intake:
        asked = threading.Event()

        def refuse(body: dict[str, Any]) -> Reply:
            asked.set()
            return Reply(status=429, headers={"Retry-After": "25"})

        server.refuses = refuse
        waiting = asyncio.create_task(intake.embedding.embed_documents(["a text"]))
        assert await asyncio.to_thread(asked.wait, 10)
        begun = time.monotonic()
    assert time.monotonic() - begun < 10
    with pytest.raises(ModelError):
        await waiting


async def test_an_index_without_vectors_fits_every_model(configure: Configure) -> None:
    async with open_intake(configure(), report=print) as intake, intake.parser_pool() as pool:
        await ensure_collection(intake.database, "default")
        await intake.pipeline("default", pool)
        await asyncio.gather(*(intake.pipeline("default", pool) for _ in range(3)))


def test_an_index_moves_from_the_default_embedder_to_one_behind_a_server(
    server: ModelServerOfTests,
    dsn: str,
    folder: Path,
    weights_cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("retrieval.dropping._GRACE_S", 0.05)

    def call(*arguments: str) -> dict[str, Any]:
        capfd.readouterr()
        status = run([*arguments, "--json"])
        out, err = capfd.readouterr()
        assert status == 0, err
        told = json.loads(out)
        assert isinstance(told, dict)
        return told

    for name, value in {
        "HOME": str(weights_cache.parent),
        "DATABASE__DSN": dsn,
        "PARSING__OCR": "off",
        "EMBEDDER__BASE_URL": server.url,
        "EMBEDDER__LOCATION": "inside",
        "EMBEDDER__TOKENIZER": "bge-small-en-v1.5",
        "INGEST__NICE": "0",  # the tests go on in this process
    }.items():
        monkeypatch.setenv(f"FOOTNOTE_{name}", value)
    assert call("ingest", str(folder))["added"] == 2
    assert server.bodies == []
    told = call("reindex", "--embedder", "remote", "--model", "BAAI/bge-small-en-v1.5")
    assert "remote" in told["embedder"]
    monkeypatch.setenv("FOOTNOTE_EMBEDDER__KIND", "remote")
    monkeypatch.setenv("FOOTNOTE_EMBEDDER__MODEL", "BAAI/bge-small-en-v1.5")
    assert call("search", QUESTION)["hits"][0]["path"] == "leave.md"
    assert call("ingest", str(folder))["unchanged"] == 2
