"""What a language model's other words do to search: nDCG@10 and R@100 of the question as it is, rewritten, with several
queries beside it, and with a made-up passage (HyDE), for a few questions of small sets.

    python -m benchmarks.rewriting --base-url URL --model NAME [--sets cacm,lihua-world] [--limit 20] [--seed 7]

Documents go through the product into throw-away collections of the configured database, as with `footnote eval
retrieval`. A document scores as its best passage. The server is any that speaks OpenAI's chat completions. Reads
FOOTNOTE_TEST_DATA (default ../shared/data).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.fusion import DATA, Told, folder_of, loader_of
from evaluation.measures import column_of, measure_rankings
from evaluation.sets import EvaluationSet, read_set
from evaluation.throwaway import Loaded, hold_loaded
from generation.answers import Rewriting
from generation.llms import LLM, LLMSpec, load_llm
from generation.rewriting import RewriteMethod, RewritePolicy, reword
from retrieval.queries import Combination, SearchQueries
from retrieval.records import Scope
from retrieval.search import Searcher, SearchPolicy
from service.footnote import Footnote
from service.settings import load_settings
from service.wiring import open_footnote

PASSAGES = 200
POLICY = RewritePolicy(timeout_s=120)
MODES: dict[str, tuple[RewriteMethod | None, Combination]] = {
    "off": (None, "mean"),
    "rewrite": ("rewrite", "mean"),
    "multi_query, mean": ("multi_query", "mean"),
    "multi_query, max": ("multi_query", "max"),
    "hyde": ("hyde", "mean"),
}


async def search(
    footnote: Footnote, loaded: Loaded, queries: SearchQueries, how: Combination
) -> Sequence[str]:
    """The documents found, by the best score of their passages."""
    searcher = Searcher(
        database=footnote.database,
        store=footnote.store,
        embedder=footnote.embedder,
        query_embedder=footnote.embedding,
        reranker=None,
        policy=SearchPolicy(combination=how),
    )
    hits = await searcher.search(loaded.collection, queries, k=PASSAGES, scope=Scope.everything())
    places = [place for hit in hits for place in (hit.passage, *hit.also_at)]
    return list(dict.fromkeys(loaded.ids[place.path] for place in places))


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


async def measure(footnote: Footnote, loaded: Loaded, asked: EvaluationSet, llm: LLM) -> Mapping[str, Any]:
    """The figures of every mode on one set."""
    written, seconds = await other_words(asked, llm)
    rows: dict[str, Any] = {}
    for mode, (method, how) in MODES.items():
        rankings = {}
        for question in asked.questions:
            plain = SearchQueries.of(question.text)
            queries = plain if method is None else written[method][question.id].queries
            rankings[question.id] = await search(footnote, loaded, queries, how)
        values = measure_rankings(rankings, asked.qrels, k=10)
        rows[mode] = {
            name: round(float(column_of(values, name).mean()), 4) for name in ("ndcg@10", "recall@100")
        }
        if method is not None:
            outcomes = Counter(rewriting.outcome for rewriting in written[method].values())
            rows[mode] |= {"outcomes": dict(outcomes), "seconds_a_question": seconds[method]}
    return rows


async def main(arguments: argparse.Namespace) -> None:
    llm = load_llm(LLMSpec(base_url=arguments.base_url, model=arguments.model, total_timeout_s=120))
    async with open_footnote(load_settings(), report=lambda line: print(line, file=sys.stderr)) as footnote:
        for name in arguments.sets.split(","):
            asked = read_set(folder_of(name)).sample(arguments.limit, arguments.seed)
            async with hold_loaded(loader_of(footnote), asked, progress=Told(name)) as loaded:
                rows = await measure(footnote, loaded, asked, llm)
            print(json.dumps({name: rows}, indent=2), flush=True)
    await llm.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
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
