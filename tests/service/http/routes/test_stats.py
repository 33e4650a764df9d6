"""GET /v1/stats: figures at a glance, for admins."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from retrieval.records import Scope
from service.stats import read_stats, window
from tests.service.http.conftest import House

ASK = {"question": "What do cats do for most of the day?"}


async def test_answers_are_counted_with_their_times_sentences_and_ratings(house: House) -> None:
    await house.add("a.txt", "Cats sleep for most of the day.")
    answers = [(await house.client.post("/v1/ask", json=ASK)) for _ in range(2)]
    refused = await house.client.post("/v1/ask", json={"question": "Who won the cup in 1954?"})
    assert refused.json()["status"] == "refused"
    rating = {"answer": answers[0].headers["Footnote-Answer"], "rating": "down"}
    assert (await house.client.post("/v1/feedback", json=rating)).status_code < 300
    admin = await house.client_as("user:root", role="admin")
    stats = (await house.client.get("/v1/stats?hours=1", headers=admin)).json()
    figures = stats["answers"]
    assert (figures["answered"], figures["partial"], figures["refused"]) == (2, 0, 1)
    assert figures["sentences"] == sum(
        len(answer.json()["sentences"]) + answer.json()["dropped"] for answer in (*answers, refused)
    )
    assert 0 < figures["p50_ms"] <= figures["p95_ms"]
    assert sum(slot["answered"] + slot["refused"] for slot in stats["slots"]) == 3
    assert (len(stats["slots"]), stats["slot_s"]) == (12, 300)
    assert stats["feedback"] == {"up": 0, "down": 1}
    assert (len(stats["spend"]), stats["spend"][-1]["requests"]) == (30, 3)
    assert stats["collections"] == [{"name": "default", "documents": 1, "chunks": 1}]
    assert [source["state"] for source in stats["sources"]] == ["idle"]
    assert stats["database_bytes"] > 1_000_000


async def test_an_admin_of_some_collections_sees_the_figures_of_no_others(house: House) -> None:
    await house.add("a.txt", "Cats sleep for most of the day.")
    await house.add("b.txt", "Dogs bark at night.", collection="dogs")
    await house.client.post("/v1/ask", json=ASK)
    admin = await house.client_as("user:root", role="admin", collections=["dogs"])
    response = await house.client.get("/v1/stats", headers=admin)
    stats = response.json()
    assert (stats["answers"]["answered"], stats["database_bytes"]) == (0, None)
    assert "default" not in response.text
    assert [each["name"] for each in stats["collections"]] == ["dogs"]


async def test_stats_are_for_admins(house: House) -> None:
    for role in ("reader", "editor"):
        headers = await house.client_as("user:ann", role=role)
        assert (await house.client.get("/v1/stats", headers=headers)).status_code == 403


@pytest.mark.parametrize("hours", [0, 721, "x"])
async def test_hours_are_bounded(house: House, hours: object) -> None:
    admin = await house.client_as("user:root", role="admin")
    assert (await house.client.get(f"/v1/stats?hours={hours}", headers=admin)).status_code == 422


@pytest.mark.parametrize("hours", [1, 2, 5, 7, 24, 25, 72, 100, 168, 400, 720])
def test_a_window_is_cut_into_slots_that_reach_from_its_begin_to_now(hours: int) -> None:
    now = datetime(2026, 3, 1, 9, 31, 7, tzinfo=UTC)
    found = window(hours, now=now)
    starts = found.starts()
    assert 2 <= len(starts) <= 32
    assert starts[0] == found.since
    assert starts[-1] <= now < starts[-1] + timedelta(seconds=found.slot_s)
    assert abs((now - found.since) - timedelta(hours=hours)) < timedelta(seconds=found.slot_s)
    assert (found.since.timestamp() % found.slot_s, found.slot_s % 300) == (0, 0)


async def test_an_empty_service_has_figures_of_nothing(house: House) -> None:
    stats = await read_stats(
        house.footnote.database, hours=24, scope=Scope.everything(), now=datetime.now(UTC)
    )
    assert (stats.answers.p50_ms, stats.answers.answered, stats.sources) == (None, 0, [])
    assert {*stats.queues.values(), *stats.failures.values()} == {0}
