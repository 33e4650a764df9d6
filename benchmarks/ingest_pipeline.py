"""What ingesting costs: each part prints its ratios and the bound that they are held to.

    python -m benchmarks.ingest_pipeline overhead  [--documents 2000]   whole ingest / embedding alone
    python -m benchmarks.ingest_pipeline unchanged [--documents 10000]  a refresh where nothing has changed
    python -m benchmarks.ingest_pipeline changed   [--documents 2000]   a refresh where 1 % has changed / the full run
    python -m benchmarks.ingest_pipeline size      [--documents 20000]  memory and time per document / those of 2,000

Documents come from `ingest_corpus` and are taken in as a user's folder would be, through `ingest_path`, into an
embedded Postgres of the benchmark's own. `overhead` and `changed` use the real embedder throughout. Where its time does
not matter (`unchanged`, `size`) a stand-in of the same identity hands out vectors that mean nothing; `size` adds the
real embedder's CPU seconds, measured in the same run on some of the same documents. On a machine with other work, go
by the ratios of CPU seconds. Reads FOOTNOTE_TEST_DATA and FOOTNOTE_WEIGHTS_DIR. `--json` prints one object and no more.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.ingest_corpus import Corpus, load_corpus, write_folder
from benchmarks.process_meters import MemoryPeak, Stopwatch, parent_of, processes_below
from ingest.chunking import chunk_document
from ingest.parsing import ParserPool, parse_file
from ingest.reports import Fate, RefreshReport
from ingest.titles import title_of
from retrieval.batching import EmbeddingBatcher
from retrieval.embedders import Embedder, EmbedderIdentity
from service.ingestion import ingest_path
from service.intake import Intake
from service.settings import Settings
from service.specs import chunk_policy
from service.targets import SourceRules
from service.wiring import open_intake

_SMALL = 2_000
_SAMPLE = 150
_RUNS = 5
_QUARTERS = 4


@dataclass(slots=True)
class StandIn:
    """The real embedder's tokenizer and identity, and vectors that cost nothing. `embedded` counts texts."""

    real: Embedder
    identity: EmbedderIdentity = field(init=False)
    embedded: int = 0
    batch_size: int = 64
    parallelism: int = 2
    cosine_bounds: tuple[float, float] = (0.4, 0.9)

    def __post_init__(self) -> None:
        self.identity = self.real.identity

    @property
    def max_tokens(self) -> int:
        return self.real.max_tokens

    def count_tokens(self, text: str) -> int:
        return self.real.count_tokens(text)

    def token_ends(self, text: str) -> Sequence[int]:
        return self.real.token_ends(text)

    def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        self.embedded += len(texts)
        rows = np.random.default_rng(self.embedded).standard_normal(
            (len(texts), self.identity.dimension), dtype=np.float32
        )
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        return rows

    def embed_query(self, text: str) -> NDArray[np.float32]:
        unit: NDArray[np.float32] = self.embed_documents([text])[0]
        return unit

    def close(self) -> None:
        """Nothing to close: the real one belongs to the intake."""


class _Silent:
    def planned(self, *, files: int) -> None:
        """Nobody looks."""

    def finished(self, path: str, fate: Fate, chunks: int) -> None:
        """Nobody looks."""


def _settings(home: Path) -> Settings:
    weights = os.environ.get("FOOTNOTE_WEIGHTS_DIR")
    return Settings(home=home, weights_dir=None if weights is None else Path(weights))


@contextmanager
def temporary_home() -> Iterator[Path]:
    """A data directory of this benchmark's own, removed afterwards with its database."""
    home = Path(tempfile.mkdtemp(prefix="footnote-benchmark-"))
    home.chmod(0o711)  # Postgres, which never runs as root, has to be able to reach its data
    try:
        yield home
    finally:
        shutil.rmtree(home)


@asynccontextmanager
async def fresh_intake() -> AsyncIterator[tuple[Intake, Path, int]]:
    """A way into an empty index, a folder for files, and the pid of the index's Postgres."""
    with temporary_home() as home:
        async with open_intake(_settings(home), report=_tell) as intake:
            row = await intake.database.fetch_one("SELECT pg_backend_pid() AS pid")
            assert row is not None, "a function returns a row"
            yield intake, home / "files", parent_of(row["pid"])


@asynccontextmanager
async def with_stand_in(intake: Intake) -> AsyncIterator[tuple[Intake, StandIn]]:
    """The same intake, with an embedder that costs nothing."""
    stand_in = StandIn(intake.embedder)
    async with EmbeddingBatcher(stand_in) as batcher:
        yield replace(intake, embedder=stand_in, embedding=batcher), stand_in


async def ingest(intake: Intake, pool: ParserPool, folder: Path) -> RefreshReport:
    """One run, as the command line makes it. Fails where a file fails."""
    report = await ingest_path(
        intake, pool, folder, collection="default", rules=SourceRules(), progress=_Silent()
    )
    if report.failed or report.skipped:
        sys.exit(f"The benchmark's own files were not all taken in: {report.failed or report.skipped}")
    return report


def chunk_texts(intake: Intake, folder: Path) -> list[str]:
    """What is embedded of a folder's files, made without the pipeline."""
    texts: list[str] = []
    for path in sorted(folder.rglob("*.md")):
        parsed = parse_file(path.read_bytes(), path.name, intake.parser_policy)
        chunks = chunk_document(
            parsed, policy=chunk_policy(intake.settings), token_ends=intake.embedder.token_ends
        )
        title = title_of(parsed.title, path.name)
        texts += dict.fromkeys(chunk.embedding_text(title) for chunk in chunks)
    return texts


async def measure_overhead(corpus: Corpus, documents: int) -> dict[str, Any]:
    """Quarters of the documents: ingest, embed, embed, ingest, … so that what drifts weighs on both alike."""
    async with fresh_intake() as (intake, files, postmaster):
        whole, alone = Stopwatch(postmaster), Stopwatch(postmaster)
        chunks = 0
        with whole:  # starting the parser processes is a part of it
            pool = await intake.parser_pool().__aenter__()
        try:
            for quarter in range(_QUARTERS):
                folder = files / str(quarter)
                write_folder(
                    folder,
                    corpus,
                    range(documents * quarter // _QUARTERS, documents * (quarter + 1) // _QUARTERS),
                )
                texts = chunk_texts(intake, folder)
                for step in ("whole", "alone") if quarter % 2 == 0 else ("alone", "whole"):
                    if step == "whole":
                        with whole:
                            chunks += (await ingest(intake, pool, folder)).chunks
                    else:
                        with alone:
                            await intake.embedding.embed_documents(texts)
                _tell(f"quarter {quarter + 1}: {whole.seconds:.1f} s / {alone.seconds:.1f} s")
        finally:
            with whole:
                await pool.__aexit__(None, None, None)
    return {
        "documents": documents,
        "chunks": chunks,
        "whole": whole.as_json(),
        "embedding_alone": alone.as_json(),
        "ratio": round(whole.seconds / alone.seconds, 3),
        "ratio_cpu": round(whole.cpu.total / alone.cpu.total, 3),
        "bound": 1.10,
    }


async def measure_unchanged(corpus: Corpus, documents: int) -> dict[str, Any]:
    """The refresh inside the process, then the whole command, its database running already, then cold."""
    with temporary_home() as home:
        folder = home / "files"
        write_folder(folder, corpus, range(documents))
        async with open_intake(_settings(home), report=_tell) as intake:
            inside, embedded, starts = await _refresh_inside(intake, folder, documents)
            warm = [_command(home, folder, documents) for _ in range(_RUNS)]
        cold = [_command(home, folder, documents) for _ in range(_RUNS)]
    return {
        "documents": documents,
        "embedded": embedded,
        "parser_processes_started": starts,
        "inside_s": round(inside, 2),
        "command_s": round(statistics.median(s for s, _ in warm), 2),
        "command_cpu_s": round(statistics.median(cpu for _, cpu in warm), 2),
        "cold_command_s": round(statistics.median(s for s, _ in cold), 2),
        "bound": 3.0,
    }


async def _refresh_inside(intake: Intake, folder: Path, documents: int) -> tuple[float, int, int]:
    """Seconds of a refresh, how many texts it embedded, and how many parser processes it started."""
    async with with_stand_in(intake) as (cheap, stand_in):
        async with cheap.parser_pool() as pool:
            await ingest(cheap, pool, folder)
        before, seconds, running = stand_in.embedded, [], processes_below(os.getpid())
        async with cheap.parser_pool() as pool:
            for _ in range(_RUNS):
                started = time.perf_counter()
                report = await ingest(cheap, pool, folder)
                seconds.append(time.perf_counter() - started)
                _check_unchanged(report.as_json(), documents)
            starts = len(processes_below(os.getpid()) - running)
    return statistics.median(seconds), stand_in.embedded - before, starts


def _command(home: Path, folder: Path, documents: int) -> tuple[float, float]:
    """Seconds and CPU seconds of `footnote ingest`, from the start of the process to its end."""
    command = [str(Path(sys.executable).with_name("footnote")), "ingest", str(folder), "--json"]
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    done = subprocess.run(
        command, env={**os.environ, "FOOTNOTE_HOME": str(home)}, capture_output=True, check=True, cwd=home
    )
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    _check_unchanged(json.loads(done.stdout), documents)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _check_unchanged(report: dict[str, Any], documents: int) -> None:
    if (report["unchanged"], report["chunks"]) != (documents, 0):
        sys.exit(f"The refresh did not find everything unchanged: {report}")


async def measure_changed(corpus: Corpus, documents: int) -> dict[str, Any]:
    """The full run, a scan that finds nothing to do, and a run in which every hundredth file has a sentence more."""
    async with fresh_intake() as (intake, files, postmaster):
        write_folder(files, corpus, range(documents))
        full, scan, changed = Stopwatch(postmaster), Stopwatch(postmaster), Stopwatch(postmaster)
        with full:
            await _ingest_once(intake, files)
        with scan:
            await _ingest_once(intake, files)
        for path in sorted(files.rglob("*.md"))[::100]:
            path.write_text(path.read_text(encoding="utf-8") + "\nThis was added later.\n", encoding="utf-8")
        with changed:
            updated = (await _ingest_once(intake, files)).updated
    return {
        "documents": documents,
        "updated": updated,
        "full": full.as_json(),
        "scan": scan.as_json(),
        "changed": changed.as_json(),
        "ratio": round((changed.seconds - scan.seconds) / full.seconds, 4),
        "ratio_cpu": round((changed.cpu.total - scan.cpu.total) / full.cpu.total, 4),
        "bound": 0.03,
    }


async def _ingest_once(intake: Intake, folder: Path) -> RefreshReport:
    async with intake.parser_pool() as pool:
        return await ingest(intake, pool, folder)


async def measure_one_size(corpus: Corpus, documents: int) -> dict[str, Any]:
    """One run with the stand-in: memory, and what all but the embedder costs."""
    async with fresh_intake() as (intake, files, postmaster), with_stand_in(intake) as (cheap, _):
        write_folder(files, corpus, range(documents))
        await cheap.pipeline(
            "default", cheap.parser_pool()
        )  # what a first start costs is not a document's cost
        with MemoryPeak(postmaster) as peak, Stopwatch(postmaster) as cost:
            report = await _ingest_once(cheap, files)
    return {
        "documents": documents,
        "chunks": report.chunks,
        "cost": cost.as_json(),
        "cpu_ms_a_document": round(1000 * cost.cpu.total / documents, 3),
        "peak": peak.as_json(),
    }


async def _embedding_cpu(corpus: Corpus, numbers: range) -> float:
    """CPU seconds a document of the real embedder."""
    async with fresh_intake() as (intake, files, postmaster):
        write_folder(files, corpus, numbers)
        texts = chunk_texts(intake, files)
        await intake.embedding.embed_documents(texts[:8])
        with Stopwatch(postmaster) as alone:
            await intake.embedding.embed_documents(texts)
    return alone.cpu.main / len(numbers)


async def measure_size(corpus: Corpus, documents: int) -> dict[str, Any]:
    """The small size before and after the large one, each in a process of its own."""
    runs: dict[int, list[dict[str, Any]]] = {_SMALL: [], documents: []}
    embedding = []
    for number, size in enumerate((_SMALL, documents, _SMALL)):
        start = number * documents // 3
        embedding.append(await _embedding_cpu(corpus, range(start, start + _SAMPLE)))
        done = await asyncio.to_thread(_in_a_process, size)
        _tell(f"{size:,} documents: {json.dumps(done)}")
        runs[size].append(done)
    small, large = runs[_SMALL], runs[documents][0]
    embed_ms = 1000 * statistics.mean(embedding)
    small_ms = statistics.mean(each["cpu_ms_a_document"] for each in small)
    peaks = {
        kind: round(large["peak"][kind] / max(1.0, *(each["peak"][kind] for each in small)), 3)
        for kind in large["peak"]
    }
    return {
        "small": small,
        "large": large,
        "embedding_cpu_ms_a_document": round(embed_ms, 2),
        "time_ratio": round((embed_ms + large["cpu_ms_a_document"]) / (embed_ms + small_ms), 3),
        "time_ratio_without_embedding": round(large["cpu_ms_a_document"] / small_ms, 3),
        "time_bound": 1.1,
        "memory_ratios": peaks,
        "memory_ratio": round(
            sum(large["peak"].values()) / max(sum(each["peak"].values()) for each in small), 3
        ),
        "memory_bound": 1.2,
    }


def _in_a_process(documents: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.ingest_pipeline", "one-size", "--documents", str(documents)]
    done = subprocess.run([*command, "--json"], stdout=subprocess.PIPE, check=True)
    found: dict[str, Any] = json.loads(done.stdout)["one-size"]
    return found


PARTS = {
    "overhead": (measure_overhead, 2_000),
    "unchanged": (measure_unchanged, 10_000),
    "changed": (measure_changed, 2_000),
    "size": (measure_size, 20_000),
    "one-size": (measure_one_size, _SMALL),
}


def _tell(line: str) -> None:
    print(line, file=sys.stderr)


def main() -> None:
    """Run one part and print what it found."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("part", choices=PARTS)
    parser.add_argument("--documents", type=int)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    measure, documents = PARTS[arguments.part]
    corpus = load_corpus()
    loads = [os.getloadavg()[0]]
    found = asyncio.run(measure(corpus, arguments.documents or documents))
    loads.append(os.getloadavg()[0])
    result = {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores",
        "load_before_and_after": [round(load, 1) for load in loads],
        "python": platform.python_version(),
        "onnxruntime": version("onnxruntime"),
        "psycopg": version("psycopg"),
        "corpus": corpus.origin,
        arguments.part: found,
    }
    print(json.dumps(result) if arguments.json else json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
