"""The engine `ray`, through the command: a cluster makes the index that this machine makes alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
import psycopg
import pytest
from psycopg import sql

from retrieval.database import Database
from retrieval.embedders import Embedder
from tests.ingest.index_dump import DumpedChunk, dump_index

pytestmark = [pytest.mark.extras, pytest.mark.timeout(600)]

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = 60
HELD_BACK_AFTER = 15


@pytest.fixture
def environment(dsn: str, tmp_path: Path, embedder: Embedder, weights_cache: Path) -> dict[str, str]:
    assert embedder.identity, "its files have been fetched"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FOOTNOTE_", "RAY_"))}
    home = tmp_path / "home"
    home.mkdir()
    (home / "weights").symlink_to(weights_cache)
    return kept | {
        "FOOTNOTE_HOME": str(home),
        "FOOTNOTE_DATABASE__DSN": dsn,
        "PYTHONPATH": str(ROOT),
        "RAY_USAGE_STATS_ENABLED": "0",
    }


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "docs"
    root.mkdir()
    for number in range(DOCUMENTS - 3):
        rules = "\n\n".join(
            f"Rule {number}.{i}: what is written in {i} holds." for i in range(number % 7 + 1)
        )
        (root / f"{number}.md").write_text(f"# Rules of house {number}\n\n{rules}\n")
    (root / "empty.txt").write_text(" ")
    (root / "damaged.docx").write_bytes(b"PK\x03\x04 no document")
    (root / "grüße.txt").write_text("Greetings, 𝔘nicode and all 😀.\n")
    return root


def command(*arguments: str) -> list[str]:
    return [sys.executable, "-c", "from service.command import main; main()", *arguments]


def start(environment: dict[str, str], cwd: Path, *arguments: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command(*arguments),
        env=environment,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


def report_of(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    out, err = process.communicate(timeout=300)
    assert "Traceback" not in err.decode()
    assert process.returncode == 1, err.decode()  # one file is damaged
    report = json.loads(out)
    del report["seconds"]
    assert isinstance(report, dict)
    return report


@contextmanager
def holding_back(dsn: str, *, after: int) -> Iterator[Callable[[], int]]:
    """Documents wait to be written from some on, as long as the block lasts. Gives what counts those that are."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("SELECT pg_advisory_lock(7)")
        connection.execute(
            sql.SQL(
                "CREATE OR REPLACE FUNCTION hold_back() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
                " IF (SELECT count(*) FROM documents) >= {} THEN PERFORM pg_advisory_xact_lock_shared(7); END IF;"
                " RETURN NEW; END $$"
            ).format(after)
        )
        connection.execute(
            "CREATE TRIGGER hold_back BEFORE INSERT ON documents FOR EACH ROW EXECUTE FUNCTION hold_back()"
        )

        def count() -> int:
            row = connection.execute("SELECT count(*) FROM documents").fetchone()
            assert row is not None
            return int(row[0])

        yield count
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute("DROP TRIGGER hold_back ON documents")


def wait_for(count: Callable[[], int], at_least: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 240
    while count() < at_least:
        assert process.poll() is None, "it ended before it was interrupted"
        assert time.monotonic() < deadline, f"{count()} documents were taken in"
        time.sleep(0.1)


@contextmanager
def cluster(environment: dict[str, str], *, nodes: int) -> Iterator[tuple[str, Callable[[], None]]]:
    """A cluster's address, and what kills one of its nodes."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.ingest.ray_cluster", str(nodes)],
        env=environment,
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        said: IO[str] | None = process.stdout
        asked: IO[str] | None = process.stdin
        assert said is not None
        assert asked is not None

        def kill() -> None:
            asked.write("kill\n")
            asked.flush()
            assert said.readline() == "killed\n"

        yield said.readline().strip(), kill
        asked.close()
        assert process.wait(timeout=60) == 0


async def check_like_a_local_run(
    environment: dict[str, str], folder: Path, report: dict[str, Any], database: Database
) -> None:
    """The same report and index as this machine makes alone: texts byte for byte, vectors within 1e-3."""
    local = report_of(
        start(environment, folder.parent, "ingest", str(folder), "--collection", "local", "--json")
    )
    assert report == local
    ours, theirs = await dump_index(database), await dump_index(database, "local")
    assert ours.failures == theirs.failures
    assert ours.documents.keys() == theirs.documents.keys()
    for path, document in ours.documents.items():
        other = theirs.documents[path]
        assert document.text == other.text
        assert [plain(chunk) for chunk in document.chunks] == [plain(chunk) for chunk in other.chunks]
        for chunk, twin in zip(document.chunks, other.chunks, strict=True):
            assert float(vector(chunk) @ vector(twin)) >= 1 - 1e-3


def plain(chunk: DumpedChunk) -> tuple[Any, ...]:
    return (chunk.char_start, chunk.char_end, chunk.headings, chunk.text, chunk.text_hash, chunk.terms)


def vector(chunk: DumpedChunk) -> np.ndarray[Any, np.dtype[np.float32]]:
    values = np.array(json.loads(chunk.vector), dtype=np.float32)
    return values / np.linalg.norm(values)


async def test_a_killed_node_costs_time_and_no_document(
    environment: dict[str, str], folder: Path, dsn: str, database: Database
) -> None:
    with cluster(environment, nodes=3) as (address, kill):
        with holding_back(dsn, after=HELD_BACK_AFTER) as count:
            process = start(
                environment,
                folder.parent,
                "ingest",
                str(folder),
                "--engine",
                "ray",
                "--address",
                address,
                "--json",
            )
            wait_for(count, HELD_BACK_AFTER, process)
            kill()
        report = report_of(process)
    assert (report["added"], len(report["failed"]), len(report["skipped"])) == (DOCUMENTS - 2, 1, 1)
    await check_like_a_local_run(environment, folder, report, database)


async def test_a_run_that_is_told_to_end_leaves_nothing_running_and_the_next_one_completes_it(
    environment: dict[str, str], folder: Path, dsn: str, database: Database
) -> None:
    with holding_back(dsn, after=HELD_BACK_AFTER) as count:
        process = start(environment, folder.parent, "ingest", str(folder), "--engine", "ray")
        wait_for(count, HELD_BACK_AFTER, process)
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=120)
        assert process.returncode == 143, err.decode()
        assert err.decode().count("interrupted. What was finished is kept") == 1
        assert "Traceback" not in err.decode()
    assert all_end(process.pid), of_session(process.pid)
    done = len((await dump_index(database)).documents)
    assert HELD_BACK_AFTER <= done < DOCUMENTS - 2
    report = report_of(start(environment, folder.parent, "ingest", str(folder), "--engine", "ray", "--json"))
    assert report["unchanged"] >= done
    assert report["added"] + report["unchanged"] == DOCUMENTS - 2


def all_end(session: int) -> bool:
    """Whether the processes of a session end soon."""
    deadline = time.monotonic() + 60
    while of_session(session) and time.monotonic() < deadline:
        time.sleep(0.5)
    return not of_session(session)


def of_session(session: int) -> list[str]:
    """The processes of a session that are left, but those that have ended."""
    left = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = stat.read_text().rpartition(")")
        except (FileNotFoundError, ProcessLookupError):
            continue
        state, _, _, its_session = rest.split()[:4]
        if int(its_session) == session and state != "Z":
            left.append(name)
    return left


def test_a_cluster_that_is_not_there_is_named(environment: dict[str, str], folder: Path) -> None:
    arguments = ("ingest", str(folder), "--engine", "ray", "--address", "127.0.0.1:9")
    process = start(environment, folder.parent, *arguments)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "the Ray cluster at 127.0.0.1:9 cannot be reached (Connection refused)" in err.decode()
    assert "Traceback" not in err.decode()
