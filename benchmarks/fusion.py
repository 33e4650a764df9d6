"""Why search weighs its two lists as it does: nDCG@10 and R@100 of ways to fuse and to rerank, set by set.

    python -m benchmarks.fusion [--sets scifact,cranfield,…] [--questions 1500] [--rerank] [--seed 7]

Documents go through the product into throw-away collections of the configured database, once, as with `footnote eval
retrieval`. Every way orders the same candidates of the same questions; a document stands where its best passage does.
Differences are to the reference (completed scores, .8 and .2), with paired bootstrap intervals; the mean counts every
set alike. With --rerank the cross-encoder's scores are kept by model and pair in a file, so that a second run costs
little. Reads FOOTNOTE_TEST_DATA (default ../shared/data).
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.fusion_rankings import RERANKED, WAYS, Rankings, rank_set
from evaluation.caching import CachingScorer, ModelCache
from evaluation.measures import Values, column_of, estimate_mean, measure_rankings
from evaluation.sets import read_set
from evaluation.throwaway import Loader, hold_loaded
from service.footnote import Footnote
from service.settings import load_settings
from service.specs import chunk_policy
from service.wiring import open_footnote

DATA = Path(os.environ.get("FOOTNOTE_TEST_DATA", "../shared/data"))
SETS = "scifact,cranfield,cacm,squad-20k,musique-100,lihua-world,covidqa,tatqa-dev"
REFERENCE = "completed scores, .8/.2"
MEASURES = ("ndcg@10", "recall@100")


class Told:
    """Says on stderr how loading and asking go on."""

    def __init__(self, name: str) -> None:
        self._name = name

    def begin(self, stage: str, total: int) -> None:
        print(f"{self._name}: {stage} {total:,}", file=sys.stderr, flush=True)

    def advance(self) -> None:
        """Nothing to say of a single one."""


def folder_of(name: str) -> Path:
    """The folder of the evaluation set of that name, of whichever kind it is."""
    (folder,) = DATA.glob(f"*/{name}")
    return folder


def loader_of(footnote: Footnote) -> Loader:
    """What brings evaluation sets into the service's database."""
    return Loader(
        database=footnote.database,
        store=footnote.store,
        embedder=footnote.embedder,
        document_embedder=footnote.embedding,
        chunk_policy=chunk_policy(footnote.settings),
    )


async def measure(
    footnote: Footnote, name: str, arguments: argparse.Namespace, cache: ModelCache
) -> dict[str, Values]:
    """The values of every way on one set, question by question."""
    asked = read_set(folder_of(name)).sample(arguments.questions, arguments.seed)
    scorer = CachingScorer(footnote.scoring, reranker=footnote.reranker.name, cache=cache)
    async with hold_loaded(loader_of(footnote), asked, progress=Told(name)) as loaded:
        rankings: Rankings = await rank_set(
            footnote, loaded, asked, scorer=scorer if arguments.rerank else None
        )
    return {way: measure_rankings(ranked, asked.qrels, k=10) for way, ranked in rankings.items()}


def difference(values: Mapping[str, Mapping[str, Values]], way: str, *, seed: int) -> dict[str, float]:
    """How much better than the reference a way is by nDCG@10 on the mean over sets, and on the worst set."""
    columns = [
        column_of(of_set[way], "ndcg@10") - column_of(of_set[REFERENCE], "ndcg@10")
        for of_set in values.values()
    ]
    mean = estimate_mean(columns, seed=seed)
    return {**mean.as_json(), "worst_set": round(min(float(column.mean()) for column in columns), 4)}


def figures(values: Mapping[str, Mapping[str, Values]], *, seed: int) -> dict[str, Any]:
    """What every way came to: a row a way."""
    rows: dict[str, Any] = {}
    for way in next(iter(values.values())):
        means = {
            name: {measure: round(float(column_of(of_set[way], measure).mean()), 4) for measure in MEASURES}
            for name, of_set in values.items()
        }
        overall = {
            measure: round(sum(mean[measure] for mean in means.values()) / len(means), 4)
            for measure in MEASURES
        }
        rows[way] = {"sets": means, "mean": overall, "difference": difference(values, way, seed=seed)}
    return rows


def show(rows: Mapping[str, Any], sets: Sequence[str]) -> None:
    """The rows as a table in Markdown."""
    print(f"| | mean | difference to the reference | {' | '.join(sets)} |")
    print("|---" * (len(sets) + 3) + "|")
    for way, row in rows.items():
        change = row["difference"]
        told = f"{change['mean']:+.4f} [{change['low']:+.4f}, {change['high']:+.4f}], worst {change['worst_set']:+.4f}"
        cells = [
            f"{row['sets'][name]['ndcg@10']:.3f} / {row['sets'][name]['recall@100']:.3f}" for name in sets
        ]
        print(
            f"| {way} | {row['mean']['ndcg@10']:.4f} | {'' if way == REFERENCE else told} | {' | '.join(cells)} |"
        )


async def main(arguments: argparse.Namespace) -> None:
    settings = load_settings()
    values: dict[str, dict[str, Values]] = {}
    kept = arguments.cache or settings.home / "evaluation" / "models.sqlite"
    with ModelCache(kept) as cache:
        async with open_footnote(settings, report=lambda line: print(line, file=sys.stderr)) as footnote:
            for name in arguments.sets.split(","):
                values[name] = await measure(footnote, name, arguments, cache)
    questions = {name: len(next(iter(of_set.values()))) for name, of_set in values.items()}
    rows = figures(values, seed=arguments.seed)
    show(rows, list(values))
    print(json.dumps({"questions": questions, "ways": rows}))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sets", default=SETS, help="folders of the evaluation data")
    parser.add_argument("--questions", type=int, default=1_500, help="of a set at most, drawn by --seed")
    parser.add_argument("--rerank", action="store_true", help="rerank, too: a second or so a question")
    parser.add_argument("--cache", type=Path, help="file for the cross-encoder's scores")
    parser.add_argument("--seed", type=int, default=7)
    assert REFERENCE in WAYS
    assert not {*WAYS} & {*RERANKED}
    if not DATA.is_dir():
        sys.exit(f"The evaluation data is not at '{DATA}'. Set FOOTNOTE_TEST_DATA to its folder.")
    asyncio.run(main(parser.parse_args()))
