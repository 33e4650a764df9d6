"""Limits and overload, over HTTP: what is counted, what is told, and that a refusal comes before the work."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from uuid import UUID, uuid4

import httpx
import pytest

from generation.events import AnswerEvent, Delta, Retrieved
from generation.llms import LLMSpec, load_llm
from retrieval.database import Database
from retrieval.records import Scope
from service.footnote import Footnote
from service.http.app import _Server
from service.keys import create_key
from service.limits import OwnLimits
from service.metering import AnswerTimeoutError, MeteredAnswer
from service.quotas import set_limits
from service.sections import LimitsSettings, OverloadSettings, PriceSettings
from service.usage import list_usage
from tests.generation.llms.llm_server import Reply, answer, llm_server
from tests.service.http.conftest import House, open_house
from tests.service.http.wire import on_the_wire

ASK = {"question": "What do cats do for most of the day?"}
TEXT = "Cats sleep for most of the day."


def limited(footnote: Footnote, **limits: object) -> Footnote:
    settings = footnote.settings.model_copy(update={"limits": LimitsSettings.model_validate(limits)})
    return replace(footnote, settings=settings)


async def test_200_parallel_requests_to_two_services_with_a_limit_of_100_give_exactly_100(
    footnote: Footnote, dsn: str
) -> None:
    # Two services over pools of their own, as two processes have them; a busy machine may take its time.
    async with (
        Database(dsn, max_connections=8, connect_timeout_s=100) as first,
        Database(dsn, max_connections=8, connect_timeout_s=100) as second,
        on_the_wire(replace(footnote, database=first)) as one,
        on_the_wire(replace(footnote, database=second)) as other,
    ):
        created = await create_key(footnote.database, name="busy", principals=[])
        await set_limits(footnote.database, created.id, OwnLimits(requests_per_minute=100))
        headers = {"Authorization": f"Bearer {created.key}"}
        sent = [
            wired.client.get("/v1/usage", headers=headers, timeout=120)
            for _ in range(100)
            for wired in (one, other)
        ]
        responses = await asyncio.gather(*sent)
    statuses = sorted(response.status_code for response in responses)
    assert statuses == [200] * 100 + [429] * 100
    assert sorted(int(r.headers["RateLimit-Remaining"]) for r in responses if r.status_code == 200) == [
        *range(100)
    ]


async def test_a_reached_limit_says_which_how_much_and_when_again(house: House) -> None:
    created = await create_key(house.footnote.database, name="ann", principals=[])
    await set_limits(house.footnote.database, created.id, OwnLimits(requests_per_minute=1))
    headers = {"Authorization": f"Bearer {created.key}"}
    passed = await house.client.post("/v1/search", json={"query": "cats"}, headers=headers)
    assert passed.headers["RateLimit-Policy"] == '"minute";q=1;w=60'
    refused = await house.client.post("/v1/search", content=b"not read", headers=headers)
    assert refused.status_code == 429
    assert refused.headers["content-type"] == "application/problem+json"
    assert 1 <= int(refused.headers["Retry-After"]) <= 60
    assert refused.headers["RateLimit"].startswith('"minute";r=0;t=')
    body = refused.json()
    assert body["type"] == "urn:footnote:problem:limit-reached"
    assert body["limit"] == {
        "name": "requests_per_minute",
        "limit": 1,
        "used": 1,
        "retry_after_s": int(refused.headers["Retry-After"]),
    }
    for address in ("/health/live", "/health/ready", "/metrics"):
        assert (await house.client.get(address, headers=headers)).status_code in (200, 503), address
    other = await house.client.post("/v1/search", json={"query": "cats"})
    assert "RateLimit" not in other.headers


async def test_a_process_takes_on_so_many_requests_and_no_more(footnote: Footnote) -> None:
    settings = footnote.settings.model_copy(update={"overload": OverloadSettings(requests_at_once=3)})
    async with open_house(replace(footnote, settings=settings)) as house:
        await house.add("a.txt", TEXT)
        responses = await asyncio.gather(*(house.client.post("/v1/ask", json=ASK) for _ in range(12)))
        after = await house.client.post("/v1/ask", json=ASK)
    refused = [r for r in responses if r.status_code == 503]
    assert refused
    assert {r.status_code for r in responses} == {200, 503}
    assert refused[0].json()["type"] == "urn:footnote:problem:overloaded"
    assert refused[0].headers["Retry-After"] == "1"
    assert after.status_code == 200


async def test_answers_at_once_are_limited_also_where_they_are_streamed(footnote: Footnote) -> None:
    async with open_house(limited(footnote, answers_at_once=1)) as house:
        await house.add("a.txt", TEXT)
        asked = [house.client.post("/v1/ask", json={**ASK, "stream": stream}) for stream in (True, False) * 4]
        responses = await asyncio.gather(*asked)
        statuses = {response.status_code for response in responses}
        assert statuses <= {200, 429}
        assert 200 in statuses
        assert (await house.client.post("/v1/ask", json=ASK)).status_code == 200


PRICES = {"large": PriceSettings(prompt=Decimal(10), completion=Decimal(100))}


@asynccontextmanager
async def with_model(footnote: Footnote, *replies: Reply, **limits: object) -> AsyncIterator[House]:
    """A service whose language model, called `large`, says this."""
    async with llm_server(*replies) as server:
        llm = load_llm(LLMSpec(base_url=server.base_url, model="large", location="inside"))
        async with open_house(replace(limited(footnote, prices=PRICES, **limits), llm=llm)) as house:
            await house.add("a.txt", TEXT)
            yield house
        await llm.close()


async def taken(house: House) -> dict[str, object]:
    row = await house.footnote.database.fetch_one("SELECT day_tokens, month_money, answering FROM quotas")
    assert row is not None
    return dict(row)


async def test_tokens_and_money_are_settled_by_what_an_answer_did_cost(footnote: Footnote) -> None:
    reply = answer("Cats sleep for most of the day [1].")
    async with with_model(footnote, reply, money_per_month="1") as house:
        assert (await house.client.post("/v1/ask", json=ASK)).status_code == 200
        assert await taken(house) == {"day_tokens": 18, "month_money": Decimal("0.00081"), "answering": {}}
        usage = (await house.client.get("/v1/usage")).json()["usage"]
    assert [(row["model"], row["prompt_tokens"], row["money"]) for row in usage] == [("large", 11, 0.00081)]


async def test_an_answer_that_could_cost_too_much_is_refused_before_it_begins(footnote: Footnote) -> None:
    async with with_model(footnote, money_per_month="0.05") as house:
        refused = await house.client.post("/v1/ask", json=ASK)
    assert refused.status_code == 429
    assert refused.json()["limit"]["name"] == "money_per_month"
    assert "an operator has to raise it" in refused.json()["detail"]


async def told(*events: AnswerEvent, then: BaseException | None = None) -> AsyncGenerator[AnswerEvent, None]:
    for event in events:
        yield event
    if then is not None:
        raise then
    await asyncio.sleep(60)


async def begin(house: House, events: AsyncGenerator[AnswerEvent, None], caller: UUID) -> MeteredAnswer:
    question = await house.footnote.prepare("default", ASK["question"], scope=Scope.everything())
    return await house.footnote.meter.begin(question, events, caller_id=caller, answer_id=uuid4())


async def test_an_answer_that_is_left_counts_what_was_seen_of_it(footnote: Footnote) -> None:
    caller = uuid4()
    async with with_model(footnote, tokens_per_day=100_000) as house:
        events = await begin(house, told(Retrieved(looked_at=()), Delta(text="Cats " * 70)), caller)
        assert isinstance(await anext(events), Retrieved)
        assert isinstance(await anext(events), Delta)
        reserved = (await taken(house))["day_tokens"]
        await events.aclose()
        after = await taken(house)
        rows = await list_usage(house.footnote.database, caller_id=caller, limit=10)
    assert after["answering"] == {}
    assert isinstance(reserved, int)
    assert reserved - 600 + 100 == after["day_tokens"] == rows[0].prompt_tokens + rows[0].completion_tokens
    assert rows[0].completion_tokens == 100


async def test_an_answer_that_nobody_ever_listened_to_costs_nothing(footnote: Footnote) -> None:
    async with with_model(footnote, tokens_per_day=100_000) as house:
        events = await begin(house, told(), uuid4())
        await events.aclose()
        assert await taken(house) == {"day_tokens": 0, "month_money": Decimal(0), "answering": {}}


async def test_an_answer_that_takes_too_long_is_cancelled_and_settled(footnote: Footnote) -> None:
    async with with_model(footnote, tokens_per_day=100_000) as house:
        slow = replace(house.footnote.meter, timeout_s=0.2)
        question = await house.footnote.prepare("default", ASK["question"], scope=Scope.everything())
        ended = asyncio.Event()

        async def work() -> AsyncGenerator[AnswerEvent, None]:
            try:
                await asyncio.sleep(60)
                yield Delta(text="never")
            finally:
                ended.set()

        events = await slow.begin(question, work(), caller_id=uuid4(), answer_id=uuid4())
        with pytest.raises(AnswerTimeoutError, match=r"not complete after 0\.2 s"):
            await anext(events)
        assert ended.is_set()
        assert (await taken(house))["answering"] == {}


async def test_readiness_drops_before_the_listener_closes(footnote: Footnote) -> None:
    settings = footnote.settings.model_copy(update={"overload": OverloadSettings(stop_delay_s=5)})
    said: list[str] = []
    server = _Server(replace(footnote, settings=settings), "It answers.", said.append, link=None)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        serving = asyncio.create_task(server._serve([listener]))
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
            await asyncio.sleep(0.01)
        async with httpx.AsyncClient(base_url=address, timeout=60) as client:
            server.should_exit = True
            async with asyncio.timeout(60):
                while not said[1:]:  # noqa: ASYNC110  # uvicorn looks at its flag now and then
                    await asyncio.sleep(0.01)
            ready = await client.get("/health/ready")
            alive = await client.get("/health/live")
        server.force_exit = True
        async with asyncio.timeout(60):
            await serving
    assert ready.status_code == 503
    assert ready.json()["parts"] == {"service": {"ready": False, "detail": "it is stopping"}}
    assert alive.status_code == 200
    assert said[1] == "Footnote was told to stop, and says for 5 s that it is not ready."
