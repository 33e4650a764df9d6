"""The engines: whichever works, the index, the report and what is remembered are the same."""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from ingest.catalog import SourceRecord
from ingest.engines import Done, Engine, Settle, Work
from ingest.engines.blueprint import Blueprint
from ingest.engines.spread import (
    EmbedStage,
    PublishStage,
    ReadStage,
    Stage,
    index_in_passes,
    pack,
    unpack,
)
from ingest.errors import EngineUnavailableError, FileReplacedError
from ingest.pipeline import Pipeline
from ingest.reports import RefreshReport
from retrieval.database import Database
from retrieval.embedders import Embedder
from retrieval.errors import ExtraMissingError, FootnoteError, IndexMismatchError, InvalidRequestError
from service.engines import EngineChoice, Engines, blueprint, in_this_process, open_engines
from service.ingestion import ingest_path
from service.intake import Intake
from service.sections import ChunkingSettings, DatabaseSettings, StoreSettings
from service.settings import Settings
from service.targets import SourceRules
from service.wiring import open_intake
from tests.ingest.fakes import Told
from tests.ingest.index_dump import IndexDump, dump_index

Rows = list[bytes]


@dataclass(slots=True, kw_only=True)
class SpreadHere:
    """The stages of a spread run, in this process: rows travel as bytes, as they do between machines.

    repeated: each stage works on each row twice, as on a cluster that lost a machine.
    between: awaited before rows reach a stage, by its type.
    """

    blueprint: Blueprint
    repeated: bool = False
    between: dict[type[Stage], Callable[[], Awaitable[None]]] = field(default_factory=dict)

    async def index_all(self, files: Sequence[Work], settle: Settle) -> None:
        await index_in_passes(files, settle, self._pass)

    async def _pass(self, files: Sequence[Work]) -> AsyncIterator[Done]:
        rows = [pack(work) for work in files]
        for kind in (ReadStage, EmbedStage, PublishStage):
            if hook := self.between.pop(kind, None):
                await hook()
            rows = await asyncio.to_thread(self._work_on, kind, rows)
        for row in rows:
            yield unpack(row)

    def _work_on(self, kind: type[Stage], rows: Rows) -> Rows:
        with opened(kind, self.blueprint) as stage:
            done = [*stage(rows[:3]), *stage(rows[3:])]
            return stage(rows) if self.repeated else done


@contextmanager
def opened(kind: type[Stage], plan: Blueprint) -> Iterator[Stage]:
    stage = kind(plan)
    try:
        yield stage
    finally:
        stage.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A folder, and the way into the index under real settings."""

    root: Path
    intake: Intake
    database: Database

    async def ingest(self, collection: str, engines: Engines = in_this_process) -> RefreshReport:
        async with self.intake.parser_pool() as pool:
            return await ingest_path(
                self.intake,
                pool,
                self.root,
                collection=collection,
                rules=SourceRules(),
                progress=Told(),
                engines=engines,
            )

    async def spread(self, collection: str, **options: Any) -> RefreshReport:
        def here(pipeline: Pipeline, source: SourceRecord) -> Engine:
            return SpreadHere(blueprint=blueprint(self.intake, pipeline, source), **options)

        return await self.ingest(collection, here)


@pytest.fixture(params=["recursive"])
def settings(
    request: pytest.FixtureRequest, dsn: str, tmp_path: Path, embedder: Embedder, weights_cache: Path
) -> Settings:
    assert embedder.identity, "its files have been fetched"
    home = tmp_path / "home"
    home.mkdir()
    (home / "weights").symlink_to(weights_cache)
    return Settings(
        home=home,
        database=DatabaseSettings(dsn=SecretStr(dsn)),
        chunking=ChunkingSettings(method=request.param),
    )


@pytest.fixture
async def house(settings: Settings, database: Database, tmp_path: Path) -> AsyncIterator[House]:
    root = tmp_path / "docs"
    root.mkdir()
    (root / "leave.md").write_text(
        "# Leave\n\nFive days may be carried over.\n\n## Sick leave\n\nTell us by nine.\n"
    )
    (root / "gate.html").write_text("<title>Gate</title><h1>Hours</h1><p>The gate opens at seven.")
    (root / "long.txt").write_text(
        "\n\n".join(f"Rule {n}: what is written in {n} holds." for n in range(120))
    )
    (root / "copy.txt").write_text("The gate opens at seven.")
    (root / "empty.txt").write_text(" \n")
    (root / "damaged.docx").write_bytes(b"PK\x03\x04 not a document at all")
    (root / "unread.stl").write_bytes(b"solid")
    async with open_intake(settings, report=print) as intake:
        yield House(root=root, intake=intake, database=database)


def told(report: RefreshReport) -> dict[str, Any]:
    """A report without its time, in an order of its own."""
    plain = report.as_json()
    del plain["seconds"]
    for part in ("skipped", "failed"):
        plain[part].sort(key=lambda entry: entry["path"])
    return plain


async def dumped(house: House, collection: str) -> IndexDump:
    return await dump_index(house.database, collection)


@pytest.mark.parametrize("settings", ["recursive", "sentence"], indirect=True)
async def test_a_spread_run_makes_the_index_and_the_report_of_a_local_one(house: House) -> None:
    local, spread = await house.ingest("a"), await house.spread("b")
    assert told(local) == told(spread)
    assert (local.added, len(local.failed), len(local.skipped)) == (4, 1, 2)
    assert await dumped(house, "a") == await dumped(house, "b")


async def test_a_spread_run_takes_in_changes_as_a_local_one_does(house: House) -> None:
    await house.ingest("a")
    await house.spread("b")
    (house.root / "long.txt").write_text((house.root / "long.txt").read_text() + "\n\nA new rule.")
    (house.root / "gate.html").touch()
    (house.root / "copy.txt").unlink()
    (house.root / "leave.md").rename(house.root / "holidays.md")
    (house.root / "damaged.docx").write_text("still none")
    (house.root / "new.csv").write_text("name,age\nAnn,31\n")
    local, spread = await house.ingest("a"), await house.spread("b")
    assert told(local) == told(spread)
    assert (local.added, local.updated, local.removed, local.renamed, local.unchanged) == (1, 1, 1, 1, 1)
    assert await dumped(house, "a") == await dumped(house, "b")
    assert told(await house.spread("b"))["unchanged"] == 4


async def test_rows_that_are_worked_on_twice_change_neither_the_index_nor_the_report(house: House) -> None:
    local, spread = await house.ingest("a"), await house.spread("b", repeated=True)
    assert told(local) == told(spread)
    assert await dumped(house, "a") == await dumped(house, "b")


async def test_what_another_run_changed_meanwhile_is_taken_in_by_another_pass(house: House) -> None:
    await house.spread("b")
    path = house.root / "long.txt"
    before = path.read_text()
    path.write_text(before + "\n\nThe last rule.")

    async def change_behind() -> None:
        await house.database.execute(
            "UPDATE chunks SET text_hash = sha256(text_hash || 'x') WHERE text LIKE 'Rule%'"
        )

    spread = await house.spread("b", between={PublishStage: change_behind})
    assert (spread.updated, spread.failed[0].path, len(spread.failed)) == (1, "damaged.docx", 1)
    assert (await dumped(house, "b")).documents["long.txt"].text == path.read_text()


async def test_what_concerns_all_files_ends_the_run(house: House) -> None:
    async def retire() -> None:
        await house.database.execute("UPDATE indexes SET state = 'retired'")

    with pytest.raises(IndexMismatchError, match="replaced by `footnote reindex`"):
        await house.spread("b", between={PublishStage: retire})


async def test_a_blueprint_is_refused_where_it_does_not_fit(house: House) -> None:
    made: list[Blueprint] = []

    def note(pipeline: Pipeline, source: SourceRecord) -> None:
        made.append(blueprint(house.intake, pipeline, source))

    await house.ingest("a", note)
    [plan] = made
    with pytest.raises(EngineUnavailableError, match="Install the same version on all of them"):
        ReadStage(replace(plan, version="0.0.9"))
    gone = replace(plan, source=replace(plan.source, location=str(house.root / "elsewhere")))
    with pytest.raises(EngineUnavailableError, match="Mount it at the same path on all of them"):
        ReadStage(gone)
    with pytest.raises(EngineUnavailableError, match="Give all of them the same files of the model"):
        EmbedStage(replace(plan, index=replace(plan.index, embedder_hash="0" * 64, embedder="another model")))
    assert plan.dsn
    assert plan.dsn not in repr(plan)


async def test_choices_that_cannot_work_are_refused_before_anything_is_done(house: House) -> None:
    async def refusal(choice: EngineChoice, settings: Settings) -> str:
        with pytest.raises(InvalidRequestError) as refused:
            async with open_engines(replace(house.intake, settings=settings), choice):
                raise AssertionError("it was accepted")
        return str(refused.value)

    given = house.intake.settings
    assert "give --engine ray" in await refusal(EngineChoice(address="auto"), given)
    embedded = given.model_copy(update={"database": DatabaseSettings()})
    assert "database.dsn" in await refusal(EngineChoice(kind="ray", address="auto"), embedded)
    in_a_folder = given.model_copy(update={"store": StoreSettings(kind="qdrant")})
    assert "store.url" in await refusal(EngineChoice(kind="ray"), in_a_folder)


def every_kind(root: type[FootnoteError] = FootnoteError) -> Iterator[type[FootnoteError]]:
    yield root
    for kind in root.__subclasses__():
        yield from every_kind(kind)


@pytest.mark.parametrize("kind", sorted(set(every_kind()), key=str))
def test_every_error_travels_between_processes(kind: type[FootnoteError]) -> None:
    error = kind.__new__(kind, "what, which, why")
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (kind, "what, which, why")


def test_errors_keep_what_they_carry() -> None:
    replaced = pickle.loads(pickle.dumps(FileReplacedError(size_bytes=3, mtime_ns=4)))
    assert (replaced.size_bytes, replaced.mtime_ns, replaced.retryable) == (3, 4, True)
    missing = pickle.loads(pickle.dumps(ExtraMissingError("ray", "the engine 'ray'")))
    assert missing.extra == "ray"
    assert "pip install 'footnote-service[ray]'" in str(missing)
