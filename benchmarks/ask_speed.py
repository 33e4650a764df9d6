"""How long a question takes at 100,000 chunks, and where: search, context and citations, evidence check, all of it.

    python -m benchmarks.ask_speed [--chunks 100000] [--keep DIR] [--questions 200]

Searches a corpus of `benchmarks.scale` (the same folders, made where there is none). Its texts are mixtures of words
without sentences, so the evidence check reads real chunks: for each question those of the sample nearest to it. One
client, nothing cached but the files of the database; every question is asked once, after others have warmed it up.
Reads FOOTNOTE_TEST_DATA and FOOTNOTE_WEIGHTS_DIR.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import platformdirs

from benchmarks.scale import Bench, open_bench
from benchmarks.scale_corpus import Mixer
from benchmarks.scale_sample import Sample, load_sample
from benchmarks.scale_speed import Pace, percentiles
from generation.answers import AnswerPolicy, Citation
from generation.citations import CitationReader
from generation.context import NumberedPassage, choose_context
from generation.evidence import weigh
from generation.extract import best_place, extract
from generation.prompt import build_prompt
from generation.sentences import split_sentences
from generation.spans import find_span
from retrieval.batching import EmbeddingBatcher, ScoringBatcher
from retrieval.embedders import load_embedder
from retrieval.neighbours import gaps_between, read_gaps
from retrieval.records import Hit, Scope
from retrieval.rerankers import load_reranker
from retrieval.search import Searcher
from service.settings import Settings
from service.specs import Report, embedder_spec, reranker_spec

K = 10
_WARM_UP = 40
_POLICY = AnswerPolicy()


class Clock:
    """Milliseconds by stage; a stage that is entered again for the same question adds up."""

    def __init__(self) -> None:
        self._spent: defaultdict[str, list[float]] = defaultdict(list)

    @asynccontextmanager
    async def stage(self, name: str) -> AsyncIterator[None]:
        started = time.perf_counter()
        yield
        self._spent[name].append(time.perf_counter() - started)

    def forget(self) -> None:
        self._spent.clear()

    def report(self) -> dict[str, dict[str, float]]:
        """p50 and p95 of every stage, and of the sums that the service promises."""
        stages = {name: np.array(seconds) for name, seconds in self._spent.items()}
        light = stages["search"] + stages["context"] + stages["citations"]
        answered = stages["search"] + stages["evidence"] + stages["extraction"]
        sums = {"search, context, citations": light, "whole extractive ask": answered}
        return {name: percentiles(list(seconds)) for name, seconds in {**stages, **sums}.items()}


async def ask(bench: Bench, searcher: Searcher, scorer: ScoringBatcher, number: int, clock: Clock) -> None:
    """Put one question: to the extractive answerer, and through all that a language model's answer takes beside it."""
    question = bench.sample.questions[number]
    async with clock.stage("search"):
        found = await searcher.search(bench.loaded.collection, question, k=K, scope=Scope.everything())
        gaps = await read_gaps(bench.database, gaps_between([hit.passage for hit in found]))
    hits = _with_real_texts(found, bench.sample, number)
    async with clock.stage("evidence"):
        evidence = await weigh(question, hits, scorer=scorer, policy=_POLICY)
    async with clock.stage("extraction"):
        if evidence and extract(evidence, policy=_POLICY):
            await find_span(question, best_place(evidence).quote, scorer)
    async with clock.stage("context"):
        context = choose_context(evidence, token_budget=_POLICY.context_tokens, gap_texts=gaps)
        build_prompt(question, context)
    written = _written(context)
    async with clock.stage("citations"):
        _cite(written, context)


def _with_real_texts(found: Sequence[Hit], sample: Sample, number: int) -> list[Hit]:
    """The hits with the texts of the real chunks nearest to the question in the place of made ones."""
    nearest = np.argsort(-(sample.vectors @ sample.question_vectors[number]))[: len(found)]
    texts = [sample.texts[i] for i in nearest]
    return [
        replace(hit, passage=replace(hit.passage, text=text, char_end=hit.passage.char_start + len(text)))
        for hit, text in zip(found, texts, strict=True)
    ]


def _written(context: Sequence[NumberedPassage]) -> str:
    """An answer of five sentences that cites, as a language model might write it."""
    sentences = [
        f"{split_sentences(numbered.passage.text)[0].text} [{numbered.number}]"
        for numbered in context
        if split_sentences(numbered.passage.text)
    ]
    return " ".join(sentences[:5])


def _cite(written: str, context: Sequence[NumberedPassage]) -> list[Citation]:
    """Read the answer in pieces of four characters and find the places in the passages cited."""
    reader = CitationReader(len(context))
    for start in range(0, len(written), 4):
        reader.feed(written[start : start + 4])
    by_number = {numbered.number: numbered.passage for numbered in context}
    return [
        Citation.of(by_number[number], sentence.start, sentence.end)
        for cited in reader.finish().sentences
        for number in cited.passages
        for sentence in split_sentences(by_number[number].text)[:1]
    ]


async def measure(bench: Bench, scorer: ScoringBatcher, questions: int) -> dict[str, Any]:
    """Milliseconds by stage over so many questions."""
    clock = Clock()
    async with EmbeddingBatcher(bench.embedder) as embedding:
        searcher = bench.searcher(bench.database, embedding)
        for number in range(_WARM_UP):
            await ask(bench, searcher, scorer, number, clock)
        clock.forget()
        for number in range(questions):
            await ask(bench, searcher, scorer, number % len(bench.sample.questions), clock)
    return {
        "chunks": len(bench.made),
        "questions": questions,
        "milliseconds": clock.report(),
        "load": round(os.getloadavg()[0], 1),
    }


async def run(arguments: argparse.Namespace, report: Report) -> dict[str, Any]:
    """Open the corpus and the models, and measure."""
    weights = os.environ.get("FOOTNOTE_WEIGHTS_DIR")
    settings = Settings(home=arguments.cache, weights_dir=None if weights is None else Path(weights))
    embedder = load_embedder(embedder_spec(settings, report))
    reranker = load_reranker(reranker_spec(settings, report))
    sample = load_sample(
        arguments.cache, embedder, chunks=arguments.sample, questions=200, seed=arguments.seed
    )
    folder = arguments.keep / str(arguments.chunks)
    async with (
        open_bench(
            folder,
            arguments.chunks,
            sample,
            Mixer(sample, arguments.seed),
            embedder,
            seed=arguments.seed,
            pace=Pace(),
        ) as bench,
        ScoringBatcher(reranker) as scorer,
    ):
        found = await measure(bench, scorer, arguments.questions)
    reranker.close()
    embedder.close()
    return found


def _tell(line: str) -> None:
    print(line, file=sys.stderr)


def main() -> None:
    """Measure, and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    cache = Path(platformdirs.user_cache_path("footnote-benchmarks"))
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--keep", type=Path, default=cache / "scale", help="where corpora of `scale` lie")
    parser.add_argument("--cache", type=Path, default=cache, help="vectors of the sample, and weights")
    parser.add_argument(
        "--sample", type=int, default=20_000, help="how many real chunks the corpus is made of"
    )
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    print(json.dumps(asyncio.run(run(arguments, _tell)), indent=1))


if __name__ == "__main__":
    main()
