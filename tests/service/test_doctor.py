"""The doctor over a real folder, the real service and a damaged database; and as its user meets it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ingest.catalog import SourceRecord
from retrieval.listings import LISTING_CHECKS
from retrieval.reconciling import DOCUMENT_CHECKS, STRAY_CHECKS, Finding, IndexCounts
from retrieval.records import Scope
from service.ailments import AILMENTS
from service.cli import doctoring, run
from service.doctor import Counts, Diagnosis, examine, repair
from service.footnote import Footnote
from service.ingestion import ingest_path
from service.targets import SourceRules
from tests.service.test_ingestion import Silent

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "papers"
    (root / "travel").mkdir(parents=True)
    (root / "leave.md").write_text("# Leave\n\nEveryone has 28 days of paid leave a year.\n")
    (root / "travel" / "hotels.md").write_text("# Hotels\n\nA night in Vienna may cost 140 euros.\n")
    return root


@pytest.fixture
async def house(footnote: Footnote, folder: Path) -> Footnote:
    """The service with the folder in its index."""
    await ingest(footnote, folder)
    return footnote


async def ingest(footnote: Footnote, folder: Path, collection: str = "default") -> None:
    async with footnote.parser_pool() as pool:
        await ingest_path(
            footnote, pool, folder, collection=collection, rules=SourceRules(), progress=Silent()
        )


@contextmanager
def silent(_: SourceRecord) -> Iterator[Silent]:
    yield Silent()


async def look(footnote: Footnote, **options: Any) -> Diagnosis:
    return await examine(
        footnote.database, footnote.store, footnote.settings, footnote.parser_policy, **options
    )


async def mend(footnote: Footnote, **options: Any) -> Diagnosis:
    async with footnote.parser_pool() as pool:
        return await repair(footnote, pool, progress=silent, **options)


def kinds(findings: Sequence[Finding]) -> dict[str, int]:
    return {finding.kind: finding.count for finding in findings}


async def test_all_is_well_after_an_ingest(house: Footnote) -> None:
    for depth in ("usual", "deep"):
        found = await look(house, depth=depth)
        assert (found.findings, found.is_healthy) == ((), True)
        figures = found.counts["default"].as_json()
        assert {name: figures[name] for name in figures if name != "words"} == {
            "files": 2,
            "skipped": 0,
            "failed": 0,
            "documents": 2,
            "revisions": 2,
            "places": 2,
            "chunks": 2,
            "vectors": 2,
        }


async def test_documents_that_are_broken_are_made_anew_from_their_files(house: Footnote) -> None:
    await house.database.execute("UPDATE revisions SET text = left(text, 20)")
    found = await look(house)
    assert kinds(found.findings) == {"place_wrong": 2}
    mended = await mend(house)
    assert (mended.is_healthy, kinds(mended.findings), kinds(mended.mended)) == (True, {}, {"place_wrong": 2})
    answer = await house.ask("default", "How many days of paid leave do I have?", scope=Scope.everything())
    assert answer.citations[0].quote == "Everyone has 28 days of paid leave a year."


async def test_lost_texts_and_files_that_drifted_are_mended_together(house: Footnote, folder: Path) -> None:
    await house.database.execute(
        "DELETE FROM revisions USING documents AS d WHERE d.id = document_id AND d.path = 'leave.md'"
    )
    (folder / "travel" / "hotels.md").unlink()
    (folder / "trains.md").write_text("# Trains\n\nSecond class is the rule.\n")
    found = await look(house)
    assert kinds(found.findings) == {"document_without_revision": 1, "file_new": 1, "file_gone": 1}
    assert [f.examples for f in found.findings if f.kind == "file_new"] == [(f"{folder}/trains.md",)]
    assert (await mend(house)).findings == ()
    assert (await look(house, depth="deep")).findings == ()
    figures = (await look(house)).counts["default"]
    assert (figures.files, figures.index.documents) == (2, 2)


async def test_what_cannot_be_mended_without_its_source_is_said_and_cites_nothing_wrong(
    house: Footnote, folder: Path
) -> None:
    await house.database.execute("UPDATE revisions SET text = 'Nothing.' WHERE title = 'Leave'")
    folder.rename(folder.with_name("elsewhere"))
    left = await mend(house)
    assert not left.is_healthy
    assert kinds(left.findings) == {"source_unavailable": 1, "document_without_chunks": 1}
    assert kinds(left.mended) == {"place_wrong": 1}
    answer = await house.ask("default", "How many days of paid leave do I have?", scope=Scope.everything())
    assert answer.status == "refused"
    folder.with_name("elsewhere").rename(folder)
    assert (await mend(house)).findings == ()
    assert (await look(house, depth="deep")).findings == ()


async def test_a_file_that_failed_is_noted_and_nobody_is_ill(house: Footnote, folder: Path) -> None:
    (folder / "fake.pdf").write_bytes(b"\x89PNG\r\n\x1a\n not a PDF")
    await ingest(house, folder)
    found = await look(house)
    assert (kinds(found.findings), found.is_healthy) == ({"file_failed": 1}, True)
    counts = found.counts["default"]
    assert (counts.files, counts.failed, counts.index.documents) == (3, 1, 2)


async def test_one_collection_can_be_looked_at_alone(house: Footnote, folder: Path) -> None:
    await ingest(house, folder, "other")
    await house.database.execute(
        "DELETE FROM fresh_terms USING collections AS c WHERE c.id = collection_id AND c.name = 'other'"
    )
    assert (await look(house, collection="default")).findings == ()
    assert [f.collection for f in (await look(house)).findings] == ["other"]
    assert {*(await mend(house, collection="other")).counts} == {"other"}
    assert (await look(house)).findings == ()


def test_every_finding_is_explained_here_and_in_the_manual() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    for kind in {*AILMENTS, *DOCUMENT_CHECKS, *LISTING_CHECKS, *STRAY_CHECKS}:
        assert AILMENTS[kind].meaning
        assert f"`{kind}`" in page, f"docs/operations.md does not name {kind}"


def test_the_command_prints_one_object_with_stable_names_and_says_by_its_status_whether_all_is_well(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FOOTNOTE_HOME", str(tmp_path))
    monkeypatch.setenv("FOOTNOTE_DATABASE__DSN", dsn)
    monkeypatch.setenv("FOOTNOTE_INGEST__NICE", "0")  # the tests go on in this process
    assert run(["doctor"]) == 0
    assert "Everything agrees." in capfd.readouterr().out
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("INSERT INTO segment_terms VALUES (7, 0, 1, 'word', '{0}')")
    assert run(["doctor", "--json"]) == 1
    told = json.loads(capfd.readouterr().out)
    assert {*told} == {"healthy", "counts", "findings", "seconds", "parsers"}
    assert told["healthy"] is False
    [finding] = told["findings"]
    assert {"kind", "collection", "count", "examples", "repaired"} <= {*finding}
    assert (finding["kind"], finding["collection"], finding["count"], finding["repaired"]) == (
        "segment_without_collection",
        None,
        1,
        False,
    )
    assert run(["doctor", "--collection", "nowhere"]) == 1


def test_what_a_person_reads(capfd: pytest.CaptureFixture[str]) -> None:
    index = IndexCounts(documents=2, revisions=2, places=3, chunks=3, vectors=None, words=40)
    missing = Finding(kind="vector_missing", collection="zoo", count=7, examples=("a\nb.txt (chunk 1)",))
    wrong = Finding(kind="postings_wrong", collection="zoo", count=1, examples=("chunk 2",))
    retired = Finding(
        kind="index_retired", collection="zoo", count=1, examples=("index 1 in pgvector",), is_notice=True
    )
    diagnosis = Diagnosis(
        counts={"zoo": Counts(files=2, skipped=0, failed=0, index=index)},
        findings=(missing, retired),
        mended=(wrong,),
        seconds=0.5,
    )
    doctoring.show(diagnosis, mending=True)
    out = capfd.readouterr().out
    assert "zoo: files 2, skipped 0, failed 0, documents 2, revisions 2, places 3, chunks 3, vectors ?" in out
    assert "zoo: postings_wrong (1, mended)" in out
    assert "zoo: vector_missing (7, not mended)" in out
    assert "a\\nb.txt (chunk 1)\n  … and 6 more" in out
    assert "zoo: index_retired (1)" in out
    assert "agrees" not in out
