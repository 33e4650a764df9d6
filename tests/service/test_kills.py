"""Kills at random moments: in the end the index is that of a run that nobody disturbed, and nothing is left over.

Runs are processes of the command, on an embedded Postgres of their own; one or the other or both are killed with
SIGKILL. A run whose Postgres is killed waits until it is back. A run that is killed is completed by the next one.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import random
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from ingest.parsing import ParserPool
from ingest.reports import RefreshReport
from retrieval.batching import EmbeddingBatcher
from retrieval.collections import find_collection
from retrieval.database import Database
from retrieval.reconciling import check_collection
from retrieval.stores.pgvector import PgvectorStore
from service import wiring
from service.embedded_postgres import EmbeddedPostgres
from service.footnote import Footnote
from service.ingestion import ingest_path
from service.migrations import migrate
from service.settings import Settings
from service.targets import SourceRules
from tests.ingest.fakes import Told
from tests.ingest.index_dump import dump_index
from tests.service.conftest import OpenFootnote
from tests.service.test_cli import ROOT, command
from tests.service.varied_files import VariedFolder

Victim = Literal["run", "postgres", "both"]
Moment = Literal["anywhere", "planning", "work", "ending"]
Reached = Literal["starting", "planning", "taking in", "ended"]
Helper = Literal["itself", "the other run", "the next run"]

# How much later than an undisturbed run a disturbed one may be on a busy machine.
_LONGEST_RUN_S = 150.0
_MOST_TRIES = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """What is killed, and when.

    moment: "anywhere" at a share of the whole run; "planning" shortly before files are taken in, when documents are
    renamed and removed; "work" at a share of the time that taking them in should last; "ending" after the report.
    retry: whether the run tries again what failed for good. beside: whether another run is at work at the same time.
    """

    victim: Victim
    moment: Moment
    share: float
    retry: bool = False
    beside: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A kill that struck, and what was found after it.

    after_s: how long after its start the run was hit. reached: how far it had come by then: "starting" before it had
    its work from the catalog, "planning" until it took files in, "ended" once it had printed its report.
    completed_by: the run itself, another one that was at work beside it, or the next one. left: what that one did.
    """

    kill: Kill
    files: int
    after_s: float
    reached: Reached
    completed_by: Helper
    left: int | None

    def as_json(self) -> dict[str, Any]:
        return asdict(self.kill) | {
            "share": round(self.kill.share, 3),
            "files": self.files,
            "after_s": round(self.after_s, 2),
            "reached": self.reached,
            "completed_by": self.completed_by,
            "left": self.left,
        }


def environment(home: Path) -> dict[str, str]:
    """What a command sees of the world. The reference is made without OCR, so commands do without it, too."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FOOTNOTE_")}
    if folder := os.environ.get("FOOTNOTE_WEIGHTS_DIR"):
        kept["FOOTNOTE_WEIGHTS_DIR"] = folder
    return kept | {"FOOTNOTE_HOME": str(home), "FOOTNOTE_PARSING__OCR": "off", "PYTHONPATH": str(ROOT)}


class Run:
    """`footnote ingest` over a folder, as a process, and what it has told so far."""

    def __init__(self, home: Path, documents: Path, *options: str) -> None:
        self._folder = Path(tempfile.mkdtemp(dir=home.parent))
        self.started, self.launched_at = time.monotonic(), datetime.now(UTC)
        with (self._folder / "out").open("wb") as out, (self._folder / "err").open("wb") as err:
            self.process = subprocess.Popen(
                command("ingest", str(documents), "--json", *options),
                env=environment(home),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def wait_until(self, told: Callable[[], bool], *, timeout_s: float) -> float:
        """Wait until it has told something, or has ended; returns how long it has been running."""
        deadline = time.monotonic() + timeout_s
        while not told() and self.process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.003)
        return time.monotonic() - self.started

    def takes_in(self) -> bool:
        return b"to take in" in (self._folder / "err").read_bytes()

    def files_to_take_in(self) -> int:
        """How many it said it would take in, once it did."""
        match = re.search(rb"([\d,]+) files? to take in", (self._folder / "err").read_bytes())
        return 0 if match is None else int(match[1].replace(b",", b""))

    def told(self) -> Literal["starting", "taking in", "ended"]:
        """How far it has come, by what it has said."""
        return "ended" if self.has_ended() else "taking in" if self.takes_in() else "starting"

    def has_ended(self) -> bool:
        return (self._folder / "out").stat().st_size > 0

    def kill(self) -> bool:
        """Kill it; False where it had come to its end by itself."""
        self.process.kill()
        return self.process.wait() == -signal.SIGKILL

    def finish(self) -> dict[str, Any]:
        """Its report, once it has ended; 1 is the status of a run over a folder with damaged files."""
        self.process.wait(timeout=_LONGEST_RUN_S)
        report = self.report()
        assert report is not None, (self._folder / "err").read_text()
        return report

    def report(self) -> dict[str, Any] | None:
        """Its report, where it has ended well."""
        if self.process.poll() not in {0, 1}:
            return None
        report: dict[str, Any] = json.loads((self._folder / "out").read_text())
        return None if "error" in report else report


@dataclass(slots=True)
class Remembering:
    """The real embedder, asked once for every text: what it gives is bit-identical whenever it is asked."""

    embedding: EmbeddingBatcher
    known: dict[str, NDArray[np.float32]] = field(default_factory=dict)

    async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        new = list(dict.fromkeys(text for text in texts if text not in self.known))
        made = await self.embedding.embed_documents(new)
        self.known |= dict(zip(new, made, strict=True))
        return np.array([self.known[text] for text in texts], dtype=np.float32).reshape(-1, made.shape[1])


@dataclass(slots=True)
class Storm:
    """A folder, a home in which runs over it are killed, and a quiet place in which they are not."""

    place: Path
    chance: random.Random
    calm: Footnote
    pool: ParserPool
    open_footnote_at: OpenFootnote
    whole_commands: bool
    folder: VariedFolder = field(init=False)
    rounds: list[Round] = field(default_factory=list)
    missed: int = 0
    starting_s: float = 0.0
    file_s: float = 0.0
    calm_runs: int = 0

    def __post_init__(self) -> None:
        self.folder = VariedFolder(self.documents, self.chance)

    @property
    def documents(self) -> Path:
        return self.place / "documents"

    @property
    def home(self) -> Path:
        return self.place / "home"

    def begin(self) -> None:
        """Set the home up, which takes longer than any later start, and see how long a run takes."""
        Run(self.home, self.documents).finish()
        self.folder.change(0.8)
        self.measure(Run(self.home, self.documents))

    def measure(self, run: Run) -> dict[str, Any]:
        """The report of an undisturbed run, which says how long one takes to start and to work."""
        self.starting_s = run.wait_until(run.takes_in, timeout_s=_LONGEST_RUN_S)
        report = run.finish()
        if files := run.files_to_take_in():
            self.file_s = report["seconds"] / files
        return report

    async def go_through(self, kill: Kill) -> None:
        """One run that is disturbed, whatever it takes to complete it, and a look at what is there then.

        A kill that found its victim dead or not yet alive does not count: it is tried again at another moment.
        """
        for _ in range(_MOST_TRIES):
            run = Run(self.home, self.documents, *(["--retry-failed"] if kill.retry else []))
            other = Run(self.home, self.documents) if kill.beside else None
            after_s = self._await_moment(run, kill)
            struck_at, told = datetime.now(UTC), run.told()
            if await self._strike(run, kill.victim):
                break
            self.missed += 1
            for survivor in filter(None, (run, other)):
                survivor.process.wait(timeout=_LONGEST_RUN_S)
            share = kill.share * 0.6 if run.has_ended() and told != "starting" else (1 + kill.share) / 2
            kill = replace(kill, share=share)
            self.folder.change(0.3)
        else:
            raise AssertionError(f"{kill} has missed its victim again and again")
        by: Helper = "the next run"
        if kill.victim == "postgres":
            run.finish()
            by = "itself"
        if other is not None:
            other.finish()
            by = "itself" if kill.victim == "postgres" else "the other run"
        reached: Reached = told
        if told == "starting" and self.whole_commands and await self._has_begun(run, struck_at):
            reached = "planning"
        left = await self.complete() if by == "the next run" else None
        files = len(self.folder.files())
        self.rounds.append(
            Round(kill=kill, files=files, after_s=after_s, reached=reached, completed_by=by, left=left)
        )
        await self._compare()

    async def _strike(self, run: Run, victim: Victim) -> bool:
        """Whether what was to be killed was alive, and is no more."""
        if victim != "run" and (run.has_ended() or not kill_postgres(self.home)):
            return False
        if victim == "both":
            await asyncio.sleep(0.2)
        return victim == "postgres" or run.kill()

    async def _has_begun(self, run: Run, struck_at: datetime) -> bool:
        """Whether the catalog knows of the beginning of a run between its start as a process and the kill."""
        with EmbeddedPostgres(self.home / "postgres") as server:
            async with Database(server.dsn, max_connections=1) as database:
                row = await database.fetch_one(
                    "SELECT count(*) AS n FROM sources WHERE last_started BETWEEN %(start)s AND %(end)s",
                    {"start": run.launched_at, "end": struck_at},
                )
        return row is not None and row["n"] > 0

    def _await_moment(self, run: Run, kill: Kill) -> float:
        match kill.moment:
            case "anywhere":
                whole_s = self.starting_s + self.file_s * len(self.folder.files()) / 2 + 0.5
                return run.wait_until(lambda: False, timeout_s=kill.share * whole_s)
            case "planning":
                return run.wait_until(run.takes_in, timeout_s=self.starting_s * (0.7 + 0.3 * kill.share))
            case "work":
                self.starting_s = run.wait_until(run.takes_in, timeout_s=_LONGEST_RUN_S)
                working_s = self.file_s * run.files_to_take_in()
                return run.wait_until(lambda: False, timeout_s=kill.share * working_s)
            case "ending":
                run.wait_until(run.has_ended, timeout_s=_LONGEST_RUN_S)
                return run.wait_until(lambda: False, timeout_s=kill.share * 0.5)

    def see_the_doctor(self) -> None:
        """It finds nothing wrong; that damaged files are damaged is worth a notice."""
        done = subprocess.run(
            command("doctor", "--deep", "--json"),
            env=environment(self.home),
            capture_output=True,
            check=False,
            timeout=120,
        )
        diagnosis = json.loads(done.stdout)
        assert {finding["kind"] for finding in diagnosis["findings"]} <= {"file_failed"}, diagnosis
        assert (diagnosis["healthy"], done.returncode) == (True, 0), diagnosis

    async def complete(self) -> int:
        """The next run; returns how much it had to do."""
        if self.whole_commands:
            report = self.measure(Run(self.home, self.documents))
        else:
            async with self._stormy() as footnote:
                report = (await self._ingest(footnote, "default")).as_json()
        return int(report["added"] + report["updated"] + report["renamed"] + report["removed"])

    @asynccontextmanager
    async def _stormy(self) -> AsyncIterator[Footnote]:
        """The service over the home in which runs are killed, with models that are loaded already."""
        with EmbeddedPostgres(self.home / "postgres") as server:
            async with self.open_footnote_at(server.dsn) as footnote:
                yield footnote

    async def _ingest(self, footnote: Footnote, collection: str) -> RefreshReport:
        return await ingest_path(
            footnote, self.pool, self.documents, collection=collection, rules=SourceRules(), progress=Told()
        )

    async def _compare(self) -> None:
        """The index is that of an undisturbed first run, and the doctor finds nothing."""
        self.calm_runs += 1
        calm = f"calm-{self.calm_runs}"
        await self._ingest(self.calm, calm)
        with EmbeddedPostgres(self.home / "postgres") as server:
            async with Database(server.dsn, max_connections=4) as database:
                found = await dump_index(database)
                wanted = await dump_index(self.calm.database, calm)
                assert found == wanted, self.rounds[-1]
                made = await find_collection(database, "default")
                state = await check_collection(database, PgvectorStore(), made, depth="deep")
                assert state.findings == (), self.rounds[-1]
        if self.whole_commands:
            self.see_the_doctor()
        assert len(found.documents) > 0.7 * self.rounds[-1].files


def kill_postgres(home: Path) -> bool:
    """Kill the server of a home; False where none runs."""
    killed = False
    for pid_file in (home / "postgres").rglob("postmaster.pid"):
        pid = int(pid_file.read_text().splitlines()[0])
        try:
            is_ours = str(pid_file.parent) in Path(f"/proc/{pid}/cmdline").read_text()
        except FileNotFoundError:
            continue  # a file that an earlier kill has left behind
        if is_ours:
            os.kill(pid, signal.SIGKILL)
            killed = True
    return killed


@pytest.fixture
def place(weights_cache: Path) -> Iterator[Path]:
    """A folder that the database's account can reach."""
    folder = Path(tempfile.mkdtemp(prefix="footnote-kills-"))
    folder.chmod(0o711)
    (folder / "documents").mkdir()
    (folder / "home").mkdir()
    (folder / "home" / "weights").symlink_to(weights_cache)
    yield folder
    EmbeddedPostgres(folder / "home" / "postgres").destroy()
    shutil.rmtree(folder)


@asynccontextmanager
async def storm(
    place: Path, footnote: Footnote, open_footnote_at: OpenFootnote, seed: int, *, whole_commands: bool
) -> AsyncIterator[Storm]:
    """`whole_commands`: whether what completes a run is a process, too."""
    remembering = cast("EmbeddingBatcher", Remembering(footnote.embedding))
    calm = replace(footnote, embedding=remembering)
    async with calm.parser_pool() as pool:
        yield Storm(place, random.Random(seed), calm, pool, open_footnote_at, whole_commands)


async def test_postgres_killed_while_its_schema_is_looked_at_is_started_again(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []

    def migrate_once_killed(dsn: str) -> list[str]:
        calls.append(dsn)
        if len(calls) == 1:
            kill_postgres(place / "home")
        return migrate(dsn)

    monkeypatch.setattr(wiring, "migrate", migrate_once_killed)
    async with wiring.open_database(Settings(home=place / "home"), report=print) as database:
        assert await database.fetch_all("SELECT count(*) AS n FROM documents") == [{"n": 0}]
    assert len(calls) == 2


@pytest.mark.timeout(600)
async def test_six_kills_lose_and_double_nothing(
    place: Path, footnote: Footnote, open_footnote_at: OpenFootnote
) -> None:
    kills = [
        Kill(victim="run", moment="work", share=0.5),
        Kill(victim="postgres", moment="work", share=0.3),
        Kill(victim="run", moment="planning", share=0.9),
        Kill(victim="run", moment="work", share=0.8, retry=True),
        Kill(victim="postgres", moment="anywhere", share=0.6),
        Kill(victim="run", moment="work", share=0.1),
    ]
    async with storm(place, footnote, open_footnote_at, seed=1, whole_commands=False) as weather:
        weather.folder.add(12)
        weather.folder.add_odd_ones()
        weather.begin()
        weather.folder.add(24)
        for kill in kills:
            await weather.go_through(kill)
            weather.folder.change(0.4)
            weather.folder.add(6)
        await weather.complete()
        weather.see_the_doctor()


# Moments of the sixty, in turn: all over a run, and more often where there is most to lose.
_MOMENTS: tuple[Moment, ...] = (
    "anywhere",
    "work",
    "planning",
    "work",
    "anywhere",
    "work",
    "planning",
    "work",
    "ending",
)


def sixty_kills(chance: random.Random) -> list[Kill]:
    """Fifty of the run, ten of Postgres (three of them of both), spread over all moments."""
    kills = [
        Kill(
            victim="run",
            moment=_MOMENTS[number % len(_MOMENTS)],
            share=(number + chance.random()) / 50 if number % 9 in {0, 4} else chance.random(),
            retry=number % 7 == 3,
            beside=number % 10 == 5,
        )
        for number in range(50)
    ]
    for number in range(10):
        victim: Victim = "both" if number in {3, 6, 9} else "postgres"
        moment: Moment = ("work", "anywhere", "planning")[number % 3] if number else "work"
        kill = Kill(victim=victim, moment=moment, share=chance.random(), beside=number == 5)
        kills.insert(6 * number + 3, kill)
    return kills


@pytest.mark.soak
@pytest.mark.timeout(7200)
async def test_sixty_kills_lose_and_double_nothing(
    place: Path, footnote: Footnote, open_footnote_at: OpenFootnote
) -> None:
    seed, started = 20, time.monotonic()
    kills = sixty_kills(random.Random(seed))
    async with storm(place, footnote, open_footnote_at, seed, whole_commands=True) as weather:
        weather.folder.add(60)
        weather.folder.add_odd_ones()
        weather.begin()
        weather.folder.add(240)
        for kill in kills:
            await weather.go_through(kill)
            if len(weather.rounds) % 2:
                weather.folder.change(0.3)
            else:
                weather.folder.rename_and_delete(0.6)
            weather.folder.add(max(20, 300 - len(weather.folder.files())))
    write_result(weather, seed=seed, seconds=time.monotonic() - started)


def write_result(weather: Storm, *, seed: int, seconds: float) -> None:
    """What was done and found, where FOOTNOTE_TEST_SOAK_RESULT says; nothing without it."""
    if (name := os.environ.get("FOOTNOTE_TEST_SOAK_RESULT")) is None:
        return
    rounds = weather.rounds
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "version": version("footnote-service"),
        "python": platform.python_version(),
        "postgres": version("embedded-postgres"),
        "cores": len(os.sched_getaffinity(0)),
        "seed": seed,
        "kills": Counter(entry.kill.victim for entry in rounds),
        "missed_and_tried_again": weather.missed,
        "reached": Counter(entry.reached for entry in rounds),
        "completed_by": Counter(entry.completed_by for entry in rounds),
        "compared_after_each": [
            "documents by path: kind, title, text, pages, lines, content hash, size, time, recipe, readers",
            "chunks in order: places, headings, text, tokens, words with frequencies, vectors bit for bit",
            "files that failed or had nothing in them, with reasons",
            "no chunk, vector, word or place beside those, every chunk listed once",
            "footnote doctor --deep: healthy, and no finding but damaged files",
        ],
        "differences": 0,
        "seconds": round(seconds),
        "rounds": [entry.as_json() for entry in rounds],
    }
    text = json.dumps(result, indent=1, ensure_ascii=False) + "\n"
    Path(name).write_text(text, encoding="utf-8")
