"""The contract of the rerankers, held by every member, and what each member promises on top."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from retrieval.errors import (
    ConfigurationError,
    ExtraMissingError,
    InvalidRequestError,
    ModelError,
    WeightsError,
)
from retrieval.model_servers.spec import RerankForm, ServerSpec
from retrieval.rerankers import RemoteRerankerSpec, Reranker, RerankerSpec, load_reranker
from retrieval.rerankers.onnx import OnnxReranker
from tests.retrieval.model_servers.model_server import ModelServerOfTests, serving
from tests.retrieval.tiny_models import save_cross_encoder

QUESTION = "how many people live in the city"
PASSAGES = [
    "the old city is found on the river, and its population is large: 40000 people live in it",
    "the engine of the red machine is new and fast",
    "",
    "  \n",
    "é 漢字 🙂 \0",
    "people",
]
PAIRS = [(QUESTION, passage) for passage in PASSAGES]

FORMS: list[RerankForm] = ["vllm", "jina", "cohere", "tei"]
MEMBERS = [
    "onnx",
    *FORMS,
    pytest.param("cross_encoder", marks=pytest.mark.extras),
    pytest.param("two processes", marks=pytest.mark.extras),
]


@pytest.fixture(scope="module")
def server(reranker: Reranker) -> Iterator[ModelServerOfTests]:
    """A server that reranks with the real model, at most 3 passages at once."""
    with serving() as served:
        served.score = reranker.score
        served.most_texts = 3
        yield served


def remote(server: ModelServerOfTests, form: RerankForm, weights: Path) -> Reranker:
    spec = ServerSpec(
        section="reranker",
        base_url=server.url,
        model="cross-encoder/ms-marco-MiniLM-L-12-v2",
        location="inside",
        tokenizer=weights / "tokenizer.json",
        max_tokens=256,
    )
    return load_reranker(RerankerSpec(kind="remote", remote=RemoteRerankerSpec(server=spec, form=form)))


@pytest.fixture(scope="module", params=MEMBERS)
def member(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reranker]:
    if request.param == "onnx":
        yield request.getfixturevalue("reranker")
        return
    if request.param in FORMS:
        weights = request.getfixturevalue("reranker_weights")
        loaded = remote(request.getfixturevalue("server"), request.param, weights)
    else:
        loaded = load_reranker(_spec(request.param, tmp_path_factory.mktemp("cross-encoder")))
    yield loaded
    loaded.close()


def _spec(member: str, folder: Path) -> RerankerSpec:
    device = "cpu,cpu" if member == "two processes" else "cpu"
    return RerankerSpec(kind="cross_encoder", model=str(save_cross_encoder(folder)), device=device)


def test_every_pair_gets_its_logit_in_its_place(member: Reranker) -> None:
    logits = member.score(PAIRS)
    assert logits.shape == (len(PAIRS),)
    assert logits.dtype == np.float32
    assert np.isfinite(logits).all()
    alone = np.concatenate([member.score([pair]) for pair in PAIRS])
    assert np.allclose(logits, alone, atol=1e-4)
    assert len(set(alone.round(3))) > 3


def test_no_pairs_give_no_logits(member: Reranker) -> None:
    assert member.score([]).shape == (0,)


def test_the_order_within_a_pair_matters(member: Reranker) -> None:
    there, back = member.score([(QUESTION, PASSAGES[1]), (PASSAGES[1], QUESTION)])
    assert abs(there - back) > 1e-3


def test_a_passage_beyond_the_longest_pair_is_cut_not_refused(member: Reranker) -> None:
    room = "river " * member.max_tokens
    first, second = member.score([(QUESTION, room), (QUESTION, room + "mountain " * 1000)])
    assert abs(first - second) < 1e-4


def test_a_question_longer_than_the_longest_pair_leaves_the_passage_its_half(member: Reranker) -> None:
    endless = "where is the river " * member.max_tokens
    logits = member.score([(endless, passage) for passage in PASSAGES[:2]])
    assert np.isfinite(logits).all()
    assert abs(logits[0] - logits[1]) > 1e-4


def test_concurrent_calls_give_the_logits_of_lonely_ones(member: Reranker) -> None:
    pairs = [(QUESTION, f"{passage} {index}") for index, passage in itertools.product(range(4), PASSAGES)]
    alone = np.concatenate([member.score([pair]) for pair in pairs])
    with ThreadPoolExecutor(member.parallelism * 2) as threads:
        together = np.concatenate(list(threads.map(lambda pair: member.score([pair]), pairs)))
    assert np.allclose(alone, together, atol=1e-5)


def test_the_name_carries_a_fingerprint(member: Reranker) -> None:
    name, fingerprint = member.name.split("@")
    assert name
    assert len(fingerprint) == 8
    assert min(member.max_tokens, member.parallelism, member.batch_size) > 0


def test_half_a_surrogate_pair_is_refused(member: Reranker) -> None:
    for pair in ((QUESTION, "\ud800"), ("\ud800", PASSAGES[0])):
        with pytest.raises(InvalidRequestError, match="not valid Unicode"):
            member.score([pair])


@pytest.mark.parametrize("kind", MEMBERS)
def test_after_closing_every_call_is_a_model_error(
    kind: str, tmp_path: Path, reranker_weights: Path, server: ModelServerOfTests
) -> None:
    if kind in FORMS:
        loaded = remote(server, kind, reranker_weights)
    elif kind == "onnx":
        loaded = load_reranker(RerankerSpec(kind="onnx", weights=reranker_weights))
    else:
        loaded = load_reranker(_spec(kind, tmp_path))
    loaded.score(PAIRS[:1])
    loaded.close()
    loaded.close()
    with pytest.raises(ModelError, match="closed"):
        loaded.score(PAIRS[:1])


# The int8 model on the CPU.


def test_int8_logits_are_the_same_to_the_last_bit_whatever_else_is_in_flight(reranker: Reranker) -> None:
    pairs = PAIRS * 4
    alone = [reranker.score([pair]).tobytes() for pair in pairs]
    assert reranker.score(pairs).tobytes() == b"".join(alone)
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(lambda pair: reranker.score([pair]).tobytes(), pairs)) == alone


def test_the_default_reranker_gives_raw_logits_that_tell_an_answer_from_the_rest(reranker: Reranker) -> None:
    answer, *others = reranker.score(PAIRS)
    assert answer > 0 > max(others)
    assert answer - max(others) > 3
    assert reranker.name == "ms-marco-MiniLM-L-12-v2@1225ccd6"
    assert reranker.max_tokens == 256


def test_a_longer_limit_reads_further_into_the_passage(reranker_weights: Path) -> None:
    late = "the green music of the old engine " * 45 + PASSAGES[0]
    short, long = (OnnxReranker(reranker_weights, max_tokens=limit) for limit in (128, 512))
    assert long.score([(QUESTION, late)])[0] > short.score([(QUESTION, late)])[0] + 1


@pytest.mark.parametrize("limit", [0, 15, 513])
def test_a_limit_that_the_model_cannot_read_is_a_configuration_error(
    reranker_weights: Path, limit: int
) -> None:
    with pytest.raises(ConfigurationError, match=f"max_tokens is {limit}"):
        OnnxReranker(reranker_weights, max_tokens=limit)


def test_other_weights_than_the_pinned_ones_are_not_loaded(embedder_weights: Path) -> None:
    with pytest.raises(WeightsError, match="does not hold the model ms-marco-MiniLM-L-12-v2"):
        load_reranker(RerankerSpec(kind="onnx", weights=embedder_weights))


# The models of sentence-transformers.


def test_without_torch_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sentence_transformers", "torch"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "retrieval.rerankers.cross_encoder", raising=False)
    with pytest.raises(ExtraMissingError, match=r"pip install 'footnote-service\[gpu\]'"):
        load_reranker(RerankerSpec(kind="cross_encoder", model="anything"))


@pytest.mark.extras
def test_logits_are_those_of_sentence_transformers_itself(tmp_path: Path) -> None:
    import torch
    from sentence_transformers import CrossEncoder

    folder = str(save_cross_encoder(tmp_path))
    ours = load_reranker(RerankerSpec(kind="cross_encoder", model=folder, device="cpu"))
    theirs = CrossEncoder(folder, device="cpu", local_files_only=True)
    logits = theirs.predict(PAIRS, activation_fn=torch.nn.Identity())
    assert np.allclose(ours.score(PAIRS), logits, atol=1e-5)
    assert ours.max_tokens == 64


@pytest.mark.extras
@pytest.mark.parametrize("kind", ["Bert", "XLMRoberta"])
def test_without_padding_logits_are_those_of_sentence_transformers_too(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a GPU one kernel does the attention of packed pairs, on a CPU torch's does that of one at a time."""
    import torch
    from sentence_transformers import CrossEncoder

    folder = str(save_cross_encoder(tmp_path, kind=kind))
    ours = load_reranker(RerankerSpec(kind="cross_encoder", model=folder, device="cpu"))
    monkeypatch.delattr("retrieval.torch_batches.PaddedPass.__call__")
    theirs = CrossEncoder(folder, device="cpu", local_files_only=True)
    logits = theirs.predict(PAIRS * 3, activation_fn=torch.nn.Identity())
    assert np.allclose(ours.score(PAIRS * 3), logits, atol=1e-5)
    assert len(set(logits.round(3))) > 3


@pytest.mark.extras
def test_a_classifier_of_several_labels_is_no_reranker(tmp_path: Path) -> None:
    folder = save_cross_encoder(tmp_path, labels=3)
    with pytest.raises(WeightsError, match="gives 3 labels a pair"):
        load_reranker(RerankerSpec(kind="cross_encoder", model=str(folder), device="cpu"))
