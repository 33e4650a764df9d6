"""onnxruntime runs here without noise, without telemetry, and with errors of our own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from retrieval.errors import ConfigurationError, ModelError, WeightsError
from retrieval.sessions import OnnxSession, require_threads

SENTENCE = [101, 1996, 4248, 2829, 4419, 102]


@pytest.fixture
def session(embedder_weights: Path) -> Iterator[OnnxSession]:
    opened = OnnxSession(embedder_weights / "model.onnx")
    yield opened
    opened.close()


def test_a_sequence_gives_a_row_a_token(session: OnnxSession) -> None:
    hidden = session.run(SENTENCE, [0] * 6)
    assert hidden.shape == (6, 384)
    assert hidden.dtype == np.float32


def test_ids_outside_the_vocabulary_are_a_model_error_and_the_model_goes_on(session: OnnxSession) -> None:
    before = session.run(SENTENCE, [0] * 6)
    with pytest.raises(ModelError, match="failed on a sequence of 3 tokens"):
        session.run([101, 10**6, 102], [0, 0, 0])
    assert np.array_equal(session.run(SENTENCE, [0] * 6), before)


def test_a_closed_model_says_that_it_is_closed(session: OnnxSession) -> None:
    session.close()
    session.close()
    with pytest.raises(ModelError, match="has been closed"):
        session.run(SENTENCE, [0] * 6)


def test_a_file_that_is_no_model_is_named(tmp_path: Path) -> None:
    for content in (None, b"", b"rubbish" * 100):
        path = tmp_path / "model.onnx"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(WeightsError, match=f"onnxruntime cannot load {path}: "):
            OnnxSession(path)


def test_a_model_needs_a_thread() -> None:
    assert require_threads(3) == 3
    with pytest.raises(ConfigurationError, match="at least 1 thread, not 0"):
        require_threads(0)


def test_running_a_model_prints_nothing_and_leaves_no_usage_records(
    embedder_weights: Path, tmp_path: Path
) -> None:
    script = (
        "import sys; from pathlib import Path; from retrieval.sessions import OnnxSession\n"
        "OnnxSession(Path(sys.argv[1])).run([101, 102], [0, 0])"
    )
    # onnxruntime keeps quiet by itself where these are set, as on build machines.
    told_to_be_quiet = ("CI", "TF_BUILD", "GITHUB_ACTIONS", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS")
    env = {name: value for name, value in os.environ.items() if name not in told_to_be_quiet}
    env |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path / "cache"), "XDG_DATA_HOME": str(tmp_path)}
    ran = subprocess.run(
        [sys.executable, "-c", script, str(embedder_weights / "model.onnx")],
        env=env,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert ran.stdout + ran.stderr == ""
    assert list(tmp_path.rglob("*")) == []
