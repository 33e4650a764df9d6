"""POST /mcp, as the official SDK's client sees it over real HTTP, in both of the protocol's ways."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, TextContent

from generation.answers import REFUSAL
from generation.llms.scripted import ScriptedLLM
from retrieval.records import Scope
from service.footnote import Footnote
from service.http.mcp.arguments import DocumentTextBody
from service.http.responses.answers import AnswerBody, HitsBody
from service.keys import create_key
from service.sections import OverloadSettings
from service.shapes import found_as_json
from tests.service.conftest import OpenFootnote
from tests.service.http.conftest import House, add_document
from tests.service.http.line import open_line
from tests.service.http.routes.test_answers import PacedLLM
from tests.service.http.wire import Wired, on_the_wire

_LEAVE = (
    "Every employee has twenty-five days of paid leave in a year. "
    "Days that were not taken may be carried over until the end of March."
)
_QUESTION = "How many days of paid leave does an employee have?"
_FIRST = "Every employee has twenty-five days of paid leave in a year [1]. "
_INITIALIZE: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    },
}
_ACCEPT = {"Accept": "application/json, text/event-stream"}


@asynccontextmanager
async def talking(wired: Wired, *, key: str | None = None, mode: str = "auto") -> AsyncIterator[Client]:
    """The SDK's client, connected."""
    headers = {"Authorization": f"Bearer {key or wired.key}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=30) as http_client,
        Client(streamable_http_client(f"{wired.address}/mcp", http_client=http_client), mode=mode) as client,
    ):
        yield client


def text_of(result: CallToolResult) -> str:
    [block] = result.content
    assert isinstance(block, TextContent)
    return block.text


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_the_tools_search_ask_and_read(footnote: Footnote, mode: str) -> None:
    document = await add_document(footnote, "people/leave.txt", _LEAVE)
    scope = Scope.of([])
    async with on_the_wire(footnote) as wired, talking(wired, mode=mode) as client:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert listed.keys() == {"search", "ask", "get_document"}
        for tool in listed.values():
            assert tool.description
            assert tool.annotations is not None
            assert tool.annotations.read_only_hint
            for name, argument in tool.input_schema["properties"].items():
                assert argument.get("description"), (tool.name, name)
        assert "There are: default." in listed["ask"].input_schema["properties"]["collection"]["description"]

        found = await client.call_tool("search", {"query": "paid leave", "k": 3})
        expected = found_as_json(await footnote.search("default", "paid leave", k=3, scope=scope))
        assert found.structured_content == expected
        HitsBody.model_validate(found.structured_content)
        assert "people/leave.txt" in text_of(found)
        assert _LEAVE in text_of(found)

        said = await client.call_tool("ask", {"question": _QUESTION})
        answer = await footnote.ask("default", _QUESTION, scope=scope)
        assert said.structured_content == json.loads(json.dumps(answer.as_json()))
        AnswerBody.model_validate(said.structured_content)
        assert text_of(said).startswith("Every employee has twenty-five days of paid leave in a year. [1]")
        assert "- [1] people/leave.txt: “Every employee" in text_of(said)

        [cited, *_] = said.structured_content["citations"]
        read = await client.call_tool(
            "get_document",
            {
                "document": cited["document"],
                "revision": cited["revision"],
                "char_start": cited["char_start"],
                "length": cited["char_end"] - cited["char_start"],
            },
        )
        part = DocumentTextBody.model_validate(read.structured_content)
        assert part.text == cited["quote"]
        assert (part.document, part.path, part.is_newest) == (document, "people/leave.txt", True)
        assert text_of(read).endswith(cited["quote"])


async def test_any_revision_is_read_part_by_part(footnote: Footnote) -> None:
    former = "\N{PILE OF POO} The first text.\n\n" + "\n\n".join(f"Paragraph {n}." for n in range(40))
    document = str(await add_document(footnote, "a.txt", former))
    await add_document(footnote, "a.txt", "The second text.")
    async with on_the_wire(footnote) as wired, talking(wired) as client:
        newest = (await client.call_tool("get_document", {"document": document})).structured_content
        assert (newest["text"], newest["revision"], newest["is_newest"]) == ("The second text.", 2, True)
        assert newest["next_char_start"] is None
        read = ""
        start: int | None = 0
        while start is not None:
            asked = {"document": document, "revision": 1, "char_start": start, "length": 100}
            part = (await client.call_tool("get_document", asked)).structured_content
            assert part["char_start"] == len(read)
            assert part["is_newest"] is False
            assert part["total_chars"] == len(former)
            read += part["text"]
            start = part["next_char_start"]
        beyond = await client.call_tool("get_document", {"document": document, "char_start": 10**6})
    assert read == former
    assert beyond.structured_content["text"] == ""


async def test_a_question_that_the_documents_do_not_answer_is_no_error(footnote: Footnote) -> None:
    await add_document(footnote, "leave.txt", _LEAVE)
    async with on_the_wire(footnote) as wired, talking(wired) as client:
        said = await client.call_tool("ask", {"question": "What is the melting point of tungsten?"})
    assert not said.is_error
    assert text_of(said).startswith(REFUSAL)
    assert said.structured_content["status"] == "refused"


async def test_what_a_caller_may_not_see_does_not_exist_for_them(footnote: Footnote) -> None:
    hidden = str(await add_document(footnote, "leave.txt", _LEAVE, readers=["group:hr"]))
    await add_document(footnote, "cats.txt", "Cats sleep for most of the day.")
    await add_document(footnote, "m.txt", "We merge.", collection="merger", readers=["group:hr"])
    hr = (await create_key(footnote.database, name="hr", principals=["group:hr"])).key
    async with on_the_wire(footnote) as wired:
        async with talking(wired, key=hr) as client:
            assert (await client.call_tool("ask", {"question": _QUESTION})).structured_content["answered"]
            assert _LEAVE in text_of(await client.call_tool("get_document", {"document": hidden}))
            assert "default, merger." in repr(await client.list_tools())
        async with talking(wired) as client:
            found = await client.call_tool("search", {"query": "paid leave in a year"})
            assert {hit["path"] for hit in found.structured_content["hits"]} == {"cats.txt"}
            assert not (await client.call_tool("ask", {"question": _QUESTION})).structured_content["answered"]
            assert "merger" not in repr(await client.list_tools())
            nowhere = str(uuid4())
            for name, there, never in (
                ("get_document", {"document": hidden}, {"document": nowhere}),
                ("search", {"query": "x", "collection": "merger"}, {"query": "x", "collection": "nowhere"}),
                (
                    "ask",
                    {"question": "x", "collection": "merger"},
                    {"question": "x", "collection": "nowhere"},
                ),
            ):
                denied, absent = await client.call_tool(name, there), await client.call_tool(name, never)
                assert denied.is_error
                assert absent.is_error
                told = text_of(denied).replace("merger", "nowhere").replace(hidden, nowhere)
                assert told == text_of(absent)


async def test_what_goes_wrong_is_a_tools_error_that_says_what_to_mend(footnote: Footnote) -> None:
    await add_document(footnote, "leave.txt", _LEAVE)
    llm = ScriptedLLM(_FIRST, location="outside")
    cases: list[tuple[str, dict[str, Any], str]] = [
        ("search", {}, "query: Field required"),
        ("search", {"query": "x", "k": 1000}, "k: Input should be less than or equal to 100"),
        ("search", {"query": "x", "colour": 1}, "colour: Extra inputs"),
        ("search", {"query": "  "}, "the question"),
        ("search", {"query": "x", "filters": {"media_types": ["what"]}}, "media type"),
        ("get_document", {"document": "secret-name"}, "document: Input should be a valid UUID"),
        ("ask", {"question": _QUESTION}, "outside"),
    ]
    async with on_the_wire(replace(footnote, llm=llm)) as wired, talking(wired) as client:
        for name, arguments, message in cases:
            result = await client.call_tool(name, arguments)
            assert result.is_error, arguments
            assert message in text_of(result), text_of(result)
            assert "Traceback" not in text_of(result)
            assert "secret-name" not in text_of(result)
        with pytest.raises(MCPError, match="There are: search, ask, get_document"):
            await client.call_tool("destroy", {})


async def test_a_database_that_is_away_is_said_without_its_address(
    dsn: str, open_footnote_at: OpenFootnote
) -> None:
    body = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    async with open_line(dsn) as line, open_footnote_at(line.dsn) as footnote, on_the_wire(footnote) as wired:
        assert (await wired.client.post("/mcp", json=body, headers=_ACCEPT)).status_code == 200
        await line.cut()
        away = await wired.client.post("/mcp", json=body, headers=_ACCEPT)
    assert away.status_code == 503
    assert away.json()["type"] == "urn:footnote:problem:database-unavailable"
    assert "127.0.0.1" not in away.text


async def test_without_a_key_in_force_nothing_is_told(house: House) -> None:
    for sent, kind in (("", "key-missing"), ("Bearer xyz", "key-refused")):
        response = await house.client.post(
            "/mcp", json=_INITIALIZE, headers={**_ACCEPT, "Authorization": sent}
        )
        assert response.status_code == 401
        assert response.json()["type"] == f"urn:footnote:problem:{kind}"
        assert response.headers["WWW-Authenticate"].startswith("Bearer")


async def test_pages_of_other_sites_and_foreign_names_of_this_machine_are_refused(footnote: Footnote) -> None:
    async with on_the_wire(footnote) as wired:
        host = wired.address.removeprefix("http://")
        port = host.rpartition(":")[2]
        for headers, status in (
            ({}, 200),
            ({"Origin": wired.address}, 200),
            ({"Origin": "https://evil.example"}, 403),
            ({"Origin": "null"}, 403),
            ({"Host": f"evil.example:{port}", "Origin": f"http://evil.example:{port}"}, 403),
            ({"Host": f"localhost:{port}"}, 200),
            ({"Host": "knowledge.example", "X-Forwarded-For": "10.0.0.1"}, 200),
        ):
            response = await wired.client.post("/mcp", json=_INITIALIZE, headers={**_ACCEPT, **headers})
            assert response.status_code == status, headers
            if status == 403:
                assert response.json()["type"] == "urn:footnote:problem:cross-origin"


async def test_it_keeps_no_sessions_and_its_requests_have_ids_figures_and_a_bound(footnote: Footnote) -> None:
    async with on_the_wire(footnote) as wired:
        client = wired.client
        opened = await client.post("/mcp", json=_INITIALIZE, headers={**_ACCEPT, "X-Request-ID": "mine"})
        assert opened.status_code == 200
        assert "mcp-session-id" not in opened.headers
        assert opened.headers["X-Request-ID"] == "mine"
        listed = await client.post(
            "/mcp", json={"jsonrpc": "2.0", "id": 2, "method": "tools/list"}, headers=_ACCEPT
        )
        assert '"get_document"' in listed.text
        for method in ("GET", "DELETE"):
            refused = await client.request(method, "/mcp", headers=_ACCEPT)
            assert (refused.status_code, refused.headers["Allow"]) == (405, "POST")
        large = await client.post("/mcp", content=b" " * 2_000_000, headers=_ACCEPT)
        assert large.status_code == 413
        broken = await client.post(
            "/mcp", content=b"{", headers={**_ACCEPT, "Content-Type": "application/json"}
        )
        assert broken.status_code == 400
        metrics = (await client.get("/metrics")).text
    assert 'route="/mcp"' in metrics


@pytest.mark.parametrize("version", ["2025-06-18", "2026-07-28"])
async def test_who_leaves_has_the_work_stopped(footnote: Footnote, version: str) -> None:
    await add_document(footnote, "leave.txt", _LEAVE)
    llm = PacedLLM()
    llm.says.put_nowait(_FIRST)
    async with on_the_wire(replace(footnote, llm=llm)) as wired:
        asking = asyncio.create_task(_call_and_leave(wired, version))
        async with asyncio.timeout(20):
            while llm.says.qsize():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        async with asyncio.timeout(10):
            await llm.closed.wait()


async def _call_and_leave(wired: Wired, version: str) -> None:
    meta = {
        "io.modelcontextprotocol/protocolVersion": version,
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    }
    params: dict[str, Any] = {"name": "ask", "arguments": {"question": _QUESTION}, "_meta": meta}
    body = {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params}
    headers = {**_ACCEPT, "MCP-Protocol-Version": version, "Mcp-Method": "tools/call", "Mcp-Name": "ask"}
    response = await wired.client.post("/mcp", json=body, headers=headers)
    raise AssertionError(response.text)


async def test_progress_is_told_to_who_asked_for_it(footnote: Footnote) -> None:
    await add_document(footnote, "leave.txt", _LEAVE)
    heard: list[float] = []

    async def note(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)

    async with on_the_wire(footnote) as wired, talking(wired) as client:
        said = await client.call_tool("ask", {"question": _QUESTION}, progress_callback=note)
    assert heard == [float(n) for n in range(1, len(said.structured_content["sentences"]) + 1)]


async def test_what_is_asked_here_and_by_chat_clients_stands_in_the_audit(footnote: Footnote) -> None:
    document = str(await add_document(footnote, "leave.txt", _LEAVE))
    admin = (await create_key(footnote.database, name="chief", principals=[], role="admin")).key
    asked = {"model": "footnote", "messages": [{"role": "user", "content": _QUESTION}]}
    async with on_the_wire(footnote) as wired:
        async with talking(wired) as client:
            await client.call_tool("search", {"query": "paid leave"})
            await client.call_tool("ask", {"question": _QUESTION})
            await client.call_tool("get_document", {"document": document})
        await wired.client.post("/v1/chat/completions", json=asked)
        await wired.client.post("/v1/chat/completions", json={**asked, "model": "footnote/nowhere"})
        shown = await wired.client.get("/v1/audit", headers={"Authorization": f"Bearer {admin}"})
    entries = [(entry["kind"], entry["status"]) for entry in reversed(shown.json()["entries"])]
    assert entries == [
        ("search", "returned"),
        ("ask", "answered"),
        ("document", "returned"),
        ("ask", "answered"),
        ("ask", "not_found"),
    ]
    assert all(document in entry["documents"] for entry in shown.json()["entries"][1:])


async def test_a_key_for_some_collections_knows_of_no_other(footnote: Footnote) -> None:
    await add_document(footnote, "leave.txt", _LEAVE)
    await add_document(footnote, "a.txt", "Apples are red.", collection="fruit")
    key = (await create_key(footnote.database, name="f", principals=[], collections=["fruit"])).key
    headers = {"Authorization": f"Bearer {key}"}
    async with on_the_wire(footnote) as wired:
        async with talking(wired, key=key) as client:
            assert "There are: fruit." in repr(await client.list_tools())
            assert (await client.call_tool("ask", {"question": _QUESTION})).is_error
        models = (await wired.client.get("/v1/models", headers=headers)).json()["data"]
        asked = {"model": "footnote", "messages": [{"role": "user", "content": _QUESTION}]}
        hidden = await wired.client.post("/v1/chat/completions", json=asked, headers=headers)
    assert [model["id"] for model in models] == ["footnote/fruit"]
    assert hidden.status_code == 404


async def test_what_is_asked_here_takes_the_room_that_a_process_has(footnote: Footnote) -> None:
    await add_document(footnote, "leave.txt", _LEAVE)
    settings = footnote.settings.model_copy(update={"overload": OverloadSettings(requests_at_once=1)})
    llm = PacedLLM()
    llm.says.put_nowait(_FIRST)
    async with on_the_wire(replace(footnote, llm=llm, settings=settings)) as wired:
        asking = asyncio.create_task(_call_and_leave(wired, "2025-06-18"))
        async with asyncio.timeout(20):
            while llm.says.qsize():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        refused = await wired.client.post("/mcp", json=_INITIALIZE, headers=_ACCEPT)
        other = await wired.client.get("/v1/usage")
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
        await llm.closed.wait()
        async with asyncio.timeout(10):
            while (await wired.client.get("/v1/usage")).status_code == 503:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert (refused.status_code, other.status_code) == (503, 503)
    assert refused.json()["type"] == "urn:footnote:problem:overloaded"


async def test_who_leaves_in_the_middle_of_a_message_is_no_fault(
    footnote: Footnote, caplog: pytest.LogCaptureFixture
) -> None:
    async with on_the_wire(footnote) as wired:
        host, _, port = wired.address.removeprefix("http://").partition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(
            f"POST /mcp HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {wired.key}\r\n"
            "Content-Length: 100\r\n\r\n{".encode()
        )
        await writer.drain()
        await asyncio.sleep(0.5)
        writer.close()
        await writer.wait_closed()
        async with asyncio.timeout(10):
            while 'route="/mcp"' not in (await wired.client.get("/metrics")).text:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []
