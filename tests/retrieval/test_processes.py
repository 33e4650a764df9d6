"""Models in processes: calls are answered as by one model, and whatever ends, no caller waits and nothing is left."""

from __future__ import annotations

import errno
import importlib.util
import logging
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retrieval.embedders import Embedder, EmbedderSpec, load_embedder
from retrieval.embedders.processes import ProcessEmbedder
from retrieval.errors import (
    ConfigurationError,
    ExtraMissingError,
    FootnoteError,
    InvalidRequestError,
    ModelError,
    ModelStoppedError,
    ModelUnavailableError,
    WeightsError,
)
from retrieval.processes.devices import names_several, split_devices
from retrieval.processes.pool import ModelPool
from retrieval.rerankers import RerankerSpec, load_reranker
from retrieval.rerankers.onnx import OnnxReranker
from retrieval.rerankers.processes import ProcessReranker
from tests.retrieval.served_models import FUNCTION

ROOT = Path(__file__).parents[2]


@contextmanager
def pool_of(*devices: str, **orders: Any) -> Iterator[ModelPool]:
    pool = ModelPool(FUNCTION, orders, devices or ("cpu", "cpu"))
    try:
        yield pool
    finally:
        pool.close()


@pytest.fixture(scope="module")
def shared() -> Iterator[ModelPool]:
    """Two processes that no test ends."""
    with pool_of() as pool:
        yield pool


def runs(pid: int) -> bool:
    """Whether there is such a process, and not only its exit code for a parent that never asks."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def eventually(holds: Callable[[], bool], limit_s: float = 20.0) -> bool:
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.02)
    return False


def test_every_caller_gets_the_rows_of_its_own_texts(shared: ModelPool) -> None:
    texts = [[f"{'x' * length} é 漢字 🙂 \0"] * (length % 3) for length in range(60)]
    with ThreadPoolExecutor(8) as threads:
        rows = list(threads.map(lambda each: shared.call({"texts": each}), texts))
    for each, got in zip(texts, rows, strict=True):
        assert got.dtype == np.float32
        assert got.tolist() == [[len(text), sum(map(ord, text))] for text in each]
        assert got.flags.writeable


@pytest.mark.pace
def test_calls_go_to_all_processes_at_once(shared: ModelPool) -> None:
    assert shared.parallelism == 2
    begun = time.monotonic()
    with ThreadPoolExecutor(2) as threads:
        pids = list(threads.map(lambda _: shared.call({"variable": "PATH", "sleep_s": 1})[1], range(2)))
    assert time.monotonic() - begun < 1.8
    assert sorted(pids) == sorted(map(float, shared.pids()))


@pytest.mark.pace
def test_a_process_answers_as_many_calls_at_once_as_its_model_can() -> None:
    with pool_of("cpu", cpu={"parallelism": 3}) as pool:
        assert pool.parallelism == 3
        begun = time.monotonic()
        with ThreadPoolExecutor(3) as threads:
            list(threads.map(lambda _: pool.call({"texts": [], "sleep_s": 1}), range(3)))
        assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        ("request", InvalidRequestError, "not like this"),
        ("weights", WeightsError, "no weights"),
        ("extra", ExtraMissingError, r"pip install 'footnote-service\[gpu\]'"),
        ("surprise", ModelError, r"failed unexpectedly \(ZeroDivisionError\)"),
    ],
)
def test_what_a_model_raises_is_raised_here(
    shared: ModelPool, error: str, kind: type[FootnoteError], reason: str
) -> None:
    with pytest.raises(kind, match=reason) as raised:
        shared.call({"error": error})
    assert getattr(raised.value, "extra", "gpu") == "gpu"
    assert shared.call({"texts": ["a"]}).tolist() == [[1, 97]]


def test_half_surrogate_pairs_arrive_as_they_are(shared: ModelPool) -> None:
    assert shared.call({"texts": ["\ud83d\ude00", "\ud800"]}).tolist() == [[2, 0xD83D + 0xDE00], [1, 0xD800]]


def test_a_process_logs_through_its_owner_and_has_no_secrets(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FOOTNOTE_DATABASE__DSN", "postgresql://somebody:secret@host")
    with caplog.at_level(logging.INFO, logger="retrieval"), pool_of("cpu") as pool:
        assert pool.call({"variable": "PATH"})[0]
        assert not pool.call({"variable": "FOOTNOTE_DATABASE__DSN"})[0]
        assert eventually(lambda: "cpu: loaded" in caplog.text)


@pytest.mark.pace
def test_an_urgent_call_goes_before_all_that_wait() -> None:
    with pool_of() as pool, ThreadPoolExecutor(10) as threads:
        documents = [threads.submit(pool.call, {"texts": ["d"], "sleep_s": 0.3}) for _ in range(10)]
        time.sleep(0.1)
        begun = time.monotonic()
        assert pool.call({"texts": ["q"]}, urgent=True).tolist() == [[1, 113]]
        assert time.monotonic() - begun < 0.7  # one of the first two ends, ten would take 1.5 s
        assert sum(each.done() for each in documents) < 6
        assert all(len(each.result()) == 1 for each in documents)


@pytest.mark.parametrize(
    ("number", "words"), [(signal.SIGKILL, "Killed"), (signal.SIGSEGV, "Segmentation fault")]
)
def test_a_process_that_dies_fails_its_own_call_and_is_started_again(number: int, words: str) -> None:
    with pool_of("cpu:0", "cpu:1") as pool, ThreadPoolExecutor(2) as threads:
        first = set(pool.pids())
        elsewhere = threads.submit(pool.call, {"texts": ["a"], "sleep_s": 1})
        time.sleep(0.2)
        with pytest.raises(ModelError, match=rf"the process with the model on cpu:1 ended .*\({words}"):
            pool.call({"signal": number})
        assert elsewhere.result().tolist() == [[1, 97]]
        assert pool.call({"texts": ["a"]}).tolist() == [[1, 97]]
        assert eventually(lambda: len(pool.pids()) == 2)
        assert len(first & set(pool.pids())) == 1


def test_a_text_over_which_a_process_died_is_tried_again_by_a_later_run() -> None:
    with pool_of("cpu:0") as pool, pytest.raises(ModelStoppedError) as stopped:
        pool.call({"signal": signal.SIGKILL})
    assert stopped.value.retryable


def test_the_death_of_an_idle_process_costs_no_call(caplog: pytest.LogCaptureFixture) -> None:
    with pool_of() as pool:
        victims = pool.pids()
        for pid in victims:
            os.kill(pid, signal.SIGKILL)
        assert eventually(lambda: not pool.pids())
        assert pool.call({"texts": ["a"]}).tolist() == [[1, 97]]
        assert "cpu: the process with the model ended (Killed" in caplog.text
        assert not set(victims) & set(pool.pids())


def test_a_process_that_dies_again_and_again_is_given_up_for_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retrieval.processes.pool._MOST_RESTARTS", 2)
    monkeypatch.setattr("retrieval.processes.pool._WITHIN_S", 8.0)
    with pool_of("cpu:0") as pool:
        for _ in range(3):
            with pytest.raises(ModelStoppedError, match="ended before it had answered"):
                pool.call({"signal": signal.SIGKILL})
        # What is ingested waits for it then, and is not put down as many files that failed.
        with pytest.raises(
            ModelUnavailableError, match=r"no process with the model runs any more.*cpu:0: Killed"
        ):
            pool.call({"texts": ["a"]})
        time.sleep(8)
        assert pool.call({"texts": ["a"]}).tolist() == [[1, 97]]


def test_a_model_that_cannot_be_loaded_again_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("retrieval.processes.pool._MOST_RESTARTS", 1)
    with pool_of("cpu:0", **{"cpu:0": {"fails_if": str(tmp_path / "gone")}}) as pool:
        (tmp_path / "gone").touch()
        with pytest.raises(ModelError, match="ended before"):
            pool.call({"signal": signal.SIGKILL})
        with pytest.raises(ModelError, match="cpu:0: no weights for cpu:0"):
            pool.call({"texts": ["a"]})


def test_a_machine_without_room_for_a_process_s_words_is_told_and_nobody_waits(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full() -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with pool_of("cpu") as pool:
        monkeypatch.setattr("retrieval.processes.process.tempfile.TemporaryFile", full)
        [pid] = pool.pids()
        os.kill(pid, signal.SIGKILL)
        with suppress(ModelStoppedError):  # which the call gets that comes before it is known
            pool.call({"texts": ["d"]})
        with pytest.raises(ModelUnavailableError, match="No space left on device"):
            pool.call({"texts": ["d"]})


def test_a_call_that_takes_too_long_ends_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    with pool_of("cpu") as pool:
        monkeypatch.setattr("retrieval.processes.pool._CALL_LIMIT_S", 0.2)
        pids = pool.pids()
        with pytest.raises(ModelError, match=r"no answer within 0\.2 seconds"):
            pool.call({"texts": ["a"], "sleep_s": 60})
        assert not any(map(runs, pids))


def test_where_one_device_has_another_model_or_none_all_processes_are_ended(tmp_path: Path) -> None:
    before = children()
    with (
        pytest.raises(ConfigurationError, match="the model on cpu:1 is another than the one on cpu:0"),
        pool_of("cpu:0", "cpu:1", **{"cpu:1": {"identity": "another"}}),
    ):
        pass
    with (
        pytest.raises(WeightsError, match="no weights for cpu:1"),
        pool_of("cpu:0", "cpu:1", **{"cpu:1": {"fails_if": str(tmp_path)}}),
    ):
        pass
    assert children() == before


def children() -> set[str]:
    """This process's children."""
    return {
        pid
        for task in Path("/proc/self/task").glob("*/children")
        for pid in task.read_text().split()
        if runs(int(pid))
    }


def test_closing_ends_the_processes_and_whoever_waits_for_them() -> None:
    with pool_of() as pool, ThreadPoolExecutor(3) as threads:
        pids = pool.pids()
        waiting = [threads.submit(pool.call, {"texts": ["a"], "sleep_s": 60}) for _ in range(3)]
        time.sleep(0.2)
        begun = time.monotonic()
        pool.close()
        pool.close()
        assert time.monotonic() - begun < 5
        assert not any(map(runs, pids))
        for call in waiting:
            with pytest.raises(ModelError, match="have been closed"):
                call.result()
        with pytest.raises(ModelError, match="have been closed"):
            pool.call({"texts": ["a"]})


def test_closing_while_a_process_is_started_again_leaves_none() -> None:
    before = children()
    with pool_of() as pool:
        os.kill(pool.pids()[0], signal.SIGKILL)
        assert eventually(lambda: len(pool.pids()) == 1)
        pool.call({"texts": ["a"]})
        threading.Thread(target=pool.close).start()
        pool.close()
        assert eventually(lambda: not pool.pids())
        assert children() == before


def test_processes_end_with_an_owner_that_is_killed_in_the_middle_of_calls() -> None:
    script = (
        "import threading; from tests.retrieval.served_models import FUNCTION\n"
        "from retrieval.processes.pool import ModelPool\n"
        "pool = ModelPool(FUNCTION, {}, ('cpu', 'cpu'))\n"
        "threading.Thread(target=pool.call, args=({'texts': [], 'sleep_s': 600},)).start()\n"
        "print(*pool.pids(), flush=True); threading.Event().wait()"
    )
    owner = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    with owner.stdout:
        pids = [int(pid) for pid in owner.stdout.readline().split()]
    assert len(pids) == 2
    assert all(map(runs, pids))
    owner.kill()
    owner.wait()
    assert eventually(lambda: not any(map(runs, pids)), 5)


# Which devices.


def test_several_devices_are_named_with_commas_or_as_all() -> None:
    assert [names_several(each) for each in (None, "cpu", "cuda:1", "cuda:0,cuda:1", "all", " all ")] == [
        False,
        False,
        False,
        True,
        True,
        True,
    ]
    assert split_devices("cuda:0, cuda:2") == ["cuda:0", "cuda:2"]
    assert split_devices("cpu,cpu") == ["cpu", "cpu"]


@pytest.mark.parametrize(
    ("device", "reason"),
    [
        ("cuda:0,", "a comma with nothing beside it"),
        ("cuda,cuda", "does not say which GPUs"),
        ("cuda:0,cpu", "devices of different kinds"),
    ],
)
def test_devices_that_cannot_be_told_apart_or_do_not_go_together_are_refused(
    device: str, reason: str
) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        split_devices(device)


@pytest.mark.parametrize("device", ["cpu,cpu", "all"])
def test_without_torch_the_error_names_the_extra(device: str) -> None:
    if importlib.util.find_spec("torch") is not None:
        pytest.skip("torch is installed")
    with pytest.raises(ExtraMissingError, match=r"pip install 'footnote-service\[gpu\]'"):
        load_embedder(EmbedderSpec(kind="sentence_transformer", model="anything", device=device))
    with pytest.raises(ExtraMissingError, match=r"pip install 'footnote-service\[gpu\]'"):
        load_reranker(RerankerSpec(kind="cross_encoder", model="anything", device=device))


@pytest.mark.extras
def test_all_gpus_where_there_is_none_is_a_configuration_error() -> None:
    import torch

    if torch.cuda.is_available():
        assert len(split_devices("all")) == torch.cuda.device_count()
        return
    with pytest.raises(ConfigurationError, match="torch sees no GPU here"):
        split_devices("all")


# The models that need no torch, in processes.


def test_an_embedder_in_processes_gives_the_vectors_of_one_here(
    embedder: Embedder, embedder_weights: Path
) -> None:
    texts = [f"The ferry leaves at {hour}. 漢字 🙂" for hour in range(9)] + [""]
    several = ProcessEmbedder(EmbedderSpec(kind="onnx", weights=embedder_weights, device="cpu,cpu"))
    try:
        assert several.identity == embedder.identity
        assert (several.max_tokens, several.cosine_bounds) == (embedder.max_tokens, embedder.cosine_bounds)
        assert (several.parallelism, several.batch_size) == (2, embedder.batch_size)
        assert several.token_ends(texts[0]) == embedder.token_ends(texts[0])
        assert several.embed_documents(texts).tobytes() == embedder.embed_documents(texts).tobytes()
        assert several.embed_query(texts[0]).tobytes() == embedder.embed_query(texts[0]).tobytes()
        with pytest.raises(InvalidRequestError, match="not valid Unicode"):
            several.embed_query("\ud83d\ude00")
        assert not any("torch" in line for pid in several.pids() for line in maps(pid))
    finally:
        several.close()


def maps(pid: int) -> list[str]:
    return re.findall(r"\S+$", Path(f"/proc/{pid}/maps").read_text(), re.MULTILINE)


def test_a_reranker_in_processes_gives_the_logits_of_one_here(reranker_weights: Path) -> None:
    pairs = [("when does the ferry leave?", f"At {hour}." * hour) for hour in range(9)]
    here = OnnxReranker(reranker_weights)
    several = ProcessReranker(RerankerSpec(kind="onnx", weights=reranker_weights, device="cpu,cpu"))
    try:
        assert (several.name, several.max_tokens, several.parallelism) == (here.name, here.max_tokens, 2)
        assert several.score(pairs).tobytes() == here.score(pairs).tobytes()
        assert several.score([]).shape == (0,)
    finally:
        several.close()
        here.close()
