from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import generation.entailment as entailment
from generation.entailment import LAYERS_FILE, EntailmentModel
from retrieval.errors import ModelError, WeightsError
from retrieval.rerankers import Reranker

PAIRS = [
    ("Birth parents have 26 weeks of leave.", "Birth parents have 26 weeks of leave."),
    ("The office is closed on Sunday.", "On Sunday the office is not closed."),
    ("Paris is in France.", "The canteen serves lunch at noon."),
]


def test_the_first_figure_is_the_rerankers_logit(entailer: EntailmentModel, reranker: Reranker) -> None:
    rows = entailer.read(PAIRS)
    assert rows.shape == (3, 4)
    np.testing.assert_allclose(rows[:, 0], reranker.score(PAIRS), rtol=1e-5)


def test_a_pair_has_the_same_figures_whatever_else_is_read(entailer: EntailmentModel) -> None:
    alone = entailer.read(PAIRS[1:2])
    np.testing.assert_array_equal(entailer.read(PAIRS)[1:2], alone)


def test_the_sentence_itself_is_read_as_stated_and_a_foreign_one_as_not_stated(
    entailer: EntailmentModel,
) -> None:
    rows = entailer.read(PAIRS)
    assert rows[0, 1:].argmax() == 0
    assert rows[2, 1:].argmax() == 2


def test_a_pair_longer_than_the_model_reads_is_cut(entailer: EntailmentModel) -> None:
    assert np.isfinite(entailer.read([("word " * 500, "text " * 500), ("", "")])).all()


def test_layers_that_were_tampered_with_are_refused(
    entailer_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = tmp_path / "entailment.onnx"
    damaged.write_bytes(LAYERS_FILE.read_bytes()[:-1] + b"x")
    monkeypatch.setattr(entailment, "LAYERS_FILE", damaged)
    with pytest.raises(WeightsError, match="install footnote-service anew"):
        EntailmentModel(entailer_weights)


def test_a_closed_model_says_so(entailer_weights: Path) -> None:
    model = EntailmentModel(entailer_weights)
    model.close()
    with pytest.raises(ModelError, match="closed"):
        model.read(PAIRS)


def test_the_layers_are_small_enough_to_live_in_the_repository() -> None:
    assert LAYERS_FILE.stat().st_size < 10_000_000
