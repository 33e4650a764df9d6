"""The remote embedder against a real little server that misbehaves."""

from __future__ import annotations

import itertools
import json
import logging
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retrieval.embedders import RemoteEmbedderSpec
from retrieval.embedders.remote import RemoteEmbedder
from retrieval.errors import ConfigurationError, ModelError, ModelUnavailableError, WeightsError
from retrieval.model_servers.spec import ServerSpec
from tests.retrieval.model_servers.model_server import ModelServerOfTests, Reply, Step, letters, serving

KEY = "sk-hunter2-and-more"
SECRET_TEXT = "the salary of the director is 123456"
TEXTS = [f"text number {number}" for number in range(10)]

Open = Callable[..., RemoteEmbedder]


@pytest.fixture
def server() -> Iterator[ModelServerOfTests]:
    with serving() as served:
        yield served


class Clock:
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def open_embedder(server: ModelServerOfTests, embedder_weights: Path, clock: Clock) -> Iterator[Open]:
    opened: list[RemoteEmbedder] = []

    def make(*, spec: dict[str, Any] | None = None, **changes: Any) -> RemoteEmbedder:
        given: dict[str, Any] = {
            "section": "embedder",
            "base_url": server.url,
            "model": "some-model",
            "location": "inside",
            "tokenizer": embedder_weights / "tokenizer.json",
            "api_key": KEY,
        }
        made = RemoteEmbedder(
            RemoteEmbedderSpec(server=ServerSpec(**{**given, **changes}), **(spec or {})), clock=clock
        )
        opened.append(made)
        server.bodies.clear()
        return made

    yield make
    for each in opened:
        each.close()


def units(texts: list[str]) -> Any:
    rows = letters(texts)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def texts_sent(server: ModelServerOfTests) -> list[int]:
    return [len(body["input"]) for body in server.bodies]


# What is asked, and how.


def test_texts_go_with_the_key_and_the_model_s_name(server: ModelServerOfTests, open_embedder: Open) -> None:
    embedder = open_embedder(api_key=f"{KEY}\n")
    embedder.embed_documents(TEXTS[:2])
    assert server.bodies == [{"model": "some-model", "input": TEXTS[:2], "encoding_format": "base64"}]
    assert server.paths[-1] == "/v1/embeddings"
    assert server.headers[-1]["Authorization"] == f"Bearer {KEY}"


def test_without_a_key_none_is_sent(server: ModelServerOfTests, open_embedder: Open) -> None:
    open_embedder(api_key=None)
    assert "Authorization" not in server.headers[-1]


def test_a_server_that_has_no_base64_is_asked_for_figures(
    server: ModelServerOfTests, open_embedder: Open
) -> None:
    server.refuses = lambda body: (
        Reply(status=400, body={"error": {"message": "encoding_format: unknown"}})
        if body["encoding_format"] == "base64"
        else None
    )
    embedder = open_embedder()
    assert np.allclose(embedder.embed_documents(TEXTS), units(TEXTS), atol=1e-6)
    assert server.bodies[-1]["encoding_format"] == "float"


def test_prefixes_are_those_of_the_family_or_those_that_are_set(
    server: ModelServerOfTests, open_embedder: Open
) -> None:
    embedder = open_embedder(model="intfloat/e5-base")
    embedder.embed_query("why?")
    embedder.embed_documents(["because"])
    assert [body["input"] for body in server.bodies] == [["query: why?"], ["passage: because"]]
    own = open_embedder(model="intfloat/e5-base", spec={"query_prefix": "Q ", "document_prefix": ""})
    own.embed_query("why?")
    own.embed_documents(["because"])
    assert [body["input"] for body in server.bodies] == [["Q why?"], ["because"]]
    assert own.identity.digest() != embedder.identity.digest()


def test_shorter_vectors_can_be_asked_for(server: ModelServerOfTests, open_embedder: Open) -> None:
    assert open_embedder(spec={"dimensions": 8}).identity.dimension == 8
    with pytest.raises(
        ModelUnavailableError, match=r"of 8 dimensions, not of 4\. Leave embedder\.dimensions"
    ):
        open_embedder(spec={"dimensions": 4})
    assert server.bodies[-1]["dimensions"] == 4


def test_requests_are_under_way_as_many_as_are_set(server: ModelServerOfTests, open_embedder: Open) -> None:
    def slowly(texts: Any) -> Any:
        time.sleep(0.05)
        return letters(texts)

    embedder = open_embedder(requests_at_once=3)
    server.embed = slowly
    assert embedder.parallelism == 3
    with ThreadPoolExecutor(9) as threads:
        list(threads.map(lambda text: embedder.embed_documents([text]), TEXTS * 3))
    assert server.most_at_once == 3


# Batches.


@pytest.mark.parametrize("status", [413, 422, 400])
def test_what_a_server_does_not_take_at_once_is_halved_and_remembered(
    server: ModelServerOfTests, open_embedder: Open, status: int
) -> None:
    embedder = open_embedder(batch_size=16)
    told = {"error": {"message": "maximum allowed batch size 3"}}
    server.refuses = lambda body: Reply(status=status, body=told) if len(body["input"]) > 3 else None
    assert np.allclose(embedder.embed_documents(TEXTS), units(TEXTS), atol=1e-6)
    assert texts_sent(server) == [10, 5, 2, 2, 2, 2, 2]
    server.bodies.clear()
    embedder.embed_documents(TEXTS)
    assert texts_sent(server) == [2, 2, 2, 2, 2]


def test_batches_grow_again_slowly(server: ModelServerOfTests, open_embedder: Open) -> None:
    embedder = open_embedder(batch_size=8)
    server.most_texts = 2
    embedder.embed_documents(TEXTS)
    server.most_texts = None
    server.bodies.clear()
    for _ in range(60):
        embedder.embed_documents(TEXTS)
    sizes = texts_sent(server)
    assert sizes[0] == 2
    assert max(sizes) == 8
    largest = itertools.accumulate(sizes, max)
    assert all(later - earlier <= 2 for earlier, later in itertools.pairwise(largest))
    assert sizes.index(8) > 30


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.text(st.characters(codec="utf-8"), max_size=40), max_size=25),
    most_texts=st.integers(1, 12),
    most_characters=st.integers(40, 200),
    batch_size=st.integers(1, 32),
)
def test_whatever_a_server_takes_at_once_vectors_are_those_of_single_requests_in_order(
    server: ModelServerOfTests,
    open_embedder: Open,
    texts: list[str],
    most_texts: int,
    most_characters: int,
    batch_size: int,
) -> None:
    server.most_texts = server.most_characters = None
    embedder = open_embedder(batch_size=batch_size)
    alone = [embedder.embed_documents([text])[0] for text in texts]
    server.most_texts, server.most_characters = most_texts, most_characters
    together = embedder.embed_documents(texts)
    assert together.shape == (len(texts), 8)
    for row, expected in zip(together, alone, strict=True):
        assert np.array_equal(row, expected)


def test_a_text_that_is_refused_alone_is_named_by_number_and_length_never_by_its_content(
    server: ModelServerOfTests, open_embedder: Open
) -> None:
    embedder = open_embedder(batch_size=8)
    server.refuses = lambda body: (
        Reply(status=400, body={"error": f"maximum context length is 8; you sent {SECRET_TEXT}"})
        if any("salary" in text for text in body["input"])
        else None
    )
    with pytest.raises(ModelError) as caught:
        embedder.embed_documents([*TEXTS, SECRET_TEXT, *TEXTS])
    told = "".join(traceback.format_exception(caught.value))
    assert "Number 11 of 21 was refused alone: a text of 36 characters, 9 tokens" in str(caught.value)
    assert not isinstance(caught.value, ModelUnavailableError)
    assert "salary" not in told
    assert KEY not in told
    server.bodies.clear()
    embedder.embed_documents(TEXTS[:8])
    assert texts_sent(server) == [8], "it was the text's fault, so batches are as large as before"


def test_a_batch_that_takes_too_long_is_halved(server: ModelServerOfTests, open_embedder: Open) -> None:
    embedder = open_embedder(batch_size=4, timeout_s=0.5)
    server.steps = ["hang"]
    assert np.allclose(embedder.embed_documents(TEXTS[:4]), units(TEXTS[:4]), atol=1e-6)
    assert texts_sent(server)[:3] == [4, 2, 2]


# Failures that pass.


@pytest.mark.parametrize(
    "step",
    [
        Reply(status=429, headers={"Retry-After": "0"}),
        Reply(status=500),
        Reply(status=503),
        Reply(status=424),
        "reset",
    ],
)
def test_what_passes_is_tried_again(server: ModelServerOfTests, open_embedder: Open, step: Step) -> None:
    embedder = open_embedder()
    server.steps = [step, step]
    assert np.allclose(embedder.embed_documents(TEXTS), units(TEXTS), atol=1e-6)
    assert texts_sent(server)[:3] == [10, 10, 10]


@pytest.mark.pace
def test_retry_after_is_honoured(server: ModelServerOfTests, open_embedder: Open) -> None:
    embedder = open_embedder()
    server.steps = [Reply(status=429, headers={"Retry-After": "1"})]
    begun = time.monotonic()
    embedder.embed_documents(TEXTS)
    assert 1 <= time.monotonic() - begun < 3


@pytest.mark.pace
def test_a_question_does_not_wait_as_long_as_a_server_may_ask_for(
    server: ModelServerOfTests, open_embedder: Open
) -> None:
    embedder = open_embedder()
    server.steps = [Reply(status=429, headers={"Retry-After": "3000"})]
    begun = time.monotonic()
    with pytest.raises(ModelUnavailableError, match="too busy"):
        embedder.embed_query("why?")
    assert time.monotonic() - begun < 1
    assert len(server.bodies) == 1


def test_failures_that_do_not_pass_are_outages_in_the_end(
    server: ModelServerOfTests, open_embedder: Open
) -> None:
    embedder = open_embedder()
    server.refuses = lambda body: Reply(status=503)
    with pytest.raises(ModelUnavailableError, match=r"not able to answer now \(status 503\)"):
        embedder.embed_query("why?")
    assert 2 <= len(server.bodies) <= 5


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (Reply(status=401, body={"error": f"wrong key {KEY}"}), "refused the key"),
        (Reply(status=403), "Check embedder.api_key (FOOTNOTE_EMBEDDER__API_KEY)"),
        (Reply(status=404), "Check embedder.model (FOOTNOTE_EMBEDDER__MODEL)"),
        (Reply(status=307, headers={"Location": "http://127.0.0.1:9/v1/embeddings"}), "redirects"),
        (Reply(body=b"<html>maintenance</html>"), "not JSON"),
        (Reply(body=b"[" * 10_000), "not JSON"),
        (Reply(body=b" " * 30_000_000), "bytes that an answer can have"),
    ],
)
def test_what_no_repetition_mends_is_told_at_once_and_concerns_every_text(
    server: ModelServerOfTests, open_embedder: Open, reply: Reply, told: str
) -> None:
    embedder = open_embedder()
    server.steps = [reply]
    with pytest.raises(ModelUnavailableError) as caught:
        embedder.embed_documents([SECRET_TEXT])
    assert told in str(caught.value)
    assert f"the embedder 'some-model' at http://127.0.0.1:{server.port}/v1" in str(caught.value)
    assert len(server.bodies) == 1
    shown = "".join(traceback.format_exception(caught.value))
    assert KEY not in shown
    assert SECRET_TEXT not in shown


def test_a_request_that_is_refused_for_another_reason_is_not_tried_again(
    server: ModelServerOfTests, open_embedder: Open
) -> None:
    embedder = open_embedder()
    server.steps = [Reply(status=400, body={"error": f"I do not like {SECRET_TEXT}"})]
    with pytest.raises(ModelError, match=r"refused the request \(status 400\)") as caught:
        embedder.embed_documents([SECRET_TEXT])
    assert SECRET_TEXT not in "".join(traceback.format_exception(caught.value))
    assert len(server.bodies) == 1


@pytest.mark.parametrize("mishap", ["hang", "trickle"])
@pytest.mark.pace
def test_a_server_that_never_comes_to_an_end_is_given_up(
    server: ModelServerOfTests, open_embedder: Open, mishap: Step
) -> None:
    embedder = open_embedder(timeout_s=0.4)
    server.steps = [mishap]
    begun = time.monotonic()
    with pytest.raises(ModelUnavailableError, match=r"took longer than 0\.4 s"):
        embedder.embed_query("why?")
    assert time.monotonic() - begun < 2


def test_whoever_waits_for_a_server_is_let_go_when_the_model_is_closed(
    server: ModelServerOfTests, open_embedder: Open
) -> None:
    embedder = open_embedder()
    server.steps = [Reply(status=429, headers={"Retry-After": "20"})]
    timer = threading.Timer(0.3, embedder.close)
    timer.start()
    begun = time.monotonic()
    with pytest.raises(ModelError, match="has been closed"):
        embedder.embed_documents(TEXTS)
    assert time.monotonic() - begun < 5


def test_retries_are_logged_without_texts_and_keys(
    server: ModelServerOfTests, open_embedder: Open, caplog: pytest.LogCaptureFixture
) -> None:
    embedder = open_embedder()
    server.steps = [Reply(status=500, body={"error": f"{KEY} {SECRET_TEXT}"})]
    with caplog.at_level(logging.DEBUG):
        embedder.embed_documents([SECRET_TEXT])
    assert "asking again" in caplog.text
    assert KEY not in caplog.text
    assert SECRET_TEXT not in caplog.text


# Answers that are none.


def drop_last(answer: Any) -> object:
    return {**answer, "data": answer["data"][:-1]}


def repeat_index(answer: Any) -> object:
    return {**answer, "data": [{**entry, "index": 0} for entry in answer["data"]]}


def shorten_one(answer: Any) -> object:
    first, *rest = answer["data"]
    return {**answer, "data": [{**first, "embedding": [1.0, 2.0]}, *rest]}


def shorten_all(answer: Any) -> object:
    return {**answer, "data": [{**entry, "embedding": [1.0, 2.0]} for entry in answer["data"]]}


def with_first(embedding: object) -> Callable[[Any], object]:
    return lambda answer: {
        **answer,
        "data": [{**answer["data"][0], "embedding": embedding}, *answer["data"][1:]],
    }


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        (drop_last, "sent 9 results for 10 texts"),
        (repeat_index, "indexes are not those of the 10 texts"),
        (lambda answer: {**answer, "data": [{**e, "index": True} for e in answer["data"]]}, "indexes"),
        (shorten_one, "different dimensions"),
        (shorten_all, "vectors of 2 dimensions; they had 8"),
        (with_first("no base64!"), "base64 that cannot be read"),
        (with_first("AAAA"), "base64 that cannot be read"),
        (with_first([None] * 8), "not a list of numbers"),
        (with_first(["1"] * 8), "not a list of numbers"),
        (with_first(None), "not a list of numbers"),
        (lambda answer: {"data": {}}, "no list of results"),
        (lambda answer: [1, 2], "no list of results"),
        (lambda answer: "hello", "no list of results"),
    ],
)
def test_an_answer_that_is_none_is_told_as_such(
    server: ModelServerOfTests, open_embedder: Open, wrong: Step, told: str
) -> None:
    embedder = open_embedder()
    server.steps = [wrong]
    with pytest.raises(ModelUnavailableError) as caught:
        embedder.embed_documents(TEXTS)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "figures", [[float("nan")] * 8, [float("inf")] + [0.0] * 7, [0.0] * 8, [10**400] * 8, [1e300] * 8]
)
def test_a_vector_without_a_direction_is_the_text_s_failure(
    server: ModelServerOfTests, open_embedder: Open, figures: list[float]
) -> None:
    embedder = open_embedder()
    server.steps = [with_first(figures)]
    with pytest.raises(ModelError, match="for text 1 of 10 of a request") as caught:
        embedder.embed_documents(TEXTS)
    assert not isinstance(caught.value, ModelUnavailableError)


def test_results_may_come_in_any_order(server: ModelServerOfTests, open_embedder: Open) -> None:
    embedder = open_embedder()
    server.steps = [lambda answer: {**answer, "data": [*reversed(answer["data"])]}]
    assert np.allclose(embedder.embed_documents(TEXTS), units(TEXTS), atol=1e-6)


# Loading, and what the server's model is.


def test_a_server_that_is_away_is_told_when_the_embedder_is_loaded(open_embedder: Open) -> None:
    begun = time.monotonic()
    with pytest.raises(ModelUnavailableError) as caught:
        open_embedder(base_url="http://127.0.0.1:9/v1")
    assert str(caught.value) == (
        "the embedder 'some-model' at http://127.0.0.1:9/v1 cannot be reached (ConnectError). Is the server running, "
        "and is embedder.base_url (FOOTNOTE_EMBEDDER__BASE_URL) right?"
    )
    assert time.monotonic() - begun < 8


@pytest.mark.parametrize(
    ("changes", "error", "told"),
    [
        ({"base_url": "ftp://x/v1"}, ConfigurationError, "embedder.base_url"),
        ({"base_url": "http://x:port/v1"}, ConfigurationError, "embedder.base_url"),
        ({"base_url": "http://x/v1?key=hunter2"}, ConfigurationError, "without a query"),
        ({"api_key": "clé"}, ConfigurationError, "embedder.api_key"),
        (
            {"tokenizer": Path("/nowhere/tokenizer.json")},
            WeightsError,
            "/nowhere/tokenizer.json cannot be read",
        ),
    ],
)
def test_a_wrong_setting_is_told_by_its_name(
    open_embedder: Open, changes: dict[str, Any], error: type[Exception], told: str
) -> None:
    with pytest.raises(error) as caught:
        open_embedder(**changes)
    assert told in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_user_and_password_of_an_address_do_not_show(server: ModelServerOfTests, open_embedder: Open) -> None:
    embedder = open_embedder(base_url=f"http://ann:hunter2@127.0.0.1:{server.port}/v1", api_key=None)
    server.steps = [Reply(status=404)]
    with pytest.raises(ModelUnavailableError) as caught:
        embedder.embed_query("why?")
    assert "hunter2" not in "".join(traceback.format_exception(caught.value))


def test_the_identity_holds_the_revision_that_a_server_tells(
    server: ModelServerOfTests, open_embedder: Open
) -> None:
    untold = open_embedder().identity
    server.info = {"model_id": "some-model", "model_sha": "a" * 40}
    told = open_embedder().identity
    server.info = {"model_id": "some-model", "model_sha": "b" * 40}
    other = open_embedder().identity
    assert len({untold.fingerprint, told.fingerprint, other.fingerprint}) == 3
    assert (told.pooling, told.precision, told.dimension) == ("server", "remote", 8)
    assert open_embedder(spec={"revision": "bbbb"}).identity == other
    with pytest.raises(ConfigurationError, match=r"revision bbbb.* and embedder\.revision .* is aaaa"):
        open_embedder(spec={"revision": "aaaa"})


def test_a_revision_can_be_set_where_the_server_tells_none(open_embedder: Open) -> None:
    assert open_embedder(spec={"revision": "2"}).identity != open_embedder(spec={"revision": "1"}).identity
    assert open_embedder(spec={"revision": "1"}).identity == open_embedder(spec={"revision": "1"}).identity


def exchange(server: ModelServerOfTests) -> None:
    server.embed = lambda texts: letters([f"another model: {text}" for text in texts])


def test_another_model_under_the_same_name_is_noticed_after_a_disruption(
    server: ModelServerOfTests, open_embedder: Open
) -> None:
    embedder = open_embedder()
    embedder.embed_documents(TEXTS)
    exchange(server)
    server.steps = ["reset"]
    for _ in range(2):
        with pytest.raises(ModelUnavailableError, match="another model under the same name"):
            embedder.embed_documents(TEXTS)
    server.embed = letters
    embedder.embed_documents(TEXTS)


def test_a_busy_server_is_not_asked_for_more_to_see_whether_it_is_the_same(
    server: ModelServerOfTests, open_embedder: Open
) -> None:
    embedder = open_embedder()
    server.steps = [Reply(status=429, headers={"Retry-After": "0"})]
    embedder.embed_documents(TEXTS)
    assert texts_sent(server) == [10, 10]


def test_another_model_under_the_same_name_is_noticed_after_ten_minutes(
    server: ModelServerOfTests, open_embedder: Open, clock: Clock
) -> None:
    embedder = open_embedder()
    exchange(server)
    embedder.embed_documents(TEXTS)
    clock.now += 601
    with pytest.raises(ModelUnavailableError, match="another model under the same name"):
        embedder.embed_query("why?")


def test_a_model_that_is_nearly_the_same_is_the_same(
    server: ModelServerOfTests, open_embedder: Open, clock: Clock
) -> None:
    embedder = open_embedder()
    noise = np.random.default_rng(0).normal(0, 0.01, 8).astype(np.float32)
    server.embed = lambda texts: letters(texts) + noise
    clock.now += 601
    embedder.embed_documents(TEXTS)
    embedder.embed_documents(TEXTS)
    assert len(server.bodies) == 3, "looked once"


def test_nothing_of_the_environment_leads_texts_elsewhere(
    server: ModelServerOfTests, open_embedder: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    open_embedder().embed_documents(TEXTS)
    assert json.dumps(server.bodies[-1]["input"]) == json.dumps(TEXTS)
