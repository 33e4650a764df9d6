"""What a language model's other words do to search: nDCG@10 and R@100 of the question as it is, rewritten, with several
queries beside it, and with a made-up passage (HyDE), for a few questions of small sets.

    python -m benchmarks.rewriting --base-url URL --model NAME [--sets cacm,lihua-world] [--limit 20] [--seed 7]

Every document becomes a Markdown file (its title a heading, its number the file's name) in a temporary folder, which is
ingested as a user would ingest it, into an embedded Postgres of its own. A document scores as its best passage. The
server is any that speaks OpenAI's chat completions. Reads FOOTNOTE_TEST_DATA (default ../shared/data).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import ir_measures
from ir_measures import R, nDCG

from benchmarks.scifact import PASSAGES, temporary_home
from evaluation.sets import EvaluationSet, read_set
from generation.answers import Rewriting
from generation.llms import LLM, LLMSpec, load_llm
from generation.rewriting import RewriteMethod, RewritePolicy, reword
from retrieval.collections import find_collection
from retrieval.queries import Combination, SearchQueries
from retrieval.records import Collection, Scope
from retrieval.search import Searcher, SearchPolicy
from service.cli.display import IngestProgress
from service.ingestion import ingest_path
from service.settings import Settings
from service.targets import SourceRules
from service.wiring import Footnote, open_footnote

DATA = Path(os.environ.get("FOOTNOTE_TEST_DATA", "../shared/data"))
POLICY = RewritePolicy(timeout_s=120)
MODES: dict[str, tuple[RewriteMethod | None, Combination]] = {
    "off": (None, "mean"),
    "rewrite": ("rewrite", "mean"),
    "multi_query, mean": ("multi_query", "mean"),
    "multi_query, max": ("multi_query", "max"),
    "hyde": ("hyde", "mean"),
}


async def search(
    footnote: Footnote, collection: Collection, queries: SearchQueries, how: Combination
) -> dict[str, float]:
    """The documents found, by the best score of their passages."""
    searcher = Searcher(
        database=footnote.database,
        store=footnote.store,
        embedder=footnote.embedder,
        query_embedder=footnote.embedding,
        reranker=None,
        policy=SearchPolicy(combination=how),
    )
    best: dict[str, float] = {}
    for hit in await searcher.search(collection, queries, k=PASSAGES, scope=Scope.everything()):
        for place in (hit.passage, *hit.also_at):
            best.setdefault(place.path, hit.score)
    return best


async def other_words(
    asked: EvaluationSet, llm: LLM
) -> tuple[dict[str, dict[str, Rewriting]], dict[str, float]]:
    """Every question in other words by every method, and the seconds that each method took a question."""
    written: dict[str, dict[str, Rewriting]] = {}
    seconds: dict[str, float] = {}
    for method in dict.fromkeys(method for method, _ in MODES.values() if method is not None):
        started = time.perf_counter()
        written[method] = {
            question.id: await reword(question.text, method, llm=llm, allow_outside=True, policy=POLICY)
            for question in asked.questions
        }
        seconds[method] = round((time.perf_counter() - started) / len(asked.questions), 2)
        print(f"  {asked.name}: {method}, {seconds[method]} s a question", file=sys.stderr)
    return written, seconds


async def measure(
    footnote: Footnote, asked: EvaluationSet, names: dict[str, str], llm: LLM
) -> dict[str, Any]:
    """The figures of every mode on one set, whose documents `names` names by their paths."""
    collection = await find_collection(footnote.database, asked.name)
    written, seconds = await other_words(asked, llm)
    qrels = [
        ir_measures.Qrel(question, document, grade)
        for question, relevant in asked.qrels.items()
        for document, grade in relevant.items()
    ]
    rows: dict[str, Any] = {}
    for mode, (method, how) in MODES.items():
        run = []
        for question in asked.questions:
            plain = SearchQueries.of(question.text)
            queries = plain if method is None else written[method][question.id].queries
            best = await search(footnote, collection, queries, how)
            run += [ir_measures.ScoredDoc(question.id, names[path], score) for path, score in best.items()]
        scores = ir_measures.calc_aggregate([nDCG @ 10, R @ 100], qrels, run)
        rows[mode] = {"ndcg@10": round(scores[nDCG @ 10], 4), "r@100": round(scores[R @ 100], 4)}
        if method is not None:
            outcomes = Counter(rewriting.outcome for rewriting in written[method].values())
            rows[mode] |= {"outcomes": dict(outcomes), "seconds_a_question": seconds[method]}
    return rows


async def ingest(footnote: Footnote, asked: EvaluationSet, folder: Path) -> dict[str, str]:
    """Ingest the set's documents into a collection of its name; returns their ids by their paths."""
    names = {}
    for number, document in enumerate(asked.documents):
        names[f"{number}.md"] = document.id
        (folder / f"{number}.md").write_text(f"# {document.title or number}\n\n{document.text}\n")
    async with footnote.parser_pool() as pool:
        with IngestProgress(asked.name) as progress:
            await ingest_path(
                footnote, pool, folder, collection=asked.name, rules=SourceRules(), progress=progress
            )
    return names


def find_set(name: str) -> EvaluationSet:
    """The evaluation set of that name, of whichever kind it is."""
    (folder,) = DATA.glob(f"*/{name}")
    return read_set(folder)


async def main(arguments: argparse.Namespace) -> None:
    weights = os.environ.get("FOOTNOTE_WEIGHTS_DIR")
    llm = load_llm(LLMSpec(base_url=arguments.base_url, model=arguments.model, total_timeout_s=120))
    with temporary_home() as home:
        settings = Settings(home=home, weights_dir=None if weights is None else Path(weights))
        async with open_footnote(settings, report=lambda line: print(line, file=sys.stderr)) as footnote:
            for name in arguments.sets.split(","):
                asked = find_set(name).sample(arguments.limit, arguments.seed)
                with tempfile.TemporaryDirectory() as folder:
                    names = await ingest(footnote, asked, Path(folder))
                print(json.dumps({name: await measure(footnote, asked, names, llm)}, indent=2), flush=True)
    await llm.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--base-url", required=True, help="of an OpenAI-compatible server, usually ending in /v1"
    )
    parser.add_argument("--model", required=True)
    parser.add_argument("--sets", default="cacm,lihua-world", help="folders of the evaluation data")
    parser.add_argument("--limit", type=int, default=20, help="questions of each set")
    parser.add_argument("--seed", type=int, default=7)
    if not DATA.is_dir():
        sys.exit(f"The evaluation data is not at '{DATA}'. Set FOOTNOTE_TEST_DATA to its folder.")
    asyncio.run(main(parser.parse_args()))
