"""Search at scale: latency, throughput and recall of corpora of 20,000 to 1,000,000 chunks, and what they take on disk.

    python -m benchmarks.scale [--chunks 20000 100000 1000000] [--keep DIR] [--figure docs/search-at-scale.png]

Corpora are mixtures of real chunks (`scale_corpus`), loaded in bulk into an embedded Postgres of their own, which has
the parameters that Footnote gives it; the truth is numpy's (`scale_truth`). With `--keep` a corpus is loaded once and
measured as often as one likes: a million chunks take most of an hour to load on two cores and 8 GB of disk. `--only`
measures a part. `--results` is a file that results are kept in, each size's latest, for tables and figure together.
Reads FOOTNOTE_TEST_DATA and FOOTNOTE_WEIGHTS_DIR.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from benchmarks.scale_corpus import Made, Mixer, Speller, read_made
from benchmarks.scale_loading import COLLECTION, Loaded, load
from benchmarks.scale_recall import Asked, Finder, K, measure_candidates, measure_recall
from benchmarks.scale_sample import Sample, load_sample
from benchmarks.scale_selections import by_reader, everything, selections
from benchmarks.scale_sizes import measure_sizes
from benchmarks.scale_speed import (
    CLIENTS,
    GivenVectors,
    Pace,
    measure_latency,
    measure_throughput,
    record,
    where_time_goes,
)
from benchmarks.scale_tables import show
from benchmarks.scale_truth import TruthTeller
from retrieval.batching import EmbeddingBatcher
from retrieval.collections import find_collection
from retrieval.database import Database
from retrieval.embedders import Embedder, load_embedder
from retrieval.indexes import active_index
from retrieval.records import Scope
from retrieval.search import QueryEmbedder, Searcher, SearchPolicy
from retrieval.stores.pgvector import PgvectorStore
from service.embedded_postgres import EmbeddedPostgres
from service.migrations import migrate
from service.settings import Settings, runtime_directory
from service.specs import embedder_spec

PARTS = ("latency", "throughput", "recall", "candidates", "sizes")
_SIZES = (20_000, 100_000, 1_000_000)
_SAMPLE, _QUESTIONS = 20_000, 200
# Postings read and chunks scored: the one grows, then the other.
_BUDGETS = (
    *((postings, 1_000) for postings in (5_000, 20_000, 100_000, 400_000, 1_600_000)),
    *((1_600_000, scored) for scored in (250, 500, 2_000)),
)
_SUBJECT = "medquad"
_HASTE = Pace(warm_up_s=0.5, round_s=0.5, rounds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """A loaded corpus and all that measuring it takes."""

    dsn: str
    database: Database
    embedder: Embedder
    sample: Sample
    mixer: Mixer
    made: Made
    loaded: Loaded
    subject: str
    pace: Pace

    def searcher(self, database: Database, query_embedder: QueryEmbedder) -> Searcher:
        """The product's own search, without reranking."""
        return Searcher(
            database=database,
            store=PgvectorStore(),
            embedder=self.embedder,
            query_embedder=query_embedder,
            reranker=None,
            policy=SearchPolicy(),
        )

    @property
    def given(self) -> GivenVectors:
        return GivenVectors(dict(zip(self.sample.questions, self.sample.question_vectors, strict=True)))

    async def latency(self) -> dict[str, Any]:
        found = {}
        async with EmbeddingBatcher(self.embedder) as batcher:
            for one in by_reader(self.subject):
                found[one.name] = await measure_latency(
                    lambda embedder: self.searcher(self.database, embedder),
                    batcher,
                    self.loaded.collection,
                    self.sample.questions,
                    one.selection,
                    K,
                )
        return found

    async def throughput(self) -> dict[str, Any]:
        questions, one = self.sample.questions, everything()
        searcher = self.searcher(self.database, self.given)
        recorded = await record(
            lambda database: self.searcher(database, self.given),
            self.dsn,
            self.loaded.collection,
            questions,
            one.selection,
            K,
        )
        async with Database(self.dsn, max_connections=CLIENTS) as bare:
            found = await measure_throughput(
                lambda n: searcher.search(
                    self.loaded.collection, questions[n], k=K, scope=Scope.everything()
                ),
                bare,
                recorded,
                self.pace,
            )
        return {**found, "statements": where_time_goes(recorded)}

    async def recall(self) -> list[dict[str, object]]:
        named = selections(self.subject)
        masks = {one.name: one.mask(self.made, self.sample.sets) for one in named}
        return await measure_recall(self._finder(), await self._asked(), named, masks)

    async def candidates(self) -> list[dict[str, object]]:
        wanted = ("everything", "100 % by reader", "10 % by reader", "one subject")
        named = [one for one in selections(self.subject) if one.name in wanted]
        masks = {one.name: one.mask(self.made, self.sample.sets) for one in named}
        return await measure_candidates(self._finder(), await self._asked(), named, masks, _BUDGETS)

    async def sizes(self) -> dict[str, Any]:
        return await measure_sizes(self.database, self.loaded.index, len(self.made))

    def _finder(self) -> Finder:
        return Finder(
            database=self.database,
            store=PgvectorStore(),
            loaded=self.loaded,
            searcher=self.searcher(self.database, self.given),
            made=self.made,
            cosine_bounds=self.embedder.cosine_bounds,
        )

    async def _asked(self) -> Iterator[Asked]:
        questions, vectors = self.sample.questions, self.sample.question_vectors
        teller = await TruthTeller.read(self.database, self.made, self.mixer.vocabulary, questions)
        return (
            Asked(question=question, vector=vector, truth=truth)
            for question, vector, truth in zip(questions, vectors, teller.truths(vectors), strict=True)
        )


async def run(bench: Bench, parts: Sequence[str]) -> dict[str, Any]:
    """Measure parts of one corpus."""
    found: dict[str, Any] = {"chunks": len(bench.made), "load_s": bench.loaded.seconds, **_circumstances()}
    for part in parts:
        started = time.perf_counter()
        found[part] = await getattr(bench, part)()
        _tell(f"{len(bench.made):,} chunks: {part} took {time.perf_counter() - started:.0f} s")
    return found


def _circumstances() -> dict[str, Any]:
    return {
        "date": time.strftime("%Y-%m-%d"),
        "machine": f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores",
        "python": platform.python_version(),
    }


@asynccontextmanager
async def open_bench(
    folder: Path, chunks: int, sample: Sample, mixer: Mixer, embedder: Embedder, *, seed: int, pace: Pace
) -> AsyncIterator[Bench]:
    """A corpus of so many chunks in a folder, made and loaded unless it lies there already."""
    identity = {
        "chunks": chunks,
        "seed": seed,
        "texts": len(sample.texts),
        "embedder": embedder.identity.digest(),
    }
    note = folder / "loaded.json"
    kept = json.loads(note.read_text()) if note.is_file() else None
    if kept is not None and kept["identity"] != identity:
        sys.exit(f"'{folder}' holds another corpus ({kept['identity']}). Name another folder, or remove it.")
    if kept is None and (folder / "postgres").exists():
        sys.exit(f"'{folder}' holds a corpus that was not loaded to its end. Remove it.")
    _make_reachable(folder)
    server = EmbeddedPostgres(folder / "postgres", report=_tell, runtime_directory=runtime_directory())
    with server:
        migrate(server.dsn)
        made = read_made(folder / "corpus") if kept else mixer.write(folder / "corpus", chunks)
        async with Database(server.dsn, max_connections=CLIENTS) as database:
            if kept is None:
                loaded = await load(database, made, Speller(mixer.vocabulary), sample.sets, embedder.identity)
                note.write_text(json.dumps({"identity": identity, "seconds": loaded.seconds}))
            else:
                loaded = await _find_loaded(database, kept["seconds"])
            yield Bench(
                dsn=server.dsn,
                database=database,
                embedder=embedder,
                sample=sample,
                mixer=mixer,
                made=made,
                loaded=loaded,
                subject=_SUBJECT if _SUBJECT in sample.sets else sample.sets[0],
                pace=pace,
            )


def _make_reachable(folder: Path) -> None:
    """Make a folder that Postgres, which never runs as root, can get into."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)


async def _find_loaded(database: Database, seconds: dict[str, float]) -> Loaded:
    collection = await find_collection(database, COLLECTION)
    async with database.connection() as connection:
        index = await active_index(connection, collection.id)
    assert index is not None, "a corpus that was loaded has an index"
    return Loaded(collection=collection, index=index, seconds=seconds)


@contextmanager
def _kept(folder: Path | None) -> Iterator[Path]:
    """The folder for corpora; one of the benchmark's own, removed afterwards, where none is named."""
    if folder is not None:
        yield folder
        return
    own = Path(tempfile.mkdtemp(prefix="footnote-scale-"))
    own.chmod(0o711)
    try:
        yield own
    finally:
        shutil.rmtree(own)


async def measure(
    sample: Sample,
    embedder: Embedder,
    *,
    sizes: Sequence[int],
    keep: Path | None,
    parts: Sequence[str],
    seed: int,
    pace: Pace,
    finished: Callable[[Mapping[str, Any]], None],
) -> None:
    """Measure corpora of these sizes, one after the other; `finished` is told each one's results."""
    mixer = Mixer(sample, seed)
    with _kept(keep) as folder:
        for size in sizes:
            async with open_bench(
                folder / str(size), size, sample, mixer, embedder, seed=seed, pace=pace
            ) as bench:
                finished(await run(bench, parts))


def _tell(line: str) -> None:
    print(line, file=sys.stderr)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chunks", type=int, nargs="+", metavar="N")
    parser.add_argument(
        "--quick", action="store_true", help="2,000 chunks made of few texts: does it all work?"
    )
    parser.add_argument("--keep", type=Path, metavar="DIR", help="where corpora are, or are to be left")
    parser.add_argument(
        "--cache", type=Path, default=Path(platformdirs.user_cache_path("footnote-benchmarks"))
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    parser.add_argument("--sample", type=int, help=f"how many real chunks to mix: {_SAMPLE:,}")
    parser.add_argument("--questions", type=int, help=f"how many questions: {_QUESTIONS}")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, metavar="FILE", help="JSON that results are added to")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="PNG to draw of all results")
    return parser.parse_args()


def main() -> None:
    """Measure, print the tables, and keep the results."""
    arguments = _arguments()
    weights = os.environ.get("FOOTNOTE_WEIGHTS_DIR")
    settings = Settings(home=arguments.cache, weights_dir=None if weights is None else Path(weights))
    embedder = load_embedder(embedder_spec(settings, _tell))
    results: dict[str, Any] = {}
    if arguments.results is not None and arguments.results.is_file():
        results = json.loads(arguments.results.read_text())

    def finished(found: Mapping[str, Any]) -> None:
        results[str(found["chunks"])] = {**results.get(str(found["chunks"]), {}), **found}
        if arguments.results is not None:
            arguments.results.write_text(json.dumps(results, indent=1) + "\n")

    sample = load_sample(
        arguments.cache,
        embedder,
        chunks=arguments.sample or (400 if arguments.quick else _SAMPLE),
        questions=arguments.questions or (20 if arguments.quick else _QUESTIONS),
        seed=arguments.seed,
    )
    asyncio.run(
        measure(
            sample,
            embedder,
            sizes=arguments.chunks or ((2_000,) if arguments.quick else _SIZES),
            keep=arguments.keep,
            parts=arguments.only,
            seed=arguments.seed,
            pace=_HASTE if arguments.quick else Pace(),
            finished=finished,
        )
    )
    embedder.close()
    runs = sorted(results.values(), key=lambda found: int(found["chunks"]))
    show(runs)
    if arguments.figure is not None:
        from benchmarks.scale_figure import draw  # noqa: PLC0415

        draw(runs, arguments.figure)


if __name__ == "__main__":
    main()
