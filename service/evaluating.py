"""Measuring as its callers ask for it: folders and a saved run in, figures out.

Everything that can be wrong with what was asked for is found by `prepare`, before anything is loaded.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Protocol

from evaluation.folders import find_set_folders
from evaluation.measures import Estimate, check_measurable, column_of, estimate_mean, measure_names
from evaluation.retrieval import QueryStopwatch, check_set, measure_set
from evaluation.runs import (
    RunFileError,
    SetRun,
    check_savable,
    compare_runs,
    match_run,
    questions_of,
    read_runs,
    save_runs,
)
from evaluation.sets import read_set
from evaluation.throwaway import Loader, drop_collection, hold_loaded, list_throwaways
from retrieval.database import Database
from retrieval.search import QueryEmbedder
from retrieval.stores import VectorStore
from service.footnote import Footnote
from service.measurements import Evaluation, Measurement, Prepared, PreparedSet, Request
from service.settings import Settings, keeping_nothing
from service.specs import Report, chunk_policy, search_policy
from service.wiring import open_footnote


class Progress(Protocol):
    """Is told how a measurement goes on."""

    def name(self, evaluation_set: str) -> None: ...

    def begin(self, stage: str, total: int) -> None: ...

    def advance(self) -> None: ...


def prepare(request: Request) -> Prepared:
    """Read the sets and the saved run. Raises `FootnoteError` for whatever could not be measured or compared."""
    check_measurable()
    found = find_set_folders(request.folders)
    saved = () if request.compare is None else read_runs(request.compare)
    if request.save is not None:
        check_savable(request.save)
    sets = tuple(_prepare_set(folder, request, saved) for folder in found.sets)
    if request.compare is not None and not any(each.before for each in sets):
        raise RunFileError(
            f"'{request.compare}' is a run over other documents ({', '.join(run.name for run in saved) or 'none'}) "
            f"than those of {', '.join(each.evaluation_set.name for each in sets)}. Compare runs over the same sets."
        )
    return Prepared(request=request, sets=sets, skipped=found.skipped)


def _prepare_set(folder: Path, request: Request, saved: tuple[SetRun, ...]) -> PreparedSet:
    whole = read_set(folder)
    missing = check_set(whole, allow_missing=request.allow_missing)
    asked = whole if request.limit is None else whole.sample(request.limit, request.seed)
    return PreparedSet(
        folder=folder,
        evaluation_set=asked,
        judged=len(whole.questions),
        missing=missing,
        before=None if request.compare is None else match_run(request.compare, saved, whole, k=request.k),
    )


async def measure(
    settings: Settings, prepared: Prepared, *, report: Report, progress: Progress
) -> Evaluation:
    """Load what is not loaded, ask all questions, and compare and save as requested."""
    request = prepared.request
    stopwatch = _Stopwatch()
    measurements, runs = [], []
    async with open_footnote(keeping_nothing(settings), report=report, watched=stopwatch.watch) as footnote:
        of_settings = _describe(footnote)
        for each in prepared.sets:
            progress.name(each.evaluation_set.name)
            measurement, run = await _measure_one(
                footnote, stopwatch.embedder, each, request, of_settings, progress
            )
            measurements.append(measurement)
            runs.append(run)
    if request.save is not None:
        save_runs(request.save, runs)
    return Evaluation(
        request=request,
        settings=of_settings,
        measurements=tuple(measurements),
        means=_means([measurement.measured.values for measurement in measurements], request),
        mean_differences=_mean_differences(measurements, request),
        notes=tuple(_notes(measurements, request)),
    )


class _Stopwatch:
    """Keeps hold of the stopwatch that is put between search and embedder while they are built."""

    def __init__(self) -> None:
        self._embedder: QueryStopwatch | None = None

    def watch(self, embedder: QueryEmbedder) -> QueryEmbedder:
        self._embedder = QueryStopwatch(embedder)
        return self._embedder

    @property
    def embedder(self) -> QueryStopwatch:
        assert self._embedder is not None, "the service has been built"
        return self._embedder


async def _measure_one(
    footnote: Footnote,
    stopwatch: QueryStopwatch,
    prepared: PreparedSet,
    request: Request,
    settings: Mapping[str, str],
    progress: Progress,
) -> tuple[Measurement, SetRun]:
    evaluation_set = prepared.evaluation_set
    loader = Loader(
        database=footnote.database,
        store=footnote.store,
        embedder=footnote.embedder,
        document_embedder=footnote.embedding,
        chunk_policy=chunk_policy(footnote.settings),
    )
    started = time.perf_counter()
    async with hold_loaded(loader, evaluation_set, progress=progress) as loaded:
        load_s = time.perf_counter() - started
        measured = await measure_set(
            footnote.searcher,
            stopwatch,
            loaded.collection,
            evaluation_set,
            ids=loaded.ids,
            k=request.k,
            seed=request.seed,
            progress=progress,
        )
    if not request.keep:
        await drop_collection(footnote.database, footnote.store, loaded.collection.name)
    run = SetRun(
        name=evaluation_set.name,
        corpus_hash=evaluation_set.corpus_hash(),
        k=request.k,
        settings=settings,
        questions=questions_of(evaluation_set, measured.values),
    )
    before = prepared.before
    measurement = Measurement(
        name=evaluation_set.name,
        folder=prepared.folder,
        corpus_hash=run.corpus_hash,
        collection=loaded.collection.name,
        documents=loaded.documents,
        blank=loaded.blank,
        added=loaded.added,
        chunks=loaded.chunks,
        load_s=load_s,
        judged=prepared.judged,
        questions=len(evaluation_set.questions),
        left_out=evaluation_set.left_out,
        missing=prepared.missing,
        measured=measured,
        comparison=None if before is None else compare_runs(before, run, seed=request.seed),
    )
    return measurement, run


def _describe(footnote: Footnote) -> dict[str, str]:
    """What decides the figures, in words."""
    settings, policy = footnote.settings, search_policy(footnote.settings)
    reranks = settings.reranker.enabled
    return {
        "embedder": str(footnote.embedder.identity),
        "chunking": str(chunk_policy(settings)),
        "store": footnote.store.kind,
        "reranker": footnote.reranker.name if reranks else "off",
        **{
            part.name: str(getattr(policy, part.name))
            for part in fields(policy)
            if reranks or part.name != "rerank"
        },
    }


def _means(values: list[Mapping[str, Mapping[str, float]]], request: Request) -> dict[str, Estimate]:
    return {
        name: estimate_mean([column_of(each, name) for each in values], seed=request.seed)
        for name in measure_names(request.k)
    }


def _mean_differences(measurements: list[Measurement], request: Request) -> dict[str, Estimate]:
    compared = [measurement.comparison for measurement in measurements if measurement.comparison is not None]
    if not compared:
        return {}
    return {
        name: estimate_mean([comparison.columns[name] for comparison in compared], seed=request.seed)
        for name in measure_names(request.k)
    }


def _notes(measurements: list[Measurement], request: Request) -> list[str]:
    notes = [
        f"{measurement.name} was not compared: '{request.compare}' has no question in common with it."
        for measurement in measurements
        if request.compare is not None and measurement.comparison is None
    ]
    if request.keep:
        names = ", ".join(measurement.collection for measurement in measurements)
        notes.append(f"Kept for the next run: {names}. `footnote eval clear` removes all such collections.")
    if request.save is not None:
        notes.append(f"Saved as '{request.save}'.")
    return notes


async def drop_all(database: Database, store: VectorStore) -> list[str]:
    """Remove all throw-away collections; returns their names."""
    names = await list_throwaways(database)
    for name in names:
        await drop_collection(database, store, name)
    return names
