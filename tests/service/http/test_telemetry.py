from __future__ import annotations

import asyncio

from retrieval.database import Database
from retrieval.reconciling import Finding, IndexCounts
from retrieval.stores.pgvector import PgvectorStore
from service.http.telemetry import IndexWatch, Inspection, Metrics
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
