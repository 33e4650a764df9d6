"""GET /health/live, /health/ready and /metrics: for those without a key."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from retrieval.batching import EmbeddingBatcher
from retrieval.embedders import Embedder, EmbedderIdentity
from retrieval.errors import ModelError
from service.http.responses.health import ReadyBody
from service.keys import METRICS
from tests.service.http.conftest import House, open_house


async def test_it_is_alive_and_ready_without_a_key(house: House) -> None:
    stranger = {"Authorization": ""}
    alive = await house.client.get("/health/live", headers=stranger)
    ready = await house.client.get("/health/ready", headers=stranger)
    assert (alive.status_code, alive.json()) == (200, {"alive": True})
    assert ready.status_code == 200
    body = ReadyBody.model_validate(ready.json())
    assert body.ready
    assert list(body.parts) == ["database", "embedder", "reranker"]
    assert all(part.ready and part.detail.startswith("answered in ") for part in body.parts.values())


class _Broken:
    """A real embedder whose vectors have gone wrong, as a damaged model's would."""

    def __init__(self, inner: Embedder, vector: NDArray[np.float32] | None) -> None:
        self._inner = inner
        self._vector = vector

    @property
    def identity(self) -> EmbedderIdentity:
        return self._inner.identity

    @property
    def cosine_bounds(self) -> tuple[float, float]:
        return self._inner.cosine_bounds

    max_tokens = 512
    parallelism = 1
    batch_size = 1

    def count_tokens(self, text: str) -> int:
        return self._inner.count_tokens(text)

    def token_ends(self, text: str) -> Sequence[int]:
        return self._inner.token_ends(text)

    def embed_documents(self, texts: object) -> NDArray[np.float32]:
        raise AssertionError("readiness embeds a question")

    def embed_query(self, text: str) -> NDArray[np.float32]:
        if self._vector is None:
            raise ModelError("the model at /secret/place failed")
        return self._vector

    def close(self) -> None: ...


async def test_an_embedder_that_does_not_embed_is_named_without_its_place(
    house: House, embedder: Embedder
) -> None:
    for vector, detail in (
        (np.full(384, np.nan, dtype=np.float32), "it returns vectors that are none"),
        (np.ones(384, dtype=np.float32), "it returns vectors that are not of unit length"),
        (None, "it does not work; the service's log says why"),
    ):
        async with (
            EmbeddingBatcher(_Broken(embedder, vector)) as embedding,
            open_house(replace(house.footnote, embedding=embedding)) as broken,
        ):
            ready = await broken.client.get("/health/ready")
            assert (await broken.client.get("/health/live")).status_code == 200
        assert ready.status_code == 503
        assert ready.json()["ready"] is False
        assert ready.json()["parts"]["embedder"] == {"ready": False, "detail": detail}
        assert ready.json()["parts"]["database"]["ready"] is True


async def test_many_probes_ask_the_parts_once(house: House) -> None:
    answers = [(await house.client.get("/health/ready")).text for _ in range(20)]
    assert len(set(answers)) == 1


async def test_metrics_count_requests_by_route(house: House) -> None:
    document_id = await house.add("a.txt", "Cats sleep for most of the day.")
    await house.client.get(f"/v1/documents/{document_id}")
    await house.client.get("/v1/nowhere/at/all")
    await house.client.post("/v1/ask", json={"question": "What sleeps for most of the day?"})
    response = await house.client.get("/metrics", headers={"Authorization": ""})
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/plain; version=")
    for line in (
        'footnote_requests_total{method="GET",route="/v1/documents/{document_id}",status="200"} 1.0',
        'footnote_requests_total{method="GET",route="(none)",status="404"} 1.0',
        'footnote_request_seconds_count{method="POST",route="/v1/ask"} 1.0',
        'footnote_answers_total{status="answered"} 1.0',
        "footnote_database_up 1.0",
        "footnote_requests_running 1.0",
    ):
        assert line in response.text.splitlines()
    assert str(document_id) not in response.text


async def test_what_is_in_the_index_shows_only_to_a_key_for_metrics(house: House) -> None:
    await house.add("a.txt", "The merger is planned for May.", readers=["user:ann"], collection="merger")
    watcher = await house.client_as(METRICS)
    strangers: tuple[dict[str, str], ...] = ({"Authorization": ""}, {}, await house.client_as("user:ann"))
    for headers in strangers:
        response = await house.client.get("/metrics", headers=headers)
        assert response.status_code == 200
        assert "footnote_database_up 1.0" in response.text.splitlines()
        for name in ("merger", "footnote_collection", "footnote_index", "footnote_files"):
            assert name not in response.text
    shown = (await house.client.get("/metrics", headers=watcher)).text.splitlines()
    assert 'footnote_collection_documents{collection="merger"} 1.0' in shown
    assert 'footnote_collection_chunks{collection="merger"} 1.0' in shown
    assert 'footnote_requests_total{method="GET",route="/metrics",status="200"} 3.0' in shown


async def test_a_key_for_metrics_reads_no_documents(house: House) -> None:
    document_id = await house.add("a.txt", "The merger is planned for May.", readers=["user:ann"])
    watcher = await house.client_as(METRICS)
    assert (await house.client.get(f"/v1/documents/{document_id}", headers=watcher)).status_code == 404
    assert (await house.client.get("/v1/documents", headers=watcher)).status_code == 404


async def test_metrics_are_refused_to_a_key_that_is_not_in_force(house: House) -> None:
    response = await house.client.get("/metrics", headers={"Authorization": "Bearer fn_no"})
    assert response.status_code == 401


async def test_two_apps_in_one_process_count_apart(house: House) -> None:
    async with open_house(house.footnote) as other:
        await house.client.get("/health/live")
        metrics = await other.client.get("/metrics")
    assert "/health/live" not in metrics.text


async def test_there_are_no_pages_that_load_scripts_from_elsewhere(house: House) -> None:
    for path in ("/docs", "/redoc"):
        assert (await house.client.get(path)).status_code == 404
