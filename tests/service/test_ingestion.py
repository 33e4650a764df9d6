from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from psycopg import sql

from ingest.catalog import find_source, list_sources
from ingest.errors import SourceUnavailableError
from ingest.reports import RefreshReport
from retrieval.documents import list_documents
from retrieval.errors import InvalidRequestError, NotFoundError
from retrieval.records import Scope
from service.footnote import Footnote
from service.ingestion import files_at_once, forget_source, ingest_path, plan_path
from service.targets import SourceRules, register_source


class Silent:
    """Progress that nobody watches."""

    def planned(self, *, files: int) -> None: ...

    def finished(self, path: str, outcome: str, chunks: int) -> None: ...


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "papers"
    (root / "travel").mkdir(parents=True)
    (root / "leave.md").write_text("# Leave\n\nEveryone has 28 days of paid leave a year.\n")
    (root / "travel" / "hotels.md").write_text("# Hotels\n\nA night in Vienna may cost 140 euros.\n")
    return root


async def ingest(footnote: Footnote, path: Path, rules: SourceRules | None = None) -> RefreshReport:
    async with footnote.parser_pool() as pool:
        return await ingest_path(
            footnote, pool, path, collection="default", rules=rules or SourceRules(), progress=Silent()
        )


async def paths(footnote: Footnote) -> list[str]:
    documents = await list_documents(footnote.database, "default", scope=Scope.everything())
    return [document.path for document in documents]


async def count_rows(footnote: Footnote) -> dict[str, int]:
    """How many rows every table has, those of vectors included."""
    async with footnote.database.connection() as connection:
        cursor = await connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        counts = {}
        for table in [row["tablename"] for row in await cursor.fetchall()]:
            cursor = await connection.execute(
                sql.SQL("SELECT count(*) AS n FROM {}").format(sql.Identifier(table))
            )
            counts[table] = int((await cursor.fetchall())[0]["n"])
    return counts


async def test_what_is_ingested_is_found_and_answers(footnote: Footnote, folder: Path) -> None:
    report = await ingest(footnote, folder)
    assert (report.added, report.failed) == (2, [])
    answer = await footnote.ask("default", "How many days of paid leave do I have?", scope=Scope.everything())
    assert answer.citations[0].quote == "Everyone has 28 days of paid leave a year."


async def test_a_path_inside_a_source_refreshes_that_part_alone(footnote: Footnote, folder: Path) -> None:
    await ingest(footnote, folder)
    (folder / "leave.md").unlink()
    (folder / "travel" / "trains.md").write_text("# Trains\n\nSecond class is the rule.\n")
    report = await ingest(footnote, folder / "travel")
    assert (report.added, report.removed) == (1, 0)
    assert await paths(footnote) == ["leave.md", "travel/hotels.md", "travel/trains.md"]
    assert len(await list_sources(footnote.database)) == 1
    (folder / "travel" / "trains.md").unlink()
    gone = await ingest(footnote, folder)
    assert gone.removed == 2


async def test_rules_for_a_part_of_a_source_are_refused(footnote: Footnote, folder: Path) -> None:
    await ingest(footnote, folder)
    with pytest.raises(InvalidRequestError, match="lies inside the source"):
        await ingest(footnote, folder / "travel", SourceRules(readers=["group:hr"]))


async def test_a_folder_takes_over_the_sources_inside_of_it(footnote: Footnote, folder: Path) -> None:
    await ingest(footnote, folder / "travel")
    await ingest(footnote, folder / "leave.md")
    foreseen = await plan_path(
        footnote.database, footnote.settings, folder, collection="default", rules=SourceRules()
    )
    assert (foreseen.added, foreseen.unchanged) == (0, 2)
    report = await ingest(footnote, folder)
    assert (report.added, report.unchanged, report.removed) == (0, 2, 0)
    assert await paths(footnote) == ["leave.md", "travel/hotels.md"]
    assert [state.source.location for state in await list_sources(footnote.database)] == [str(folder)]


@pytest.mark.parametrize("rules", [SourceRules(include=["*.md"]), SourceRules(readers=["group:hr"])])
async def test_a_folder_around_a_source_with_rules_of_its_own_is_refused(
    footnote: Footnote, folder: Path, rules: SourceRules
) -> None:
    await ingest(footnote, folder / "travel", rules)
    with pytest.raises(InvalidRequestError, match=r"lies around the source .* of its own"):
        await ingest(footnote, folder)
    assert await paths(footnote) == ["hotels.md"]


async def test_a_single_file_is_a_source(footnote: Footnote, folder: Path) -> None:
    assert (await ingest(footnote, folder / "leave.md")).added == 1
    assert await paths(footnote) == ["leave.md"]
    assert (await ingest(footnote, folder / "leave.md")).unchanged == 1


async def test_a_missing_path_changes_nothing(footnote: Footnote, folder: Path) -> None:
    before = await count_rows(footnote)
    with pytest.raises(SourceUnavailableError, match="does not exist"):
        await ingest(footnote, folder / "nowhere")
    assert await count_rows(footnote) == before


async def test_a_source_that_has_gone_keeps_its_documents(footnote: Footnote, folder: Path) -> None:
    await ingest(footnote, folder)
    folder.rename(folder.with_name("elsewhere"))
    with pytest.raises(SourceUnavailableError):
        await ingest(footnote, folder)
    assert len(await paths(footnote)) == 2


async def test_a_dry_run_foresees_and_writes_nothing(footnote: Footnote, folder: Path) -> None:
    async def plan() -> RefreshReport:
        return await plan_path(
            footnote.database, footnote.settings, folder, collection="default", rules=SourceRules()
        )

    empty = await count_rows(footnote)
    assert (await plan()).added == 2
    assert await count_rows(footnote) == empty
    await ingest(footnote, folder)
    (folder / "leave.md").write_text("# Leave\n\nEveryone has 30 days of paid leave a year.\n")
    (folder / "travel" / "hotels.md").touch()
    (folder / "new.txt").write_text("Something new.\n")
    full = await count_rows(footnote)
    foreseen = await plan()
    assert (foreseen.added, foreseen.updated, foreseen.unchanged) == (1, 1, 1)
    assert await count_rows(footnote) == full
    done = await ingest(footnote, folder)
    assert (done.added, done.updated, done.unchanged) == (1, 1, 1)


async def test_a_dry_run_foresees_new_rules(footnote: Footnote, folder: Path) -> None:
    await ingest(footnote, folder, SourceRules(include=["*.md"]))
    before = await count_rows(footnote)
    rules = SourceRules(exclude=["travel/"])
    foreseen = await plan_path(
        footnote.database, footnote.settings, folder, collection="default", rules=rules
    )
    assert (foreseen.unchanged, foreseen.removed) == (1, 1)
    assert await count_rows(footnote) == before
    done = await ingest(footnote, folder, rules)
    assert (done.unchanged, done.removed) == (1, 1)


async def test_a_dry_run_refuses_what_the_run_would_refuse(footnote: Footnote, folder: Path) -> None:
    for collection, rules in (("Not A Name", SourceRules()), ("default", SourceRules(exclude=["!"]))):
        with pytest.raises(InvalidRequestError):
            await plan_path(footnote.database, footnote.settings, folder, collection=collection, rules=rules)


async def test_a_pattern_that_is_none_is_refused_before_anything_is_written(
    footnote: Footnote, folder: Path
) -> None:
    before = await count_rows(footnote)
    with pytest.raises(InvalidRequestError, match="is not a pattern"):
        await ingest(footnote, folder, SourceRules(exclude=["drafts/", "[z-a]"]))
    assert await count_rows(footnote) == before
    await ingest(footnote, folder, SourceRules(exclude=["travel/"]))
    with pytest.raises(InvalidRequestError, match="is not a pattern"):
        await ingest(footnote, folder, SourceRules(exclude=["!"]))
    assert (await ingest(footnote, folder)).unchanged == 1


async def test_a_part_that_the_whole_leaves_out_is_not_brought_in_by_name(
    footnote: Footnote, folder: Path
) -> None:
    (folder / ".drafts").mkdir()
    (folder / ".drafts" / "secret.md").write_text("# Not yet\n\nNothing to see.\n")
    (folder / "outside.md").symlink_to("/etc/hostname")
    await ingest(footnote, folder)
    for part in (".drafts", ".drafts/secret.md", "outside.md"):
        report = await ingest(footnote, folder / part)
        assert (report.added, len(report.skipped)) == (0, 1)
    assert await paths(footnote) == ["leave.md", "travel/hotels.md"]


async def test_a_name_that_looks_like_a_home_folder_is_a_name(footnote: Footnote) -> None:
    with pytest.raises(SourceUnavailableError, match="'~no-such-user/papers' does not exist"):
        await ingest(footnote, Path("~no-such-user/papers"))


async def test_an_option_that_is_not_given_keeps_what_was_set(footnote: Footnote, folder: Path) -> None:
    await ingest(footnote, folder, SourceRules(exclude=["travel/"], readers=["group:hr"]))
    await ingest(footnote, folder)
    [state] = await list_sources(footnote.database)
    assert (state.source.exclude, state.source.readers) == (("travel/",), ("group:hr",))
    assert await paths(footnote) == ["leave.md"]


async def test_readers_decide_who_is_answered(footnote: Footnote, folder: Path) -> None:
    await ingest(footnote, folder, SourceRules(readers=["group:hr"]))
    question = "How many days of paid leave do I have?"
    with pytest.raises(NotFoundError, match="or nothing in it that the caller may read"):
        await footnote.ask("default", question, scope=Scope.of(["user:bob"]))
    member = await footnote.ask("default", question, scope=Scope.of(["group:hr"]))
    assert member.status == "answered"


async def test_a_removed_source_answers_no_more(footnote: Footnote, folder: Path) -> None:
    await ingest(footnote, folder)
    [state] = await list_sources(footnote.database)
    assert await forget_source(footnote, state) == 2
    assert await paths(footnote) == []
    with pytest.raises(NotFoundError):
        await find_source(footnote.database, state.source.id)
    left = await count_rows(footnote)
    assert {left[table] for table in ("chunk_terms", "fresh_terms", "segments", "removed_terms")} == {0}


async def test_registering_reads_nothing(footnote: Footnote, folder: Path) -> None:
    source = await register_source(footnote, folder, collection="default", rules=SourceRules())
    assert source.location == str(folder)
    assert await paths(footnote) == []
    with pytest.raises(SourceUnavailableError):
        await register_source(footnote, folder.parent / "nowhere", collection="default", rules=SourceRules())


@dataclass(frozen=True)
class Sized:
    """As much of an embedder as says how much it takes at a time."""

    parallelism: int
    batch_size: int


@pytest.mark.parametrize(
    ("parallelism", "batch_size", "files"), [(2, 4, 8), (16, 4, 32), (2, 256, 256), (1, 16, 8)]
)
def test_as_many_files_are_at_work_as_fill_the_models_batches(
    parallelism: int, batch_size: int, files: int
) -> None:
    assert files_at_once(Sized(parallelism, batch_size)) == files
