"""The app on the wire and as a process: large bodies, a database that goes away, and a clean end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from generation.llms import LLMSpec, load_llm
from retrieval.errors import ConfigurationError
from retrieval.weights import EMBEDDER_PIN, RERANKER_PIN, find_weights
from service.footnote import Footnote
from service.http.app import _Server, serve
from service.keys import create_key
from service.settings import Settings
from tests.generation.llms.llm_server import Reply, delta, llm_server
from tests.service.conftest import OpenFootnote
from tests.service.http.conftest import add_document, open_house
from tests.service.http.line import open_line
from tests.service.http.wire import listening, on_the_wire
from tests.service.test_working import nobody_reads_documents, put_in, state
from tests.service.workers import until

_ROOT = Path(__file__).resolve().parents[3]
_SERVE = """
import sys
from service.http.app import serve
from service.settings import load_settings
sys.exit(serve(load_settings(), host="127.0.0.1", port=int(sys.argv[1]), log_style="json"))
"""


async def test_a_body_that_is_too_large_is_refused_on_the_wire_whether_announced_or_not(
    footnote: Footnote,
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b" " * 65_536

    async with on_the_wire(footnote) as wired:
        client = wired.client
        for content in (b" " * 2_000_000, pieces()):
            response = await client.post(
                "/v1/ask", content=content, headers={"Content-Type": "application/json"}
            )
            assert response.status_code == 413
            assert response.headers["content-type"] == "application/problem+json"
            assert response.json()["type"] == "urn:footnote:problem:too-large"
        assert (await client.get("/health/live")).status_code == 200


async def test_a_database_that_goes_away_is_a_503_and_one_that_comes_back_is_used_again(
    dsn: str, open_footnote_at: OpenFootnote
) -> None:
    async with open_line(dsn) as line, open_footnote_at(line.dsn) as footnote, open_house(footnote) as house:
        await house.add("a.txt", "Cats sleep for most of the day.")
        ask = {"question": "What do cats do for most of the day?"}
        assert (await house.client.post("/v1/ask", json=ask)).status_code == 200
        await line.cut()
        away, ready, metrics = await asyncio.gather(
            house.client.post("/v1/ask", json=ask),
            house.client.get("/health/ready"),
            house.client.get("/metrics"),
        )
        assert away.status_code == 503
        assert away.json()["type"] == "urn:footnote:problem:database-unavailable"
        assert away.headers["Retry-After"] == "5"
        assert "127.0.0.1" not in away.text
        assert ready.status_code == 503
        assert [name for name, part in ready.json()["parts"].items() if not part["ready"]] == ["database"]
        assert "127.0.0.1" not in ready.text
        assert metrics.status_code == 200
        assert "footnote_database_up 0.0" in metrics.text
        assert (await house.client.get("/health/live")).status_code == 200
        await line.mend()
        async with asyncio.timeout(30):
            while (await house.client.post("/v1/ask", json=ask)).status_code != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.1)


async def test_a_database_that_does_not_answer_is_not_waited_for_by_readiness(
    dsn: str, open_footnote_at: OpenFootnote
) -> None:
    async with open_line(dsn) as line, open_footnote_at(line.dsn) as footnote, open_house(footnote) as house:
        line.hold()
        started = time.monotonic()
        ready = await house.client.get("/health/ready")
        assert time.monotonic() - started < 5
        line.let_go()
    assert ready.json()["parts"]["database"] == {"ready": False, "detail": "no answer within 2 s"}


async def test_a_server_that_is_told_to_stop_ends_the_answers_that_it_tells(
    footnote: Footnote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.http.app._DRAIN_ANSWERS_S", 0.3)
    await add_document(footnote, "a.txt", "Cats sleep for most of the day.")
    key = (await create_key(footnote.database, name="wire", principals=[])).key
    said: list[str] = []
    stalling = Reply(steps=[delta("Cats sleep"), "stall"])
    async with llm_server(stalling) as seen:
        llm = load_llm(LLMSpec(base_url=seen.base_url, model="m", location="inside"))
        server = _Server(replace(footnote, llm=llm), "It answers.", said.append)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            serving = asyncio.create_task(server._serve([listener]))
            address = f"http://127.0.0.1:{listener.getsockname()[1]}"
            body = {"question": "What do cats do for most of the day?", "stream": True}
            async with (
                httpx.AsyncClient(
                    base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=20
                ) as client,
                listening(client, "POST", "/v1/ask", body=body) as listens,
            ):
                names = []
                async for event in listens.events():
                    names.append(event.name)
                    if event.name == "delta":
                        server.should_exit = True
            async with asyncio.timeout(10):
                await serving
        await llm.close()
    assert names[-1] == "error"
    assert event.shape["type"] == "urn:footnote:problem:stopping"
    assert said == ["It answers.", "Footnote is stopping: what runs is finished, within 30 s."]
    assert seen.hung_up.is_set()


def test_an_address_where_nobody_can_listen_is_said_at_once(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigurationError, match=f"port {port}: .*in use.* --port"):
            serve(Settings(home=tmp_path), host="127.0.0.1", port=port)
    with pytest.raises(ConfigurationError, match=r"host '192\.0\.2\.1'"):
        serve(Settings(home=tmp_path), host="192.0.2.1", port=0)


async def _serving(dsn: str, weights_cache: Path, home: Path) -> tuple[asyncio.subprocess.Process, str]:
    """A process of its own that serves, and its address."""
    given = os.environ.get("FOOTNOTE_WEIGHTS_DIR")
    for pin in (EMBEDDER_PIN, RERANKER_PIN):
        find_weights(pin, folder=Path(given) if given else None, cache=weights_cache, report=print)
    (home / "weights").symlink_to(weights_cache)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _SERVE,
        str(port),
        cwd=_ROOT,
        env={**os.environ, "FOOTNOTE_HOME": str(home), "FOOTNOTE_DATABASE__DSN": dsn},
        stderr=asyncio.subprocess.PIPE,
    )
    return process, f"http://127.0.0.1:{port}"


async def test_a_process_that_is_told_to_stop_while_it_starts_does_so(
    dsn: str, weights_cache: Path, tmp_path: Path
) -> None:
    async with open_line(dsn) as line:
        line.hold()
        process, address = await _serving(line.dsn, weights_cache, tmp_path)
        try:
            async with asyncio.timeout(60):
                while not await _listens(address):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            process.send_signal(signal.SIGTERM)
            await asyncio.sleep(0.2)
            line.let_go()
            written = await _until(process, "before it had started")
            assert "answers at" not in written
            assert await process.wait() != 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def _listens(address: str) -> bool:
    host, _, port = address.removeprefix("http://").partition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except ConnectionError:
        return False
    writer.close()
    return True


async def _until(process: asyncio.subprocess.Process, word: str) -> str:
    """What the process writes on standard error up to a line that holds the word."""
    assert process.stderr is not None
    written = ""
    async with asyncio.timeout(60):
        while line := (await process.stderr.readline()).decode():
            written += line
            if word in line:
                return written
    raise AssertionError(f"the process ended without saying {word!r}:\n{written}")


async def test_a_process_that_is_told_to_stop_finishes_what_runs_and_ends_with_0(
    dsn: str, footnote: Footnote, weights_cache: Path, tmp_path: Path
) -> None:
    await add_document(footnote, "a.txt", "Cats sleep for most of the day.")
    async with open_line(dsn) as line:
        process, address = await _serving(line.dsn, weights_cache, tmp_path)
        try:
            started = await _until(process, "answers at")
            assert address in started
            assert "footnote keys create" in await _until(process, "there is none yet")
            assert f"{address}/#link=" in await _until(process, "In a browser on this machine")
            key = (await create_key(footnote.database, name="wire", principals=[])).key
            async with httpx.AsyncClient(
                base_url=address, headers={"Authorization": f"Bearer {key}"}, timeout=30
            ) as client:
                await client.get("/metrics")  # what it reads from the database is kept for a while
                line.hold()
                asked = asyncio.create_task(
                    client.post("/v1/ask", json={"question": "What do cats do for most of the day?"})
                )
                while "footnote_requests_running 2.0" not in (await client.get("/metrics")).text:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
                process.send_signal(signal.SIGTERM)
                await _until(process, "is stopping")
                await asyncio.sleep(0.3)
                assert not asked.done()
                line.let_go()
                answer = await asked
            assert answer.status_code == 200
            assert answer.json()["status"] == "answered"
            ended = await _until(process, "has stopped")
            assert "Traceback" not in ended
            assert await process.wait() == 0
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def test_a_process_that_is_told_to_stop_twice_finishes_its_jobs_all_the_same(
    dsn: str, footnote: Footnote, weights_cache: Path, tmp_path: Path
) -> None:
    await add_document(footnote, "a.txt", "Cats sleep for most of the day.")
    process, _ = await _serving(dsn, weights_cache, tmp_path)
    try:
        await _until(process, "In a browser on this machine")
        with nobody_reads_documents(dsn):
            job_id, _ = await put_in(footnote)
            await until(lambda: state(footnote, job_id, "running"))
            process.send_signal(signal.SIGTERM)
            await _until(process, "is stopping")
            await asyncio.sleep(2)
            process.send_signal(signal.SIGTERM)
            await asyncio.sleep(1)
        ended = await _until(process, "has stopped")
        assert "Traceback" not in ended
        assert await process.wait() == 0
        assert await state(footnote, job_id, "done")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
