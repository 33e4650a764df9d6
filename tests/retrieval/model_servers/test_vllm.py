"""Against vLLM's real server: where FOOTNOTE_TEST_VLLM_PYTHON names a Python that has it.

`tests/generation/llms/test_vllm.py` says how to make one. Both models have random weights: what they make of texts
makes no sense, but is always the same.
"""

from __future__ import annotations

import itertools
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import httpx2
import numpy as np
import pytest

from retrieval.embedders import RemoteEmbedderSpec
from retrieval.embedders.remote import RemoteEmbedder
from retrieval.errors import ModelError, ModelUnavailableError
from retrieval.model_servers.spec import RerankForm, ScoreKind, ServerSpec
from retrieval.rerankers import RemoteRerankerSpec
from retrieval.rerankers.remote import RemoteReranker

PYTHON = os.environ.get("FOOTNOTE_TEST_VLLM_PYTHON")
KEY = "sk-of-the-test"
STARTS_WITHIN_S = 600
TEXTS = ["the river in the city", "how many people live in the mountain", "", "é 漢字 🙂 \0", "where"] * 8
PAIRS = [("how many people live in the city", text) for text in TEXTS[:5]]

pytestmark = [
    pytest.mark.skipif(PYTHON is None, reason="FOOTNOTE_TEST_VLLM_PYTHON is not set"),
    pytest.mark.timeout(STARTS_WITHIN_S + 300),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """A running vLLM with one of the models."""

    section: Literal["embedder", "reranker"]
    process: subprocess.Popen[bytes]
    root: str
    folder: Path

    def spec(self, **changes: Any) -> ServerSpec:
        given: dict[str, Any] = {
            "section": self.section,
            "base_url": f"{self.root}/v1",
            "model": "tiny",
            "api_key": KEY,
            "location": "inside",
            "tokenizer": self.folder / "tokenizer.json",
            "max_tokens": 128,
        }
        return ServerSpec(**{**given, **changes})


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    script = Path(__file__).with_name("tiny_bert.py")
    subprocess.run([str(PYTHON), str(script), str(folder)], check=True, capture_output=True)
    return folder


@contextmanager
def running(folder: Path, section: Literal["embedder", "reranker"]) -> Iterator[Served]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        *(
            str(PYTHON),
            "-m",
            "vllm.entrypoints.openai.api_server",
            "--model",
            str(folder),
            "--runner",
            "pooling",
        ),
        *("--served-model-name", "tiny", "--host", "127.0.0.1", "--port", str(port), "--api-key", KEY),
        *("--enforce-eager", "--max-num-seqs", "8", "--dtype", "float32"),
    ]
    settings = {"VLLM_CPU_KVCACHE_SPACE": "1", "HF_HUB_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1"}
    log = folder / "serve.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command,
            env=os.environ | settings,
            cwd=folder,
            stdout=output,
            stderr=output,
            start_new_session=True,
        ) as process,
    ):
        try:
            root = f"http://127.0.0.1:{port}"
            until_it_answers(process, root, log)
            yield Served(section=section, process=process, root=root, folder=folder)
        finally:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill the server and the processes that it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(timeout=30)


def until_it_answers(process: subprocess.Popen[bytes], root: str, log: Path) -> None:
    ends_at = time.monotonic() + STARTS_WITHIN_S
    while process.poll() is None and time.monotonic() < ends_at:
        try:
            if httpx2.get(f"{root}/health", timeout=2).is_success:
                return
        except httpx2.TransportError:
            time.sleep(0.5)
    raise AssertionError(log.read_text(errors="replace")[-5_000:])


@pytest.fixture(scope="module")
def embedding_server(models: Path) -> Iterator[Served]:
    with running(models / "embedder", "embedder") as served:
        yield served


@pytest.fixture
def embedder(embedding_server: Served) -> Iterator[RemoteEmbedder]:
    made = RemoteEmbedder(RemoteEmbedderSpec(server=embedding_server.spec()))
    yield made
    made.close()


def test_it_embeds_as_many_texts_as_one_by_one(embedder: RemoteEmbedder) -> None:
    together = embedder.embed_documents(TEXTS)
    alone = np.stack([embedder.embed_documents([text])[0] for text in TEXTS])
    assert together.shape == (len(TEXTS), 64)
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)
    assert np.allclose(together, alone, atol=1e-4)
    distinct = {row.round(3).tobytes() for row in together}
    assert len(distinct) == 5


def test_base64_and_figures_are_the_same_vectors(embedding_server: Served, embedder: RemoteEmbedder) -> None:
    asked = {"model": "tiny", "input": TEXTS[:5], "encoding_format": "float"}
    response = httpx2.post(
        f"{embedding_server.root}/v1/embeddings", json=asked, headers={"Authorization": f"Bearer {KEY}"}
    )
    figures = np.array([entry["embedding"] for entry in response.json()["data"]])
    expected = figures / np.linalg.norm(figures, axis=1, keepdims=True)
    # An empty text is sent as a blank, which the tokenizer reads as the same.
    assert np.allclose(embedder.embed_documents(TEXTS[:5]), expected, atol=1e-4)


def test_a_text_beyond_the_longest_input_is_cut(embedder: RemoteEmbedder) -> None:
    room = "river " * 200
    rows = embedder.embed_documents([room, room + "mountain " * 300])
    assert float(rows[0] @ rows[1]) > 0.9999


def test_a_text_that_the_server_finds_too_long_is_named_and_the_others_go_on(
    embedding_server: Served,
) -> None:
    embedder = RemoteEmbedder(RemoteEmbedderSpec(server=embedding_server.spec(max_tokens=500)))
    with pytest.raises(
        ModelError, match=r"Number 3 of 4 was refused alone: a text of 1,200 characters"
    ) as caught:
        embedder.embed_documents(["the", "city", "river " * 200, "people"])
    assert not isinstance(caught.value, ModelUnavailableError)
    assert embedder.embed_documents(["the", "city", "people"]).shape == (3, 64)
    embedder.close()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"api_key": "sk-wrong"}, "FOOTNOTE_EMBEDDER__API_KEY"),
        ({"model": "other"}, "FOOTNOTE_EMBEDDER__MODEL"),
    ],
)
def test_a_wrong_setting_is_told_by_its_name(
    embedding_server: Served, changes: dict[str, str], told: str
) -> None:
    with pytest.raises(ModelUnavailableError, match=told):
        RemoteEmbedder(RemoteEmbedderSpec(server=embedding_server.spec(**changes)))


@pytest.fixture(scope="module")
def reranking_server(models: Path) -> Iterator[Served]:
    with running(models / "reranker", "reranker") as served:
        yield served


def logits(served: Served, form: RerankForm, scores: ScoreKind | None = None, **changes: Any) -> Any:
    spec = RemoteRerankerSpec(server=served.spec(**changes), form=form, scores=scores)
    reranker = RemoteReranker(spec)
    try:
        return reranker.score(PAIRS)
    finally:
        reranker.close()


def test_it_reranks_in_the_forms_of_vllm_jina_and_cohere(reranking_server: Served) -> None:
    raw = logits(reranking_server, "vllm")
    assert len({float(logit.round(3)) for logit in raw}) > 3
    assert np.abs(raw).max() > 1, "logits, not probabilities"
    root = reranking_server.root
    for form, base_url in itertools.product(("jina", "cohere"), (root, f"{root}/v1", f"{root}/v2")):
        made = logits(reranking_server, form, base_url=base_url)  # type: ignore[arg-type]
        assert np.allclose(made, np.clip(raw, -16, 16), atol=0.05), form


def test_batches_do_not_change_what_is_scored(reranking_server: Served) -> None:
    assert np.allclose(
        logits(reranking_server, "vllm"), logits(reranking_server, "vllm", batch_size=2), atol=1e-3
    )


def test_a_killed_server_is_an_outage(reranking_server: Served) -> None:
    """The last test: it leaves no server."""
    reranker = RemoteReranker(RemoteRerankerSpec(server=reranking_server.spec(), form="vllm"))
    end(reranking_server.process)
    begun = time.monotonic()
    with pytest.raises(ModelUnavailableError):
        reranker.score(PAIRS)
    assert time.monotonic() - begun < 10
    reranker.close()
