"""Answers as streams of events, over real HTTP: POST /v1/ask with `stream`, /v1/answers."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from generation.errors import LLMError, LLMUnavailableError
from generation.llms import LLM, LLMSpec, Message, TextDelta, Usage, load_llm
from generation.llms.scripted import ScriptedLLM
from service.footnote import Footnote
from service.http.broadcast import BroadcastPolicy
from service.http.parts import Parts
from service.http.responses.answers import AnswerBody
from service.http.responses.problems import ProblemBody
from service.keys import create_key
from tests.generation.llms.llm_server import Reply, delta, llm_server
from tests.service.http.conftest import add_document
from tests.service.http.wire import Listener, Told, Wired, listening, on_the_wire

_LEAVE = (
    "Every employee has twenty-five days of paid leave in a year. "
    "Days that were not taken may be carried over until the end of March."
)
_QUESTION = "How many days of paid leave does an employee have?"
_ASKED = {"question": _QUESTION, "stream": True}
_FIRST = "Every employee has twenty-five days of paid leave in a year [1]. "
_SECOND = "Days that were not taken may be carried over until the end of March [1]."
_FALSE = "Every employee has ninety-nine days of paid leave in Japan [1]. "


class PacedLLM(ScriptedLLM):
    """Says what a test puts into it, when it does; None is the end."""

    def __init__(self) -> None:
        super().__init__()
        self.says: asyncio.Queue[str | LLMError | None] = asyncio.Queue()
        self.closed = asyncio.Event()

    async def stream(
        self, messages: Sequence[Message], *, max_tokens: int
    ) -> AsyncGenerator[TextDelta | Usage, None]:
        try:
            while (said := await self.says.get()) is not None:
                if isinstance(said, LLMError):
                    raise said
                yield TextDelta(text=said)
            yield Usage(prompt_tokens=5, completion_tokens=7, estimated=False)
        finally:
            self.closed.set()


@asynccontextmanager
async def serving(footnote: Footnote, llm: LLM | None = None, **policy: Any) -> AsyncIterator[Wired]:
    await add_document(footnote, "leave.txt", _LEAVE)
    async with on_the_wire(replace(footnote, llm=llm), BroadcastPolicy(**policy)) as wired:
        yield wired


async def ask(wired: Wired, **more: Any) -> list[Told]:
    async with listening(wired.client, "POST", "/v1/ask", body={**_ASKED, **more}) as listener:
        return [event async for event in listener.events()]


async def until(events: AsyncIterator[Told], name: str) -> list[Told]:
    """The events up to the next of a name."""
    heard = []
    async for event in events:
        heard.append(event)
        if event.name == name:
            return heard
    raise AssertionError(f"the stream ended without {name}: {[event.name for event in heard]}")


def events_of(answer_id: str) -> str:
    return f"/v1/answers/{answer_id}/events"


@asynccontextmanager
async def begun(wired: Wired) -> AsyncIterator[tuple[str, Listener, AsyncIterator[Told]]]:
    """An answer that has begun: its id, and whoever listens to it."""
    async with AsyncExitStack() as stack:
        listener = await stack.enter_async_context(listening(wired.client, "POST", "/v1/ask", body=_ASKED))
        events = await stack.enter_async_context(aclosing(listener.events()))  # type: ignore[type-var]
        (started,) = await until(events, "started")
        yield started.shape["answer_id"], listener, events


@pytest.mark.parametrize("said", [None, (_FIRST, _FALSE, _SECOND), ("NOT_IN_SOURCES",)])
async def test_done_is_to_the_byte_what_is_answered_without_stream(
    footnote: Footnote, said: tuple[str, ...] | None
) -> None:
    async with serving(footnote, None if said is None else ScriptedLLM(*said)) as wired:
        events = await ask(wired)
        whole = await wired.client.post("/v1/ask", json={"question": _QUESTION})
    assert whole.headers["content-type"] == "application/json"
    assert events[-1].name == "done"
    assert events[-1].data.encode() == whole.content
    AnswerBody.model_validate(events[-1].shape)


async def test_events_are_numbered_and_say_bit_by_bit_what_the_answer_says(footnote: Footnote) -> None:
    async with serving(footnote, ScriptedLLM(_FIRST, _FALSE, _SECOND)) as wired:
        events = await ask(wired)
    assert [event.id for event in events] == [*range(1, len(events) + 1)]
    names = [event.name for event in events]
    assert names[:2] == ["started", "retrieved"]
    assert names[-2:] == ["usage", "done"]
    answer = events[-1].shape
    told: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for event in events:
        told[event.name].append(event.shape)
    assert told["retrieved"][0]["looked_at"] == answer["looked_at"]
    assert told["usage"] == [answer["usage"]]
    written = "".join(delta["text"] for delta in told["delta"])
    assert "ninety-nine" in written
    assert "[1]" not in written
    for number, (sentence, final) in enumerate(zip(told["sentence"], answer["sentences"], strict=True)):
        assert sentence == {
            **final,
            "number": number,
            "separator": sentence["separator"],
            "settled": sentence["settled"],
        }
        assert written[: sentence["settled"]].endswith(final["text"])
    for number, (place, final) in enumerate(zip(told["citation"], answer["citations"], strict=True)):
        assert place == {"number": number, **final}
    assert len(told["dropped"]) == answer["dropped"] == 1
    assert "ninety-nine" not in json.dumps(told["sentence"] + told["done"])


async def test_a_stream_is_not_to_be_held_back_kept_or_compressed(footnote: Footnote) -> None:
    async with (
        serving(footnote) as wired,
        wired.client.stream(
            "POST", "/v1/ask", json=_ASKED, headers={"Accept-Encoding": "gzip, br"}
        ) as response,
    ):
        assert response.status_code == 200
        assert response.headers["content-type"] == "text/event-stream"
        assert response.headers["x-accel-buffering"] == "no"
        assert "no-transform" in response.headers["cache-control"]
        assert "content-encoding" not in response.headers
        assert "content-length" not in response.headers
        assert response.headers["x-request-id"]
        assert (await response.aread()).endswith(b"}\n\n")


async def test_however_the_model_s_stream_is_cut_the_sentences_are_the_same(footnote: Footnote) -> None:
    text = _FIRST + _FALSE + _SECOND
    heard: list[list[tuple[str, str]]] = []
    for pieces in ((text,), tuple(text), (text[:70], text[70:71], text[71:])):
        async with on_the_wire(replace(footnote, llm=ScriptedLLM(*pieces))) as wired:
            if not heard:
                await add_document(footnote, "leave.txt", _LEAVE)
            heard.append(
                [(told.name, told.data) for told in await ask(wired) if told.name not in {"started", "delta"}]
            )
    assert heard[0] == heard[1] == heard[2]


async def test_a_listener_who_was_cut_off_hears_the_rest_and_nothing_twice(footnote: Footnote) -> None:
    llm = PacedLLM()
    async with serving(footnote, llm) as wired:
        async with begun(wired) as (answer_id, _, events):
            llm.says.put_nowait(_FIRST + "Days")
            heard = await until(events, "sentence")
        llm.says.put_nowait(_SECOND.removeprefix("Days"))
        llm.says.put_nowait(None)
        last = {"Last-Event-ID": str(heard[-1].id)}
        async with listening(wired.client, "GET", events_of(answer_id), headers=last) as listener:
            rest = [event async for event in listener.events()]
        async with listening(wired.client, "GET", events_of(answer_id)) as listener:
            whole = [event async for event in listener.events()]
        nothing_left = await wired.client.get(
            events_of(answer_id), headers={"Last-Event-ID": str(whole[-1].id)}
        )
    assert heard[0].id == 2
    assert whole[1:] == heard + rest
    assert whole[-1].name == "done"
    assert nothing_left.status_code == 204


async def test_two_listeners_hear_the_same(footnote: Footnote) -> None:
    llm = PacedLLM()
    async with serving(footnote, llm) as wired, begun(wired) as (answer_id, _, events):
        async with listening(wired.client, "GET", events_of(answer_id)) as second:
            others = second.events()
            llm.says.put_nowait(_FIRST + "Days")
            heard = await until(others, "sentence")
            llm.says.put_nowait(None)
            heard += [event async for event in others]
        assert [event async for event in events] == heard[1:]
    assert heard[-1].name == "done"


async def test_an_answer_that_is_stopped_ends_with_a_problem_and_is_gone(footnote: Footnote) -> None:
    llm = PacedLLM()
    async with serving(footnote, llm) as wired, begun(wired) as (answer_id, _, events):
        await until(events, "retrieved")
        stopped = await wired.client.delete(f"/v1/answers/{answer_id}")
        (error,) = await until(events, "error")
        async with asyncio.timeout(5):
            await llm.closed.wait()
        again = await wired.client.delete(f"/v1/answers/{answer_id}")
        gone = await wired.client.get(events_of(answer_id))
    assert stopped.status_code == 204
    problem = ProblemBody.model_validate(error.shape)
    assert (problem.type, problem.status) == ("urn:footnote:problem:answer-stopped", 409)
    assert problem.instance == f"/v1/answers/{answer_id}"
    assert (again.status_code, gone.status_code) == (404, 404)


async def test_an_answer_to_which_nobody_listens_any_more_is_stopped_after_a_while(
    footnote: Footnote,
) -> None:
    llm = PacedLLM()
    async with serving(footnote, llm, grace_s=0.3) as wired:
        async with begun(wired) as (answer_id, _, events):
            llm.says.put_nowait("Every")
            await until(events, "delta")
        assert not llm.closed.is_set()
        async with asyncio.timeout(10):
            await llm.closed.wait()
        async with listening(wired.client, "GET", events_of(answer_id)) as listener:
            *_, error = [event async for event in listener.events()]
    assert (error.name, error.shape["type"]) == ("error", "urn:footnote:problem:answer-stopped")
    assert "nobody had listened" in error.shape["detail"]


async def test_a_listener_who_comes_back_in_time_keeps_it_going(footnote: Footnote) -> None:
    llm = PacedLLM()
    async with serving(footnote, llm, grace_s=1.0) as wired:
        async with begun(wired) as (answer_id, _, _):
            pass
        async with listening(wired.client, "GET", events_of(answer_id)) as listener:
            await asyncio.sleep(1.3)
            assert not llm.closed.is_set()
            llm.says.put_nowait(_FIRST)
            llm.says.put_nowait(None)
            events = [event async for event in listener.events()]
    assert events[-1].name == "done"


async def test_comments_keep_the_connection_alive_while_nothing_is_said(footnote: Footnote) -> None:
    llm = PacedLLM()
    started = time.monotonic()
    async with serving(footnote, llm, heartbeat_s=0.1) as wired, begun(wired) as (_, listener, events):
        await until(events, "retrieved")
        asyncio.get_running_loop().call_later(0.6, llm.says.put_nowait, _FIRST)
        await until(events, "delta")
        assert 3 <= listener.comments <= (time.monotonic() - started) / 0.1
        llm.says.put_nowait(None)
        await until(events, "done")


@pytest.mark.parametrize(
    "last", ["-1", "1e3", "99999", "9" * 40, "1; DROP TABLE", "²", "\N{ARABIC-INDIC DIGIT ONE}", "nan", ""]
)
async def test_a_last_event_id_that_no_event_has_is_refused(footnote: Footnote, last: str) -> None:
    async with serving(footnote) as wired:
        answer_id = (await ask(wired))[0].shape["answer_id"]
        response = await wired.client.get(
            events_of(answer_id), headers=[(b"Last-Event-ID", last.encode("utf-8"))]
        )
    if not last:  # as if it had not been sent
        assert response.status_code == 200
        return
    assert response.status_code == 422
    assert response.json()["type"] == "urn:footnote:problem:invalid-request"
    assert "Last-Event-ID" in response.json()["detail"]


async def test_another_caller_cannot_tell_an_answer_from_one_that_never_was(footnote: Footnote) -> None:
    llm = PacedLLM()
    async with serving(footnote, llm) as wired, begun(wired) as (answer_id, _, _):
        stranger = (await create_key(footnote.database, name="stranger", principals=[])).key
        headers = {"Authorization": f"Bearer {stranger}", "X-Request-ID": "the-same"}
        never = str(uuid4())
        for method, url in (("GET", events_of("ID")), ("DELETE", "/v1/answers/ID")):
            theirs, nobodys = [
                await wired.client.request(method, url.replace("ID", one), headers=headers)
                for one in (answer_id, never)
            ]
            assert theirs.status_code == nobodys.status_code == 404
            assert theirs.text.replace(answer_id, never) == nobodys.text
        assert not llm.closed.is_set()
        keyless = await wired.client.get(events_of(answer_id), headers={"Authorization": ""})
        assert keyless.status_code == 401


async def test_a_follow_up_says_what_it_was_taken_for_and_cites_what_it_uses_itself(
    footnote: Footnote,
) -> None:
    class Conversing(ScriptedLLM):
        async def stream(
            self, messages: Sequence[Message], *, max_tokens: int
        ) -> AsyncGenerator[TextDelta | Usage, None]:
            asks_for_words = "Last question" in messages[-1].content
            self.prompts.append(messages)
            yield TextDelta(text=_QUESTION if asks_for_words else _FIRST)
            yield Usage(prompt_tokens=1, completion_tokens=1, estimated=True)

    turns = [{"question": "How many days of sick leave does an employee have?", "answer": "Ten [1][2]."}]
    async with serving(footnote, Conversing()) as wired:
        events = await ask(wired, question="And of paid leave?", turns=turns)
    retrieved, done = events[1].shape, events[-1].shape
    assert retrieved["searched"] == done["searched"]
    assert done["searched"]["question"] == _QUESTION
    assert done["searched"]["outcome"] == "rewritten"
    assert [sentence["citations"] for sentence in done["sentences"]] == [[0]]
    assert [citation["quote"] for citation in done["citations"]] == [_LEAVE.partition(". ")[0] + "."]


@pytest.mark.parametrize("stopping", ["deleted", "left", "left without stream"])
async def test_stopping_reaches_the_server_of_the_language_model(footnote: Footnote, stopping: str) -> None:
    began = Reply(steps=[delta("Every employee has twenty-five"), "stall"])
    async with llm_server(began) as seen:
        llm = load_llm(LLMSpec(base_url=seen.base_url, model="m", location="inside"))
        async with serving(footnote, llm, grace_s=0.1) as wired:
            if stopping == "left without stream":
                asked = asyncio.create_task(wired.client.post("/v1/ask", json={"question": _QUESTION}))
                async with asyncio.timeout(20):
                    while not seen.bodies:  # noqa: ASYNC110
                        await asyncio.sleep(0.02)
                asked.cancel()
                await asyncio.gather(asked, return_exceptions=True)
            else:
                async with begun(wired) as (answer_id, _, events):
                    await until(events, "delta")
                    if stopping == "deleted":
                        await wired.client.delete(f"/v1/answers/{answer_id}")
            async with asyncio.timeout(20):
                await seen.hung_up.wait()
        await llm.close()


async def test_a_server_that_dies_in_the_middle_of_an_answer_ends_it_with_an_error(
    footnote: Footnote,
) -> None:
    for dying in (
        Reply(steps=[delta(_FIRST + "Days"), "die"]),
        Reply(steps=[delta(_FIRST + "Days"), b"data: {rubbish\n\n"]),
        Reply(steps=[delta(_FIRST + "Days")]),
    ):
        async with llm_server(dying) as seen:
            llm = load_llm(LLMSpec(base_url=seen.base_url, model="m", location="inside"))
            async with serving(footnote, llm) as wired:
                events = await ask(wired)
            await llm.close()
        assert events[-1].name == "error"
        assert events[-1].shape["status"] == 502
        assert "done" not in {event.name for event in events}


async def test_what_is_wrong_with_a_question_is_a_problem_with_its_status(footnote: Footnote) -> None:
    outside = ScriptedLLM(_FIRST, location="outside")
    async with serving(footnote, outside) as wired:
        for body, status in (
            ({"question": " "}, 422),
            ({"question": "x", "collection": "nowhere"}, 404),
            ({"question": "x", "stream": "yes"}, 422),
            ({"question": _QUESTION}, 403),
        ):
            response = await wired.client.post("/v1/ask", json={"stream": True, **body})
            assert response.status_code == status, body
            assert response.headers["content-type"] == "application/problem+json"
    assert outside.prompts == []


async def test_what_goes_wrong_in_the_middle_of_an_answer_is_the_last_event(footnote: Footnote) -> None:
    llm = PacedLLM()
    async with serving(footnote, llm) as wired, begun(wired) as (_, _, events):
        llm.says.put_nowait(_FIRST + "Days")
        await until(events, "sentence")
        llm.says.put_nowait(LLMUnavailableError("the language model 'm' broke off in mid-answer. Try again."))
        rest = [event async for event in events]
    assert rest[-1].name == "error"
    problem = ProblemBody.model_validate(rest[-1].shape)
    assert (problem.type, problem.status) == ("urn:footnote:problem:llm-unavailable", 502)
    assert problem.request_id
    assert "broke off" in problem.detail


async def test_a_fault_in_the_middle_of_an_answer_tells_nothing_of_itself(
    footnote: Footnote, caplog: pytest.LogCaptureFixture
) -> None:
    class Faulty(ScriptedLLM):
        async def stream(
            self, messages: Sequence[Message], *, max_tokens: int
        ) -> AsyncGenerator[TextDelta | Usage, None]:
            yield TextDelta(text="Every")
            raise ZeroDivisionError("a secret")

    async with serving(footnote, Faulty()) as wired:
        error = (await ask(wired))[-1]
    assert (error.name, error.shape["type"]) == ("error", "urn:footnote:problem:fault")
    assert "secret" not in error.data
    assert "ZeroDivisionError" in caplog.text


async def test_whoever_leaves_a_question_without_stream_has_its_work_cancelled(footnote: Footnote) -> None:
    llm = PacedLLM()
    async with serving(footnote, llm) as wired:
        asked = asyncio.create_task(wired.client.post("/v1/ask", json={"question": _QUESTION}))
        llm.says.put_nowait("Every")
        async with asyncio.timeout(10):
            while not llm.says.empty():  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        async with asyncio.timeout(10):
            await llm.closed.wait()
            while 'status="499"' not in (await wired.client.get("/metrics")).text:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def test_a_service_that_stops_tells_its_listeners_and_begins_nothing_more(footnote: Footnote) -> None:
    llm = PacedLLM()
    async with serving(footnote, llm) as wired, begun(wired) as (_, _, events):
        await until(events, "retrieved")
        parts: Parts = wired.app.state.parts
        async with asyncio.timeout(5):
            await parts.broadcasts.drain(within_s=0.1)
        (error,) = await until(events, "error")
        refused = await wired.client.post("/v1/ask", json=_ASKED)
    assert (error.shape["type"], error.shape["status"]) == ("urn:footnote:problem:stopping", 503)
    assert llm.closed.is_set()
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "5")


async def test_a_service_that_stops_lets_answers_come_to_their_end(footnote: Footnote) -> None:
    llm = PacedLLM()
    async with serving(footnote, llm) as wired, begun(wired) as (_, _, events):
        await until(events, "retrieved")
        parts: Parts = wired.app.state.parts
        draining = asyncio.create_task(parts.broadcasts.drain(within_s=20))
        await asyncio.sleep(0.05)
        llm.says.put_nowait(_FIRST)
        llm.says.put_nowait(None)
        await until(events, "done")
        async with asyncio.timeout(5):
            await draining


async def test_no_more_answers_are_told_at_once_than_may_be(footnote: Footnote) -> None:
    llm = PacedLLM()
    async with serving(footnote, llm, most_running=1) as wired, begun(wired) as (answer_id, _, _):
        refused = await wired.client.post("/v1/ask", json=_ASKED)
        assert (refused.status_code, refused.json()["type"]) == (503, "urn:footnote:problem:too-many-answers")
        assert refused.headers["Retry-After"] == "5"
        await wired.client.delete(f"/v1/answers/{answer_id}")


async def test_what_is_kept_of_answers_has_bounds(footnote: Footnote) -> None:
    async with serving(footnote, most_kept=2, most_bytes_each=1_000_000) as wired:
        ids = [(await ask(wired))[0].shape["answer_id"] for _ in range(3)]
        statuses = [(await wired.client.get(events_of(one))).status_code for one in ids]
    assert statuses == [404, 200, 200]
    async with on_the_wire(footnote, BroadcastPolicy(most_bytes_each=400)) as wired:
        error = (await ask(wired))[-1]
    assert (error.name, error.shape["type"]) == ("error", "urn:footnote:problem:answer-too-long")


async def test_an_answer_is_forgotten_when_its_time_is_over(footnote: Footnote) -> None:
    async with serving(footnote, resume_s=0.2) as wired:
        answer_id = (await ask(wired))[0].shape["answer_id"]
        await asyncio.sleep(0.5)
        assert (await wired.client.get(events_of(answer_id))).status_code == 404


async def test_neither_question_nor_answer_is_logged(
    footnote: Footnote, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    async with serving(footnote) as wired:
        await ask(wired)
    assert "POST /v1/ask 200" in caplog.text
    for secret in ("paid leave", "twenty-five", wired.key):
        assert secret not in caplog.text
