"""Models of every family give the vectors that sentence-transformers gives, with what their own files say."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from retrieval.embedders import Embedder, EmbedderSpec, load_embedder
from retrieval.errors import WeightsError
from tests.retrieval.tiny_families import FAMILIES, TinyModel, save_model

pytestmark = pytest.mark.extras

TEXTS = [
    "the city on the river",
    "how many people live in the old city? " * 3,
    "",
    "a",
    "where is the mountain: " + "engine music number red " * 30,
]
POOLING = {"cls_token": "cls", "mean_tokens": "mean", "lasttoken": "last"}


def _load(folder: Path, precision: str = "fp32") -> Embedder:
    spec = EmbedderSpec(kind="sentence_transformer", model=str(folder), device="cpu", precision=precision)
    return load_embedder(spec)


def _plain(folder: Path, longest: int) -> Any:
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
    model.max_seq_length = min(model.max_seq_length, longest)
    return model


def _lowest_cosine(ours: NDArray[np.float32], theirs: NDArray[np.float32]) -> float:
    norms = np.linalg.norm(ours, axis=1) * np.linalg.norm(theirs, axis=1)
    return float(((ours * theirs).sum(axis=1) / norms).min())


@pytest.mark.parametrize("model", FAMILIES, ids=lambda model: model.name)
def test_a_family_has_the_vectors_of_plain_sentence_transformers(
    model: TinyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / model.name).mkdir()
    folder = save_model(tmp_path / model.name, model)
    ours = _load(folder)
    theirs = _plain(folder, ours.max_tokens)
    assert ours.identity.pooling == POOLING[model.pooling]
    assert (ours.identity.query_prefix, ours.identity.document_prefix) == model.prefixes
    assert ours.max_tokens == (model.max_seq_length or 64)
    of_query, of_document = model.prefixes
    documents = theirs.encode([of_document + text for text in TEXTS])
    queries = theirs.encode([of_query + text for text in TEXTS])
    assert (documents @ documents.T).min() < 0.98 * (documents**2).sum(axis=1).max()
    assert _lowest_cosine(ours.embed_documents(TEXTS), documents) > 1 - 1e-5
    assert _lowest_cosine(np.stack([ours.embed_query(text) for text in TEXTS]), queries) > 1 - 1e-5
    assert _lowest_cosine(_load(folder, "bf16").embed_documents(TEXTS), documents) > 1 - 1e-3
    if model.prompts.get("query"):
        assert (
            _lowest_cosine(np.stack([ours.embed_query(text) for text in TEXTS]), theirs.encode_query(TEXTS))
            > 1 - 1e-5
        )
        assert _lowest_cosine(ours.embed_documents(TEXTS), theirs.encode_document(TEXTS)) > 1 - 1e-5
    monkeypatch.setattr("retrieval.packed_encoder.packing_pays", lambda **_: False)
    assert _lowest_cosine(_load(folder).embed_documents(TEXTS), documents) > 1 - 1e-5


def test_a_model_that_lowers_case_by_its_files_does_so(tmp_path: Path) -> None:
    folder = save_model(tmp_path, next(each for each in FAMILIES if each.name == "all-mpnet-base-v2"))
    (folder / "sentence_bert_config.json").write_text('{"max_seq_length": 48, "do_lower_case": true}')
    ours = _load(folder)
    shouted = ours.embed_documents(["THE CITY"])
    assert _lowest_cosine(shouted, ours.embed_documents(["the city"])) > 1 - 1e-5
    assert _lowest_cosine(shouted, _plain(folder, 48).encode(["THE CITY"])) > 1 - 1e-5


def test_a_model_that_brings_code_of_its_own_is_refused_and_its_code_not_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    code = f"open({str(ran)!r}, 'w')\nclass NewConfig: ...\nclass Own: ...\n"
    for name, change in {
        "architecture": (
            "config.json",
            {"model_type": "new", "auto_map": {"AutoConfig": "own.NewConfig", "AutoModel": "own.Own"}},
        ),
        "module": ("modules.json", [{"idx": 0, "name": "0", "path": "", "type": "own.Own"}]),
    }.items():
        (tmp_path / name).mkdir()
        folder = save_model(tmp_path / name, FAMILIES[0])
        (folder / change[0]).write_text(json.dumps(change[1]))
        (folder / "own.py").write_text(code)
        with pytest.raises(
            WeightsError, match=r"is computed by code of its own \((new|own\.Own)\), which Footnote"
        ):
            _load(folder)
    assert not ran.exists()


def test_code_that_a_model_brings_beside_an_architecture_of_transformers_is_not_run(tmp_path: Path) -> None:
    """As nomic-embed-text does: transformers has learnt its architecture since."""
    folder = save_model(tmp_path, next(each for each in FAMILIES if each.kind == "NomicBert"))
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = {"AutoConfig": "own.NomicBertConfig", "AutoModel": "own.NomicBertModel"}
    (folder / "config.json").write_text(json.dumps(config))
    ran = tmp_path / "ran"
    (folder / "own.py").write_text(f"open({str(ran)!r}, 'w')")
    assert np.isfinite(_load(folder).embed_query("city")).all()
    assert not ran.exists()


def test_a_processor_without_instructions_for_a_precision_is_told_of(tmp_path: Path) -> None:
    from retrieval.torch_models import slow_precision

    processor = tmp_path / "cpuinfo"
    for words, slow in [
        ("flags\t\t: fpu avx2 avx512f\n", ["bf16", "fp16"]),
        ("flags\t\t: fpu avx512_bf16\nflags\t\t: fpu avx512_bf16\n", ["fp16"]),
        ("flags\t\t: fpu amx_bf16 avx512_fp16\n", []),
        ("Features\t: fp asimd asimdhp bf16\n", []),
        ("model name\t: unknown\n", []),
    ]:
        processor.write_text(words)
        told = [
            each
            for each in ("fp32", "bf16", "fp16")
            if slow_precision(each, device="cpu", processor=processor)
        ]
        assert told == slow
    processor.write_text("flags\t\t: fpu avx2\n")
    assert "no instructions for bf16" in str(slow_precision("bf16", device="cpu", processor=processor))
    assert slow_precision("bf16", device="cuda", processor=processor) is None
    assert slow_precision("bf16", device="cpu", processor=tmp_path / "nowhere") is None
