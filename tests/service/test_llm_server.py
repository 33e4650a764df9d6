"""`footnote llm serve`, with a program in vLLM's place: the real one is tried in tests/generation/llms/test_vllm.py."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from retrieval.errors import InvalidRequestError
from service.llm_server import Adapter, ServerPlan

STAND_IN = """
import http.server, json, os, pathlib, signal, subprocess, sys, time

arguments = sys.argv[1:]
known = {name: arguments[arguments.index(name) + 1] for name in ("--port", "--model")}
here = pathlib.Path(os.environ["STAND_IN"])
worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
told = {"arguments": arguments, "key": os.environ.get("VLLM_API_KEY"), "worker": worker.pid,
        "settings": [name for name in os.environ if name.startswith("FOOTNOTE_")]}
(here / "told.json").write_text(json.dumps(told))
if known["--model"] == "broken":
    sys.exit(7)
if known["--model"] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        status = 400 if known["--model"] == "no-chat" else 200
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *arguments):
        pass


time.sleep(float(os.environ.get("STAND_IN_DELAY", "0")))
http.server.HTTPServer(("127.0.0.1", int(known["--port"])), Handler).serve_forever()
"""


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a package vllm in it, and a working folder without settings."""
    package = tmp_path / "vllm" / "entrypoints" / "openai"
    package.mkdir(parents=True)
    for folder in (tmp_path / "vllm", package.parent, package):
        (folder / "__init__.py").touch()
    (package / "api_server.py").write_text(STAND_IN)
    monkeypatch.setenv("STAND_IN", str(tmp_path))
    monkeypatch.setenv("FOOTNOTE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@contextmanager
def serving(*arguments: str, port: int | None = None) -> Iterator[subprocess.Popen[str]]:
    footnote = [sys.executable, "-c", "from service.command import main; main()"]
    with subprocess.Popen(
        [*footnote, "llm", "serve", "--port", str(port or free_port()), *arguments],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def until(process: subprocess.Popen[str], words: str) -> str:
    """The line of standard error that says so."""
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return line
    raise AssertionError(f"it ended without {words!r}")


def told(folder: Path) -> dict[str, object]:
    found: dict[str, object] = json.loads((folder / "told.json").read_text())
    return found


def is_gone(pid: object, *, within_s: float = 10) -> bool:
    until_then = time.monotonic() + within_s
    while time.monotonic() < until_then:
        status = Path(f"/proc/{pid}/status")
        if not status.exists() or "State:\tZ" in status.read_text():
            return True
        time.sleep(0.05)
    return False


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_when_the_server_answers_and_ends_it_with_its_workers_when_told_to(
    stand_in: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    monkeypatch.setenv("FOOTNOTE_LLM__API_KEY", "sk-secret")
    port = free_port()
    with serving("some/model", "--name", "mine", "--", "--tensor-parallel-size", "2", port=port) as process:
        line = until(process, "answers at")
        process.send_signal(number)
        assert process.wait(timeout=20) == 0
    assert f"http://127.0.0.1:{port}/v1" in line
    assert "FOOTNOTE_LLM__MODEL=mine" in line
    seen = told(stand_in)
    assert seen["key"] == "sk-secret"
    assert seen["settings"] == []
    assert "sk-secret" not in str(seen["arguments"])
    assert str(seen["arguments"]).count("--tensor-parallel-size")
    assert is_gone(seen["worker"])


def test_a_server_that_ends_by_itself_is_an_error_that_says_so(stand_in: Path) -> None:
    with serving("broken") as process:
        assert "vLLM ended by itself with status 7" in until(process, "error:")
        assert process.wait(timeout=20) == 1
    assert is_gone(told(stand_in)["worker"])


@pytest.mark.usefixtures("stand_in")
def test_a_model_that_cannot_converse_is_told() -> None:
    with serving("no-chat") as process:
        assert "refuses a completion (status 400)" in until(process, "error:")
        assert process.wait(timeout=20) == 1


def test_a_server_that_never_answers_is_given_up(stand_in: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STAND_IN_DELAY", "60")
    with serving("some/model", "--ready-timeout", "2") as process:
        assert "did not answer within 2 s" in until(process, "error:")
        assert process.wait(timeout=20) == 1
    assert is_gone(told(stand_in)["worker"])


def test_it_goes_even_where_we_are_killed(stand_in: Path) -> None:
    with serving("some/model") as process:
        line = until(process, "process ")
        until(process, "answers at")
        process.kill()
        process.wait()
    child = line.rpartition("process ")[2].rstrip(").\n")
    assert is_gone(child)
    os.kill(int(str(told(stand_in)["worker"])), signal.SIGKILL)  # vLLM's own workers end with it


@pytest.mark.usefixtures("stand_in")
def test_a_port_that_is_taken_is_told_before_anything_starts() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with serving("some/model", port=taken.getsockname()[1]) as process:
            assert "Choose another with --port" in until(process, "error:")
            assert process.wait(timeout=20) == 1


def test_without_the_extra_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FOOTNOTE_HOME", str(tmp_path))
    with serving("some/model") as process:
        assert "pip install 'footnote-service[vllm]'" in until(process, "error:")
        assert process.wait(timeout=20) == 1


def adapter(folder: Path, name: str, rank: object) -> str:
    (folder / name).mkdir()
    (folder / name / "adapter_config.json").write_text(json.dumps({"r": rank}))
    return f"{name}={folder / name}"


def plan(**changes: object) -> ServerPlan:
    given: dict[str, object] = {
        "model": "some/model",
        "name": "mine",
        "host": "127.0.0.1",
        "port": 8000,
        "context_tokens": 8192,
    }
    return ServerPlan(**{**given, **changes})  # type: ignore[arg-type]


def test_prefixes_are_cached_and_the_context_is_bounded() -> None:
    arguments = " ".join(plan(quantization="awq", dtype="float16").arguments())
    for expected in (
        "--model some/model --served-model-name mine",
        "--max-model-len 8192",
        "--enable-prefix-caching",
        "--quantization awq",
        "--dtype float16",
    ):
        assert expected in arguments


@pytest.mark.parametrize(
    "config", [{"max_position_embeddings": 2048}, {"text_config": {"max_position_embeddings": 2048}}]
)
def test_a_model_in_a_folder_gets_no_longer_a_context_than_it_takes(tmp_path: Path, config: object) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert "--max-model-len 2048" in " ".join(plan(model=str(tmp_path)).arguments())


def test_adapters_are_served_by_name_with_room_for_the_largest(tmp_path: Path) -> None:
    adapters = tuple(Adapter.parse(adapter(tmp_path, name, rank)) for name, rank in (("hr", 16), ("law", 48)))
    arguments = plan(adapters=adapters).arguments()
    assert arguments[arguments.index("--max-lora-rank") + 1] == "64"
    assert arguments[-3:] == ["--lora-modules", f"hr={tmp_path / 'hr'}", f"law={tmp_path / 'law'}"]


@pytest.mark.parametrize("text", ["hr", "=x", "hr=/nowhere"])
def test_what_is_no_adapter_is_told(text: str) -> None:
    with pytest.raises(InvalidRequestError, match="NAME=FOLDER"):
        Adapter.parse(text)


@pytest.mark.parametrize("rank", [None, "16", 1024])
def test_an_adapter_without_a_fit_rank_is_told(tmp_path: Path, rank: object) -> None:
    with pytest.raises(InvalidRequestError, match="no rank"):
        plan(adapters=(Adapter.parse(adapter(tmp_path, "hr", rank)),)).arguments()


def test_the_key_is_not_part_of_the_plan_s_representation() -> None:
    assert "sk-secret" not in repr(plan(api_key="sk-secret"))
