from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from ingest.catalog import SourceRecord, list_sources, set_schedule
from retrieval.database import query
from retrieval.errors import InvalidRequestError
from service.footnote import Footnote
from service.schedule import RefreshedSource, next_due, pause_after, refresh_due
from service.targets import SourceRules, register_source
from tests.service.test_ingestion import Silent
from tests.service.workers import at_work, until

NOON = datetime(2026, 3, 1, 12, 0, 30, tzinfo=UTC)


def silent(source: SourceRecord) -> Silent:
    return Silent()


@pytest.mark.parametrize(
    ("schedule", "due"),
    [
        ("*/15 * * * *", datetime(2026, 3, 1, 12, 15, tzinfo=UTC)),
        ("0 3 * * *", datetime(2026, 3, 2, 3, 0, tzinfo=UTC)),
        ("0 0 * * 1", datetime(2026, 3, 2, 0, 0, tzinfo=UTC)),
    ],
)
def test_the_next_time_is_the_first_after_now(schedule: str, due: datetime) -> None:
    assert next_due(schedule, after=NOON) == due


@pytest.mark.parametrize(
    "schedule", ["", "every day", "61 * * * *", "* * * *", "* * * * * *", "0 0 30 2 *", "\x00"]
)
def test_what_is_no_schedule_is_refused_with_an_example(schedule: str) -> None:
    with pytest.raises(InvalidRequestError, match="five fields"):
        next_due(schedule, after=NOON)


async def schedule_folder(
    footnote: Footnote, root: Path, *, due: datetime, collection: str = "default"
) -> SourceRecord:
    root.mkdir()
    (root / "note.txt").write_text("The gate opens at seven.\n")
    source = await register_source(footnote, root, collection=collection, rules=SourceRules())
    await set_schedule(footnote.database, source.id, schedule="*/15 * * * *", next_due=due)
    return source


async def refresh(footnote: Footnote) -> list[RefreshedSource]:
    async with footnote.parser_pool() as pool:
        return [refreshed async for refreshed in refresh_due(footnote, pool, progress=silent)]


async def test_a_missed_run_is_caught_up_once(footnote: Footnote, tmp_path: Path) -> None:
    await schedule_folder(footnote, tmp_path / "a", due=datetime.now(UTC) - timedelta(days=3))
    [refreshed] = await refresh(footnote)
    assert refreshed.report is not None
    assert refreshed.report.added == 1
    [state] = await list_sources(footnote.database)
    assert state.next_due is not None
    assert timedelta(0) < state.next_due - datetime.now(UTC) <= timedelta(minutes=15)
    assert not state.running
    assert await refresh(footnote) == []


async def test_what_is_not_due_is_left_alone(footnote: Footnote, tmp_path: Path) -> None:
    await schedule_folder(footnote, tmp_path / "a", due=datetime.now(UTC) + timedelta(hours=1))
    assert await refresh(footnote) == []


async def test_two_workers_share_what_is_due(footnote: Footnote, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        await schedule_folder(footnote, tmp_path / name, due=datetime.now(UTC) - timedelta(minutes=1))
    one, other = await asyncio.gather(refresh(footnote), refresh(footnote))
    locations = [refreshed.source.location for refreshed in [*one, *other]]
    assert sorted(locations) == [str(tmp_path / name) for name in ("a", "b", "c")]


async def test_the_lease_of_a_dead_worker_runs_out(footnote: Footnote, tmp_path: Path) -> None:
    await schedule_folder(footnote, tmp_path / "a", due=datetime.now(UTC) - timedelta(minutes=1))
    lease = {"source_id": None, "owner": "dead", "lease_s": 60}
    assert await footnote.database.fetch_one(query("schedule.claim"), lease)
    assert await refresh(footnote) == []
    await footnote.database.execute("UPDATE sources SET lease_until = now() - interval '1 second'")
    assert len(await refresh(footnote)) == 1


async def test_a_folder_that_is_away_is_reported_and_due_again(footnote: Footnote, tmp_path: Path) -> None:
    source = await schedule_folder(footnote, tmp_path / "a", due=datetime.now(UTC) - timedelta(minutes=1))
    Path(source.location).rename(tmp_path / "away")
    [refreshed] = await refresh(footnote)
    assert refreshed.report is None
    assert "cannot be read" in (refreshed.error or "")
    [state] = await list_sources(footnote.database)
    assert state.last_error == refreshed.error
    assert state.next_due is not None
    assert state.next_due > datetime.now(UTC)


async def test_a_worker_refreshes_until_it_is_stopped(footnote: Footnote, tmp_path: Path) -> None:
    await schedule_folder(footnote, tmp_path / "a", due=datetime.now(UTC) - timedelta(minutes=1))
    done = asyncio.Event()
    async with at_work(footnote, report=lambda _: done.set()):
        await asyncio.wait_for(done.wait(), timeout=30)


class Meddling(Silent):
    """Progress that does something when the work begins."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act

    def planned(self, *, files: int) -> None:
        self._act()


async def test_a_worker_that_is_stopped_gives_its_source_back(footnote: Footnote, tmp_path: Path) -> None:
    await schedule_folder(footnote, tmp_path / "a", due=datetime.now(UTC) - timedelta(minutes=1))
    begun = asyncio.Event()

    class Endless(Silent):
        def planned(self, *, files: int) -> None:
            begun.set()
            raise asyncio.CancelledError  # as if the stop came at this very moment

    async with at_work(footnote, progress=lambda _: Endless()):
        await asyncio.wait_for(begun.wait(), timeout=30)
    [state] = await list_sources(footnote.database)
    assert not state.running
    [refreshed] = await refresh(footnote)
    assert refreshed.report is not None
    assert refreshed.report.added == 1


async def test_a_source_that_cannot_be_worked_on_does_not_stop_the_others(
    footnote: Footnote, tmp_path: Path
) -> None:
    past = datetime.now(UTC) - timedelta(hours=1)
    await schedule_folder(footnote, tmp_path / "a", due=past)
    assert len(await refresh(footnote)) == 1
    await footnote.database.execute(
        "UPDATE indexes SET embedder_hash = 'another', embedder = jsonb_set(embedder, '{model}', '\"another\"')"
    )
    await footnote.database.execute("UPDATE sources SET next_due = now() - interval '1 hour'")
    await schedule_folder(footnote, tmp_path / "b", due=datetime.now(UTC), collection="other")
    one, other = await refresh(footnote)
    assert one.error is not None
    assert "footnote reindex" in one.error
    assert other.report is not None
    assert other.report.added == 1
    [state] = await list_sources(footnote.database, collection="default")
    assert state.last_error == one.error
    assert state.next_due is not None
    assert state.next_due > datetime.now(UTC)


async def test_a_schedule_that_was_changed_meanwhile_is_kept(
    footnote: Footnote, tmp_path: Path, dsn: str
) -> None:
    await schedule_folder(footnote, tmp_path / "a", due=datetime.now(UTC) - timedelta(minutes=1))
    later = datetime(2030, 1, 1, tzinfo=UTC)

    def change() -> None:
        with psycopg.connect(dsn) as connection:
            connection.execute("UPDATE sources SET schedule = '0 0 1 1 *', next_due = %s", (later,))

    async with footnote.parser_pool() as pool:
        async for _ in refresh_due(footnote, pool, progress=lambda _: Meddling(change)):
            pass
    [state] = await list_sources(footnote.database)
    assert (state.next_due, state.running) == (later, False)


async def test_a_fault_of_ours_with_one_source_leaves_the_others_their_turn(
    footnote: Footnote, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    broken = await schedule_folder(footnote, tmp_path / "a", due=datetime.now(UTC) - timedelta(hours=1))
    sound = await schedule_folder(footnote, tmp_path / "b", due=datetime.now(UTC) - timedelta(minutes=1))
    refreshed: dict[str, str | None] = {}

    def progress(source: SourceRecord) -> Silent:
        return Meddling(lambda: 1 // 0) if source.id == broken.id else Silent()

    def report(one: RefreshedSource) -> None:
        refreshed[one.source.location] = one.error

    async def both() -> bool:
        return len(refreshed) == 2

    with caplog.at_level(logging.ERROR):
        async with at_work(footnote, progress=progress, report=report):
            await until(both)
    assert refreshed[sound.location] is None
    assert "a bug in Footnote" in (refreshed[broken.location] or "")
    assert "ZeroDivisionError" in caplog.text


async def test_a_source_that_fails_is_left_alone_for_longer_each_time_and_then_back_on_schedule(
    footnote: Footnote, tmp_path: Path
) -> None:
    source = await schedule_folder(footnote, tmp_path / "a", due=datetime.now(UTC) - timedelta(minutes=1))
    Path(source.location).rename(tmp_path / "away")
    for minutes in (1, 2, 4):
        [refreshed] = await refresh(footnote)
        assert refreshed.error is not None
        [state] = await list_sources(footnote.database)
        assert state.next_due is not None
        pause = state.next_due - datetime.now(UTC)
        assert timedelta(minutes=0.85 * minutes) < pause < timedelta(minutes=1.15 * minutes)
        await footnote.database.execute("UPDATE sources SET next_due = now()")
    (tmp_path / "away").rename(source.location)
    [refreshed] = await refresh(footnote)
    assert refreshed.error is None
    [state] = await list_sources(footnote.database)
    assert state.next_due == next_due("*/15 * * * *", after=datetime.now(UTC))
    assert pause_after(50) < timedelta(hours=1.2)


async def test_a_source_without_a_schedule_is_refreshed_once_when_it_is_marked_as_due(
    footnote: Footnote, tmp_path: Path
) -> None:
    source = await schedule_folder(footnote, tmp_path / "a", due=datetime.now(UTC))
    await set_schedule(footnote.database, source.id, schedule=None, next_due=None)
    assert await refresh(footnote) == []
    mark = {"source_id": source.id}
    await footnote.database.execute(query("schedule.mark_due"), mark)
    assert len(await refresh(footnote)) == 1
    assert await refresh(footnote) == []


async def test_a_source_marked_as_due_while_it_is_refreshed_is_refreshed_again(
    footnote: Footnote, tmp_path: Path, dsn: str
) -> None:
    await schedule_folder(footnote, tmp_path / "a", due=datetime.now(UTC) - timedelta(minutes=1))
    marked: list[bool] = []

    def mark() -> None:
        if not marked:
            with psycopg.connect(dsn) as connection:
                connection.execute("UPDATE sources SET next_due = now()")
            marked.append(True)

    async with footnote.parser_pool() as pool:
        runs = [one async for one in refresh_due(footnote, pool, progress=lambda _: Meddling(mark))]
    assert len(runs) == 2


async def test_two_workers_and_cron_run_a_source_once(footnote: Footnote, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        await schedule_folder(footnote, tmp_path / name, due=datetime.now(UTC) - timedelta(minutes=1))
    reported: list[str] = []

    def report(one: RefreshedSource) -> None:
        reported.append(one.source.location)

    async def all_done() -> bool:
        states = await list_sources(footnote.database)
        return all(state.next_due and state.next_due > datetime.now(UTC) for state in states)

    async with at_work(footnote, report=report), at_work(footnote, report=report):
        by_hand = [one.source.location for one in await refresh(footnote)]
        await until(all_done)
    assert sorted([*reported, *by_hand]) == [str(tmp_path / name) for name in ("a", "b", "c")]
