"""SciFact through the product's own ingest and search: nDCG@10 and R@100 of dense, BM25 and the fused default, and what
ingesting cost beside the embedding alone of the same chunks.

    python -m benchmarks.scifact [--limit N] [--json]

Every abstract becomes a Markdown file (its title a heading, its id the file's name) in a temporary folder, which is
ingested as a user would ingest it, into an embedded Postgres of its own. A document scores as its best passage.
Reads FOOTNOTE_TEST_DATA (default ../shared/data).
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import ir_measures
from ir_measures import R, nDCG

from retrieval.collections import find_collection
from retrieval.database import Database
from retrieval.fusion import FusionPolicy
from retrieval.records import Collection, Scope, contextual_text
from retrieval.search import Searcher, SearchPolicy
from service.cli.display import IngestProgress
from service.footnote import Footnote
from service.ingestion import ingest_path
from service.settings import Settings
from service.targets import SourceRules
from service.wiring import open_footnote

DATA = Path(os.environ.get("FOOTNOTE_TEST_DATA", "../shared/data")) / "retrieval" / "scifact"
MODES = {
    "dense": FusionPolicy.by_dense_weight(1.0),
    "bm25": FusionPolicy.by_dense_weight(0.0),
    "fused": FusionPolicy(),
}
# Passages fetched for a question: enough that their documents, each counted once, number 100.
PASSAGES = 300


def _jsonl(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        for line in lines:
            yield json.loads(line)


def write_folder(folder: Path, limit: int | None) -> int:
    """Write the corpus as files; returns how many."""
    count = 0
    for count, document in enumerate(_jsonl(DATA / "corpus.jsonl.gz"), start=1):
        (folder / f"{document['_id']}.md").write_text(f"# {document['title']}\n\n{document['text']}\n")
        if count == limit:
            break
    return count


def read_questions() -> tuple[dict[str, str], list[ir_measures.Qrel]]:
    """The test questions and their relevant documents."""
    rows = [line.split("\t") for line in (DATA / "qrels.tsv").read_text().splitlines()[1:]]
    qrels = [ir_measures.Qrel(question, document, int(grade)) for question, document, grade in rows]
    wanted = {qrel.query_id for qrel in qrels}
    questions = {q["_id"]: q["text"] for q in _jsonl(DATA / "queries.jsonl") if q["_id"] in wanted}
    return questions, qrels


async def measure(footnote: Footnote, mode: str) -> dict[str, float]:
    """nDCG@10, R@100 and the median milliseconds of a search in one mode."""
    questions, qrels = read_questions()
    collection = await _collection(footnote.database)
    searcher = Searcher(
        database=footnote.database,
        store=footnote.store,
        embedder=footnote.embedder,
        query_embedder=footnote.embedding,
        reranker=None,
        policy=replace(SearchPolicy(), fusion=MODES[mode]),
    )
    run: list[ir_measures.ScoredDoc] = []
    seconds: list[float] = []
    for question_id, question in questions.items():
        started = time.perf_counter()
        hits = await searcher.search(collection, question, k=PASSAGES, scope=Scope.everything())
        seconds.append(time.perf_counter() - started)
        best: dict[str, float] = {}
        for hit in hits:
            document = Path(hit.passage.path).stem
            best[document] = max(best.get(document, hit.score), hit.score)
        run += [ir_measures.ScoredDoc(question_id, document, score) for document, score in best.items()]
    scores = ir_measures.calc_aggregate([nDCG @ 10, R @ 100], qrels, run)
    return {
        "ndcg@10": round(scores[nDCG @ 10], 4),
        "r@100": round(scores[R @ 100], 4),
        "search_ms_p50": round(1000 * sorted(seconds)[len(seconds) // 2], 1),
    }


async def _collection(database: Database) -> Collection:
    return await find_collection(database, "default")


async def embedding_alone(footnote: Footnote) -> tuple[float, int]:
    """Seconds to embed the very texts that were ingested, in the same batcher, and their tokens."""
    rows = await footnote.database.fetch_all(
        "SELECT c.headings, c.text, c.token_count, r.title FROM chunks AS c"
        " JOIN documents AS d ON d.id = c.document_id"
        " JOIN revisions AS r ON r.document_id = d.id AND r.revision = d.current_revision"
    )
    texts = [contextual_text(row["title"], row["headings"], row["text"]) for row in rows]
    tokens = sum(footnote.embedder.count_tokens(text) for text in texts)
    started = time.perf_counter()
    await footnote.embedding.embed_documents(texts)
    return time.perf_counter() - started, tokens


@contextmanager
def temporary_home() -> Iterator[Path]:
    """A data directory of this benchmark's own, removed afterwards with its database."""
    home = Path(tempfile.mkdtemp(prefix="footnote-benchmark-"))
    # Postgres, which never runs as root, has to be able to reach its data.
    home.chmod(0o711)
    try:
        yield home
    finally:
        shutil.rmtree(home)


async def main(limit: int | None, as_json: bool) -> None:
    weights = os.environ.get("FOOTNOTE_WEIGHTS_DIR")
    with temporary_home() as home, tempfile.TemporaryDirectory() as folder:
        documents = write_folder(Path(folder), limit)
        settings = Settings(home=home, weights_dir=None if weights is None else Path(weights))
        async with open_footnote(settings, report=lambda line: print(line, file=sys.stderr)) as footnote:
            started = time.perf_counter()
            async with footnote.parser_pool() as pool:
                with IngestProgress("scifact") as progress:
                    report = await ingest_path(
                        footnote,
                        pool,
                        Path(folder),
                        collection="default",
                        rules=SourceRules(),
                        progress=progress,
                    )
            ingest_s = time.perf_counter() - started
            embed_s, tokens = await embedding_alone(footnote)
            result: dict[str, Any] = {
                "documents": documents,
                "chunks": report.chunks,
                "failed": len(report.failed),
                "tokens": tokens,
                "ingest_s": round(ingest_s, 1),
                "embedding_alone_s": round(embed_s, 1),
                "ingest_to_embedding_ratio": round(ingest_s / embed_s, 3),
                "embedding_tokens_per_s": round(tokens / embed_s),
            }
            if limit is None:
                result |= {mode: await measure(footnote, mode) for mode in MODES}
    print(json.dumps(result) if as_json else json.dumps(result, indent=2))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=int, help="only so many documents; quality is then not measured")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if not DATA.is_dir():
        sys.exit(f"The data set is not at '{DATA}'. Set FOOTNOTE_TEST_DATA to the folder of evaluation data.")
    asyncio.run(main(arguments.limit, arguments.json))
