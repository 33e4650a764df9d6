from __future__ import annotations

import asyncio

from retrieval.database import Database
from retrieval.reconciling import Finding, IndexCounts
from retrieval.stores.pgvector import PgvectorStore
from service.http.metrics.backlog import Depth
from service.http.metrics.counters import Inspection, Metrics
from service.http.metrics.watch import IndexWatch
from service.keys import METRICS
from tests.service.http.conftest import House


async def test_metrics_show_what_is_wrong_with_the_index_without_making_a_scrape_wait(house: House) -> None:
    await house.add("a.txt", "Cats sleep for most of the day.")
    await house.footnote.database.execute("DELETE FROM fresh_terms")
    watcher = await house.client_as(METRICS)
    first = await house.client.get("/metrics", headers=watcher)
    assert "footnote_index_rows{" not in first.text
    for _ in range(200):
        lines = (await house.client.get("/metrics", headers=watcher)).text.splitlines()
        if any(line.startswith("footnote_index_rows{") for line in lines):
            break
        await asyncio.sleep(0.05)
    for line in (
        'footnote_index_rows{collection="default",kind="documents"} 1.0',
        'footnote_index_rows{collection="default",kind="revisions"} 1.0',
        'footnote_index_rows{collection="default",kind="chunks"} 1.0',
        'footnote_index_rows{collection="default",kind="vectors"} 1.0',
        'footnote_index_findings{collection="default",kind="chunk_unlisted"} 1.0',
        "footnote_files_failed 0.0",
    ):
        assert line in lines


async def test_a_look_that_was_just_taken_is_not_taken_again(database: Database) -> None:
    async with IndexWatch(database, PgvectorStore()) as watch:
        assert watch.latest() is None
        for _ in range(1_000):
            if (first := watch.latest()) is not None:
                break
            await asyncio.sleep(0.01)
        assert first is not None
        assert all(watch.latest() is first for _ in range(10))


def test_what_was_mended_is_no_longer_shown_and_notices_never_are() -> None:
    metrics = Metrics()
    counts = IndexCounts(documents=1, revisions=1, places=1, chunks=1, vectors=None, words=3)
    finding = Finding(kind="postings_wrong", collection="zoo", count=2, examples=("chunk 1",))
    notice = Finding(
        kind="index_retired", collection="zoo", count=1, examples=("index 1 in pgvector",), is_notice=True
    )

    def shown(*findings: Finding) -> str:
        metrics.set_inspection(
            Inspection(counts={"zoo": counts}, findings=findings, failed_files=0, seconds=0.1, ended_at=1.0)
        )
        return metrics.expose("", with_index=True)[0].decode()

    damaged = shown(finding, notice)
    assert 'footnote_index_findings{collection="zoo",kind="postings_wrong"} 2.0' in damaged
    assert "index_retired" not in damaged
    assert 'kind="vectors"' not in damaged
    assert "footnote_index_findings{" not in shown()


async def test_stages_of_searches_and_answers_are_told(house: House) -> None:
    await house.add("a.txt", "Cats sleep for most of the day.")
    asked = {"question": "When do cats sleep?"}
    assert (await house.client.post("/v1/ask", json=asked)).status_code == 200
    assert (await house.client.post("/v1/ask", json={**asked, "stream": True})).status_code == 200
    assert (await house.client.post("/v1/search", json={"query": "When do cats sleep?"})).status_code == 200
    lines = (await house.client.get("/metrics")).text.splitlines()
    for stage, times in {
        "answer": 2,
        "first_text": 2,
        "evidence": 2,
        "embed": 3,
        "search": 3,
        "dense": 3,
        "lexical": 3,
    }.items():
        assert f'footnote_stage_seconds_count{{stage="{stage}"}} {times}.0' in lines
    for queue in ("questions", "documents", "pairs", "answers"):
        assert f'footnote_queue_waiting{{queue="{queue}"}} 0.0' in lines
    assert not any(line.startswith("footnote_stage_failures_total{") for line in lines)


def test_a_server_that_answers_under_ever_new_names_makes_no_more_series() -> None:
    metrics = Metrics()
    for number in range(1_000):
        metrics.stages.tokens_spent(f"model-{number}", prompt=3, completion=1)
        metrics.stages.money_spent(f"model-{number}", 0.5)
    shown = metrics.expose("", with_index=False)[0].decode().splitlines()
    assert len([line for line in shown if line.startswith("footnote_tokens_total{")]) == 2 * 33
    assert 'footnote_tokens_total{kind="prompt",model="other"} 2904.0' in shown
    assert 'footnote_cost_total{model="other"} 484.0' in shown


async def test_what_workers_have_to_do_is_told_by_queue_and_status(house: House) -> None:
    await house.add("a.txt", "Cats sleep for most of the day.")
    database = house.footnote.database
    await database.execute(
        "INSERT INTO jobs (owner_id, owner, request, request_hash, state, created_at, not_before)"
        " SELECT gen_random_uuid(), '{}', '{}', '', state, now() - make_interval(secs => age),"
        " now() + make_interval(mins => off) FROM (VALUES ('queued', 100, NULL), ('queued', 300, NULL),"
        " ('running', 900, NULL), ('queued', 900, 5), ('done', 900, NULL)) AS v (state, age, off)"
    )
    await database.execute(
        "INSERT INTO deliveries (source_id, event, url, state, next_attempt_at)"
        " SELECT s.id, 'x', 'https://x', v.state, now() + make_interval(secs => off) FROM sources AS s,"
        " (VALUES ('waiting', -50), ('waiting', 50), ('delivered', -50)) AS v (state, off)"
    )
    await database.execute("UPDATE sources SET next_due = now() - interval '1 hour'")
    lines = (await house.client.get("/metrics")).text.splitlines()
    told = {
        line.partition(" ")[0]: float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith("footnote_work")
    }
    for queue, depths in {"answers": (2, 1, 1), "deliveries": (1, 0, 1), "refreshes": (1, 0, 0)}.items():
        for status, depth in zip(("waiting", "running", "later"), depths, strict=True):
            assert told[f'footnote_work{{queue="{queue}",status="{status}"}}'] == depth
    for queue, age_s in {"answers": 300, "deliveries": 50, "refreshes": 3600}.items():
        assert age_s <= told[f'footnote_work_oldest_seconds{{queue="{queue}"}}'] < age_s + 60


def test_what_is_not_known_of_the_workers_is_not_told() -> None:
    metrics = Metrics()
    metrics.backlog.set([Depth(queue="answers", waiting=1, running=0, later=0, oldest_s=3.0)])
    assert "footnote_work{" in metrics.expose("", with_index=False)[0].decode()
    metrics.backlog.set(None)
    assert "footnote_work{" not in metrics.expose("", with_index=False)[0].decode()


async def test_how_fresh_sources_are_is_told_to_keys_for_metrics(house: House) -> None:
    await house.add("a.txt", "Cats sleep for most of the day.")
    await house.footnote.database.execute(
        "UPDATE sources SET last_finished = to_timestamp(1000), schedule = '* * * * *', "
        "next_due = now() - interval '1 hour', last_error = 'gone'"
    )
    assert "footnote_source" not in (await house.client.get("/metrics")).text
    text = (await house.client.get("/metrics", headers=await house.client_as(METRICS))).text
    values = {
        line.partition("{")[0]: float(line.rpartition(" ")[2])
        for line in text.splitlines()
        if line.startswith("footnote_source")
    }
    assert values["footnote_source_refreshed_timestamp_seconds"] == 1000
    assert 3_500 < values["footnote_source_overdue_seconds"] < 3_700
    assert values["footnote_source_failing"] == 1


async def test_no_label_holds_what_a_caller_sent(house: House) -> None:
    for path in ("/v1/documents/0af76519-16cd-43dd-8448-eb211c80319c", "/v1/planted", "/planted?planted=1"):
        await house.client.get(path, headers={"traceparent": "planted", "X-Request-ID": "planted"})
    await house.client.post("/v1/ask", json={"question": "planted?", "collection": "planted"})
    text = (await house.client.get("/metrics", headers=await house.client_as(METRICS))).text
    assert "planted" not in text
    assert "0af76519" not in text
