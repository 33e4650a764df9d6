"""The folders of the default models' files."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from retrieval.weights import EMBEDDER_PIN, RERANKER_PIN, WeightsPin, find_weights


@pytest.fixture(scope="session")
def embedder_weights(weights_cache: Path) -> Path:
    return _find(EMBEDDER_PIN, weights_cache)


@pytest.fixture(scope="session")
def reranker_weights(weights_cache: Path) -> Path:
    return _find(RERANKER_PIN, weights_cache)


def _find(pin: WeightsPin, cache: Path) -> Path:
    named = os.environ.get("FOOTNOTE_WEIGHTS_DIR")
    return find_weights(pin, folder=Path(named) if named else None, cache=cache, report=print)
