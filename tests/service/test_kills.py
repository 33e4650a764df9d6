"""Kills at random moments: the next run takes up, and in the end the index is that of a run that nobody disturbed."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from retrieval.embedders import Embedder
from retrieval.rerankers import Reranker
from service.embedded_postgres import EmbeddedPostgres
from tests.service.test_cli import ROOT, command

FILES = 120

# What the index holds, without ids and times. Vectors are bit-identical from run to run.
HOLDINGS = (
    "SELECT d.path, d.current_revision, r.text, p.ordinal, p.char_start, p.char_end, c.text, v.embedding::text"
    " FROM documents AS d JOIN revisions AS r ON r.document_id = d.id AND r.revision = d.current_revision"
    " JOIN chunk_places AS p ON p.document_id = d.id JOIN chunks AS c ON c.id = p.chunk_id"
    " JOIN vectors_1 AS v ON v.chunk_id = c.id ORDER BY d.path, p.ordinal"
)
ORPHANS = (
    "SELECT (SELECT count(*) FROM revisions) - (SELECT count(*) FROM documents)"
    " + (SELECT count(*) FROM chunks AS c WHERE NOT EXISTS (SELECT FROM chunk_places WHERE chunk_id = c.id))"
    " + abs((SELECT sum(length(lexemes)) FROM chunks) - (SELECT count(*) FROM postings))"
    " + abs((SELECT count(*) FROM vectors_1) - (SELECT count(*) FROM chunks))"
)


@pytest.fixture
def place(embedder: Embedder, reranker: Reranker, weights_cache: Path) -> Iterator[Path]:
    """A folder that the database's account can reach, with a folder of documents in it."""
    folder = Path(tempfile.mkdtemp(prefix="footnote-kills-"))
    folder.chmod(0o711)
    documents = folder / "documents"
    documents.mkdir()
    for number in range(FILES):
        words = " ".join(f"word{number * 7 + i}" for i in range(60))
        (documents / f"{number}.md").write_text(f"# Note {number}\n\nThe number is {number}.\n\n{words}\n")
    for home in ("calm", "stormy"):
        (folder / home).mkdir()
        (folder / home / "weights").symlink_to(weights_cache)
    yield folder
    for home in ("calm", "stormy"):
        EmbeddedPostgres(folder / home / "postgres").destroy()
    shutil.rmtree(folder)


def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FOOTNOTE_")}
    if folder := os.environ.get("FOOTNOTE_WEIGHTS_DIR"):
        kept["FOOTNOTE_WEIGHTS_DIR"] = folder
    return kept | {"FOOTNOTE_HOME": str(home), "PYTHONPATH": str(ROOT)}


def start(home: Path, documents: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command("ingest", str(documents), "--json"),
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def finish(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    out, _ = process.communicate(timeout=170)
    assert process.returncode == 0, out
    report: dict[str, Any] = json.loads(out)
    return report


def holdings(home: Path) -> tuple[list[tuple[Any, ...]], int]:
    with EmbeddedPostgres(home / "postgres") as server, psycopg.connect(server.dsn) as connection:
        orphans = connection.execute(ORPHANS).fetchone()
        assert orphans is not None
        return connection.execute(HOLDINGS).fetchall(), int(orphans[0])


def kill_postgres(home: Path) -> None:
    for pid_file in (home / "postgres").rglob("postmaster.pid"):
        os.kill(int(pid_file.read_text().splitlines()[0]), signal.SIGKILL)


def weather(kills: int, seed: int, place: Path) -> None:
    chance = random.Random(seed)  # moments, not secrets
    documents = place / "documents"
    finish(start(place / "calm", documents))
    for number in range(kills):
        process = start(place / "stormy", documents)
        # Starting takes about two seconds and the whole run about six, less with every resumption.
        time.sleep(chance.uniform(0.5, 5.0))
        if number % 3 == 2:
            kill_postgres(place / "stormy")
            process.communicate(timeout=170)
        else:
            process.kill()
            process.communicate(timeout=30)
    report = finish(start(place / "stormy", documents))
    assert report["added"] + report["unchanged"] == FILES
    calm, stormy = holdings(place / "calm"), holdings(place / "stormy")
    assert len(calm[0]) >= FILES
    assert stormy == calm
    assert stormy[1] == 0


def test_a_run_that_is_killed_thrice_loses_and_doubles_nothing(place: Path) -> None:
    weather(kills=3, seed=1, place=place)


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(2, 7))
def test_runs_that_are_killed_again_and_again_lose_and_double_nothing(place: Path, seed: int) -> None:
    weather(kills=12, seed=seed, place=place)
