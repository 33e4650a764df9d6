"""A whole run of `footnote serve`, looked at from outside: log lines and traces, and what must be in neither."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from retrieval.weights import EMBEDDER_PIN, RERANKER_PIN, find_weights
from service.footnote import Footnote
from service.keys import create_key
from tests.generation.llms.llm_server import Reply, answer, llm_server, problem
from tests.service.http.conftest import add_document
from tests.service.tracing.receiver import otlp_receiver

ROOT = Path(__file__).resolve().parents[3]
TRACE = "0af7651916cd43dd8448eb211c80319c"
# Words that stand in documents, questions, turns, filters, names and keys, and nowhere else.
PLANTED = ("zyzzogeton", "quagswagging", "xertzing", "yarborough", "ulotrichous", "winklepicker")
DOCUMENT = (
    "The zyzzogeton takes twenty-five days of paid leave in a year.\n\nThe quagswagging is over in March."
)


@dataclass(slots=True, kw_only=True)
class Running:
    """A process that serves: its address, and all that it wrote once it has ended."""

    address: str
    process: asyncio.subprocess.Process
    written: list[str] = field(default_factory=list)

    def entries(self, logger: str) -> list[dict[str, Any]]:
        """The JSON objects among its lines."""
        parsed = [json.loads(line) for line in self.written if line.startswith("{")]
        return [entry for entry in parsed if entry["logger"] == logger]


@asynccontextmanager
async def serving(home: Path, variables: dict[str, str]) -> AsyncIterator[Running]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from service.command import main; main()"),
        *("serve", "--port", str(port), "--log-style", "json"),
        cwd=home,
        env={**os.environ, "PYTHONPATH": str(ROOT), "FOOTNOTE_HOME": str(home), **variables},
        stderr=asyncio.subprocess.PIPE,
    )
    running = Running(address=f"http://127.0.0.1:{port}", process=process)
    assert process.stderr is not None
    try:
        async with asyncio.timeout(300):
            while line := (await process.stderr.readline()).decode():
                running.written.append(line)
                if "answers at" in line:
                    break
            else:
                raise AssertionError(f"it ended before it answered:\n{''.join(running.written)}")
        reading = asyncio.create_task(process.stderr.read())
        yield running
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            running.written += (await reading).decode().splitlines(keepends=True)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
def home(weights_cache: Path, tmp_path: Path) -> Path:
    given = os.environ.get("FOOTNOTE_WEIGHTS_DIR")
    for pin in (EMBEDDER_PIN, RERANKER_PIN):
        find_weights(pin, folder=Path(given) if given else None, cache=weights_cache, report=print)
    (tmp_path / "weights").symlink_to(weights_cache)
    return tmp_path


async def ask_all_sorts(client: httpx.AsyncClient) -> list[int]:
    """Requests that hold every planted word; returns their statuses."""
    question = "How many days of leave does the zyzzogeton take? xertzing"
    bodies = [
        {"question": question},
        {"question": question, "stream": True},
        {"question": question, "turns": [{"question": "yarborough?", "answer": "ulotrichous"}]},
        {"question": question, "collection": "winklepicker"},
        {"question": question, "filters": {"metadata": {"winklepicker": "yarborough"}}},
        {"question": question, "winklepicker": 1},
        {"question": "xertzing " * 2_000},
    ]
    responses = [await client.post("/v1/ask", json=body) for body in bodies]
    responses += [await client.post("/v1/search", json={"query": question, "k": 3})]
    responses += [await client.post("/v1/ask", content=b'{"question": "xertzing')]
    responses += [await client.get("/v1/documents", params={"cursor": "winklepicker"})]
    responses += [
        await client.get(
            "/health/live", headers={"X-Request-ID": "winklepicker!", "traceparent": "yarborough"}
        )
    ]
    responses += [await client.get("/v1/documents", headers={"Authorization": "Bearer winklepicker"})]
    return [response.status_code for response in responses]


@pytest.mark.timeout(900)
async def test_neither_logs_nor_traces_of_a_whole_run_hold_a_word_of_documents_or_questions(
    footnote: Footnote, dsn: str, home: Path
) -> None:
    document_id = await add_document(footnote, "quagswagging.txt", DOCUMENT)
    key = (await create_key(footnote.database, name="seeing", principals=[])).key
    replies = (
        answer("The zyzzogeton takes twenty-five days of paid leave in a year. [1]"),
        problem(400, "this prompt is too long: The quagswagging is over in March."),
        problem(500, "The quagswagging is over in March."),
        Reply(steps=[b"data: xertzing\n\n", "die"]),
    )
    async with (
        otlp_receiver() as received,
        llm_server(*replies, routes={"/tokenize": lambda: problem(404, "Not Found")}) as llm,
    ):
        variables = {
            "FOOTNOTE_DATABASE__DSN": dsn,
            "FOOTNOTE_LLM__BASE_URL": llm.base_url,
            "FOOTNOTE_LLM__MODEL": "tiny",
            "FOOTNOTE_LLM__LOCATION": "inside",
            "FOOTNOTE_CACHE__ANSWERS_BYTES": "0",
            "FOOTNOTE_TELEMETRY__OTLP_ENDPOINT": received.endpoint,
        }
        headers = {"Authorization": f"Bearer {key}"}
        async with (
            serving(home, variables) as running,
            httpx.AsyncClient(base_url=running.address, headers=headers, timeout=60) as client,
        ):
            told = await client.post(
                "/v1/ask",
                json={"question": "How many days of leave does the zyzzogeton take?"},
                headers={"traceparent": f"00-{TRACE}-b7ad6b7169203331-01", "X-Request-ID": "the-first"},
            )
            assert told.json()["status"] == "answered", told.text
            text = await client.get(f"/v1/documents/{document_id}/text")
            assert text.text == DOCUMENT
            statuses = await ask_all_sorts(client)
            metrics = (await client.get("/metrics")).text
    assert {200, 401, 404, 422, 502} <= {*statuses}
    logs = "".join(running.written)
    spans = b"".join(received.bodies)
    for word in (*PLANTED, key, key.rpartition("_")[2]):
        assert word not in logs.lower(), [line for line in running.written if word in line.lower()]
        assert word.encode() not in spans.lower()
        assert word not in metrics.lower()
    (first,) = [line for line in running.entries("footnote.requests") if line["request_id"] == "the-first"]
    assert first["trace_id"] == TRACE
    assert (first["route"], first["status"], first["key"]) == ("/v1/ask", 200, key.rpartition("_")[0])
    stages = {"answer", "first_text", "embed", "search", "dense", "lexical", "evidence", "context", "model"}
    assert stages | {"first_token", "support"} <= {*first["stages"]}
    assert first["stages"]["model"] <= first["stages"]["answer"] <= first["milliseconds"]
    traced = {span.name: span for span in received.spans() if span.trace_id.hex() == TRACE}
    assert stages | {"POST /v1/ask"} <= {*traced}
    assert traced["POST /v1/ask"].parent_span_id.hex() == "b7ad6b7169203331"
    assert 'footnote_tokens_total{kind="completion",model="tiny"} 7.0' in metrics
