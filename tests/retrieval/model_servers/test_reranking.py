"""The remote reranker against a real little server, in every form that it speaks."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.errors import ModelError, ModelUnavailableError
from retrieval.model_servers.rankings import logits_of
from retrieval.model_servers.spec import RerankForm, ScoreKind, ServerSpec
from retrieval.rerankers import RemoteRerankerSpec
from retrieval.rerankers.remote import RemoteReranker
from tests.retrieval.model_servers.model_server import ModelServerOfTests, Reply, Step, overlap, serving

QUESTION = "which river is in the city"
PASSAGES = [
    f"{words} number {number}" for number, words in enumerate(["the river", "in the city", "a hill"] * 3)
]
PAIRS = [(QUESTION, passage) for passage in PASSAGES]
FORMS: list[RerankForm] = ["vllm", "jina", "cohere", "tei"]

Open = Callable[..., RemoteReranker]


@pytest.fixture
def server() -> Iterator[ModelServerOfTests]:
    with serving() as served:
        yield served


@pytest.fixture
def open_reranker(server: ModelServerOfTests, reranker_weights: Path) -> Iterator[Open]:
    opened: list[RemoteReranker] = []

    def make(form: RerankForm, *, scores: ScoreKind | None = None, **changes: Any) -> RemoteReranker:
        given: dict[str, Any] = {
            "section": "reranker",
            "base_url": server.url,
            "model": "some-model",
            "location": "inside",
            "tokenizer": reranker_weights / "tokenizer.json",
        }
        spec = ServerSpec(**{**given, **changes})
        made = RemoteReranker(RemoteRerankerSpec(server=spec, form=form, scores=scores))
        opened.append(made)
        server.bodies.clear()
        return made

    yield make
    for each in opened:
        each.close()


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_logits_of_the_passages_in_their_order(
    server: ModelServerOfTests, open_reranker: Open, form: RerankForm
) -> None:
    reranker = open_reranker(form)
    assert np.allclose(reranker.score(PAIRS), overlap(PAIRS), atol=1e-3)
    assert len(server.bodies) == 1
    assert server.paths[-1] == "/v1/rerank"


def test_each_form_is_asked_in_its_own_words(server: ModelServerOfTests, open_reranker: Open) -> None:
    passages = PASSAGES[:2]
    common = {"model": "some-model", "query": QUESTION, "documents": passages, "top_n": 2}
    expected = {
        "vllm": common | {"use_activation": False},
        "jina": common | {"return_documents": False},
        "cohere": common,
        "tei": {"query": QUESTION, "texts": passages, "raw_scores": True, "truncate": True},
    }
    for form in FORMS:
        open_reranker(form).score(PAIRS[:2])
        assert server.bodies == [expected[form]]


def test_what_a_server_sends_can_be_set(server: ModelServerOfTests, open_reranker: Open) -> None:
    assert np.allclose(open_reranker("vllm", scores="probabilities").score(PAIRS), overlap(PAIRS), atol=1e-3)
    assert server.bodies[-1]["use_activation"] is True
    server.steps = [
        None,
        lambda answer: {"results": [e | {"relevance_score": 3.5} for e in answer["results"]]},
    ]
    assert open_reranker("jina", scores="logits").score(PAIRS[:1]).tolist() == [3.5]


def test_logits_that_are_taken_for_probabilities_are_refused(
    server: ModelServerOfTests, open_reranker: Open
) -> None:
    reranker = open_reranker("jina")
    server.steps = [lambda answer: {"results": [e | {"relevance_score": 3.5} for e in answer["results"]]}]
    with pytest.raises(ModelUnavailableError, match=r"set reranker\.scores .* to logits"):
        reranker.score(PAIRS)


def test_logits_of_probabilities_are_bounded() -> None:
    logits = logits_of(np.array([0.0, 0.5, 1.0, 1 / (1 + np.exp(-3))]))
    assert np.allclose(logits, [-16, 0, 16, 3], atol=1e-4)
    assert logits.dtype == np.float32


def test_pairs_of_several_questions_are_asked_question_by_question(
    server: ModelServerOfTests, open_reranker: Open
) -> None:
    reranker = open_reranker("tei")
    pairs = [*PAIRS[:3], ("what is a hill", "a hill"), *PAIRS[3:5]]
    assert np.allclose(reranker.score(pairs), overlap(pairs), atol=1e-4)
    assert [len(body["texts"]) for body in server.bodies] == [3, 1, 2]


@pytest.mark.parametrize("most", [1, 2, 4])
def test_whatever_a_server_takes_at_once_logits_are_those_of_single_pairs(
    server: ModelServerOfTests, open_reranker: Open, most: int
) -> None:
    reranker = open_reranker("tei")
    server.most_texts = most
    assert np.allclose(reranker.score(PAIRS), overlap(PAIRS), atol=1e-4)


def test_a_pair_that_is_refused_alone_is_named_without_its_content(
    server: ModelServerOfTests, open_reranker: Open
) -> None:
    reranker = open_reranker("cohere")
    pairs = [PAIRS[0], (QUESTION, "a secret"), PAIRS[1]]
    server.refuses = lambda body: (
        Reply(status=413) if any("secret" in text for text in body["documents"]) else None
    )
    with pytest.raises(ModelError, match="Number 2 of 3 was refused alone: a question of 26") as caught:
        reranker.score(pairs)
    assert "secret" not in "".join(traceback.format_exception(caught.value))


def test_a_question_does_not_wait_for_halves_of_what_takes_too_long(
    server: ModelServerOfTests, open_reranker: Open
) -> None:
    reranker = open_reranker("tei", timeout_s=0.4)
    server.steps = ["hang"]
    with pytest.raises(ModelUnavailableError, match=r"took longer than 0\.4 s"):
        reranker.score(PAIRS)
    assert len(server.bodies) == 1
    reranker.score(PAIRS)
    assert [len(body["texts"]) for body in server.bodies[1:]] == [4, 4, 1]


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (lambda answer: answer[1:], "sent 8 results for 9 texts"),
        (lambda answer: [entry | {"index": 3} for entry in answer], "indexes are not those"),
        (lambda answer: [{"index": entry["index"]} for entry in answer], "not a list of numbers"),
        (lambda answer: {"results": answer}, "no list of results"),
        (Reply(body=b"{"), "not JSON"),
        (Reply(body=b" " * 1_000_000), "bytes that an answer can have"),
    ],
)
def test_an_answer_that_is_none_is_told_as_such(
    server: ModelServerOfTests, open_reranker: Open, wrong: Step, told: str
) -> None:
    reranker = open_reranker("tei")
    server.steps = [wrong]
    with pytest.raises(ModelUnavailableError) as caught:
        reranker.score(PAIRS)
    assert told in str(caught.value)


def test_a_score_that_is_not_a_number_is_told(server: ModelServerOfTests, open_reranker: Open) -> None:
    reranker = open_reranker("tei")
    server.steps = [lambda answer: [entry | {"score": float("nan")} for entry in answer]]
    with pytest.raises(ModelError, match="for passage 1 of 9"):
        reranker.score(PAIRS)


def test_the_name_holds_what_is_known_of_the_model(server: ModelServerOfTests, open_reranker: Open) -> None:
    untold = open_reranker("tei").name
    server.info = {"model_sha": "c" * 40}
    told = open_reranker("tei").name
    assert untold.split("@")[0] == told.split("@")[0] == "some-model"
    assert untold != told


def test_a_server_that_is_away_is_told_when_the_reranker_is_loaded(open_reranker: Open) -> None:
    with pytest.raises(ModelUnavailableError, match=r"is reranker\.base_url \(FOOTNOTE_RERANKER__BASE_URL\)"):
        open_reranker("tei", base_url="http://127.0.0.1:9")
