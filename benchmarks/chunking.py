"""Which way of cutting finds the answers? Methods and sizes compared through the product's embedder, BM25 and fusion.

    python -m benchmarks.chunking --cache FOLDER [--sets chunkeval,covidqa,uda-pdf] [--ways 256,128,fixed-256,...]
                                  [--documents N] [--longest N] [--beginning N] [--json FILE]

A way is [METHOD-]TOKENS[+OVERLAP][-plain][-hN]: "256", "sentence-256", "fixed-256+64"; plain: small chunks are not
evened out; hN: with at most N headings. The first way is what the others are compared with: a paired bootstrap over the
questions, whose 95 % interval leaves out zero where a figure is marked + or −.

chunkeval: long texts with spans that answer; covidqa: long articles with answers at offsets (those whose offset is
wrong in the source are left out); uda-pdf: PDFs with answers looked for as words (left out where the parsed PDF does
not hold them, or often); anthropic-docs: pages put together from their sections, which are what is looked for.
Vectors and lexemes are kept under `--cache` by model and text: a second run is cheap.
Reads FOOTNOTE_TEST_DATA (default ../shared/data) and FOOTNOTE_WEIGHTS_DIR.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import platformdirs
from numpy.typing import NDArray

from benchmarks.chunking_scores import Answered, scores
from benchmarks.chunking_search import MemoryIndex, Models, open_models
from benchmarks.chunking_sets import LongDocument, Question, Sample, SetName, read_set
from ingest.chunking import ChunkPolicy, chunk_document
from retrieval.embedders import EmbedderSpec, load_embedder
from retrieval.records import ChunkDraft
from retrieval.weights import EMBEDDER_PIN, find_weights

_WAY = re.compile(
    r"(?:(?P<method>recursive|fixed|sentence|page)-)?(?P<tokens>\d+)(?:\+(?P<overlap>\d+))?(?P<plain>-plain)?(?:-h(?P<headings>\d))?"
)
RANKED = 50
"""Passages looked at for a question: enough for every budget of tokens."""


def policy_of(way: str) -> ChunkPolicy:
    """The policy that a way's name stands for."""
    parts = _WAY.fullmatch(way)
    if parts is None:
        sys.exit(
            f"'{way}' is no way of cutting; write for example 256, 128-plain, fixed-256+64, sentence-256."
        )
    return ChunkPolicy(
        method=parts["method"] or "recursive",  # type: ignore[arg-type]  # the pattern allows no other
        max_tokens=int(parts["tokens"]),
        overlap_tokens=int(parts["overlap"] or 0),
        even_out=not parts["plain"],
        max_headings=int(parts["headings"] or ChunkPolicy().max_headings),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What came of one way on one set: a score of each kind for every question."""

    chunks: int
    mean_tokens: float
    embedded_tokens: int
    scores: Mapping[str, NDArray[np.float64]]

    def means(self) -> dict[str, float]:
        return {kind: round(float(each.mean()), 4) for kind, each in self.scores.items()}


def measure(
    models: Models, documents: Sequence[LongDocument], questions: Sequence[Question], policy: ChunkPolicy
) -> Measured:
    """Cut, embed, ask everything."""
    chunks: list[tuple[LongDocument, ChunkDraft]] = [
        (document, draft)
        for document in documents
        for draft in chunk_document(
            document.parsed, policy=policy, token_ends=models.embedder.token_ends, embed=models.vectors
        )
    ]
    texts = [draft.embedding_text(document.title) for document, draft in chunks]
    index = MemoryIndex(models, texts)
    rows = []
    for question in questions:
        best = [chunks[number] for number in index.ranked(question.text, limit=RANKED)]
        rows.append(
            scores(question, [Answered(document=document.name, chunk=draft) for document, draft in best])
        )
    return Measured(
        chunks=len(chunks),
        mean_tokens=float(np.mean([draft.token_count for _, draft in chunks])),
        embedded_tokens=sum(models.embedder.count_tokens(text) for text in texts),
        scores={kind: np.array([row[kind] for row in rows]) for kind in rows[0]},
    )


def difference(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean difference over the questions and its 95 % interval (paired bootstrap, 5,000 samples, seed 7)."""
    differences = ours - theirs
    samples = np.random.default_rng(7).integers(len(differences), size=(5000, len(differences)))
    low, high = np.percentile(differences[samples].mean(axis=1), (2.5, 97.5))
    return float(differences.mean()), float(low), float(high)


def report(name: SetName, measured: Mapping[str, Measured], questions: int) -> dict[str, object]:
    """Print a table of one set; returns its figures."""
    first, *_ = measured.values()
    kinds = list(first.scores)
    print(f"\n{name}: {questions} questions")
    print("| way | chunks | tokens each | " + " | ".join(kinds) + " |")
    print("|---|---|---|" + "---|" * len(kinds))
    figures: dict[str, object] = {}
    for way, each in measured.items():
        cells = []
        for kind in kinds:
            _, low, high = difference(each.scores[kind], first.scores[kind])
            sign = "" if low <= 0 <= high else ("+" if low > 0 else "−")
            cells.append(f"{each.scores[kind].mean():.3f}{sign}")
        print(f"| {way} | {each.chunks} | {each.mean_tokens:.0f} | " + " | ".join(cells) + " |")
        figures[way] = {
            "chunks": each.chunks,
            "mean_tokens": each.mean_tokens,
            "embedded_tokens": each.embedded_tokens,
            "scores": each.means(),
            "differences": {kind: difference(each.scores[kind], first.scores[kind]) for kind in kinds},
        }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cache", type=Path, required=True, help="folder for vectors and lexemes")
    parser.add_argument("--sets", default="chunkeval,covidqa,uda-pdf")
    parser.add_argument(
        "--ways", default="256,256-plain,128,384,480,256+64,fixed-256,sentence-256,page-256,256-h0,256-h1"
    )
    parser.add_argument("--documents", type=int, help="only a sample of so many documents")
    parser.add_argument("--longest", type=int, help="only documents of at most so many characters")
    parser.add_argument("--beginning", type=int, help="only the first so many characters of a document")
    parser.add_argument("--json", type=Path, help="file for all figures")
    arguments = parser.parse_args()
    weights = os.environ.get("FOOTNOTE_WEIGHTS_DIR")
    folder = find_weights(
        EMBEDDER_PIN,
        folder=Path(weights) if weights else None,
        cache=Path(platformdirs.user_cache_path("footnote-tests")) / "weights",
        report=lambda line: print(line, file=sys.stderr),
    )
    embedder = load_embedder(EmbedderSpec(kind="onnx", weights=folder, threads=len(os.sched_getaffinity(0))))
    sample = Sample(documents=arguments.documents, longest=arguments.longest, beginning=arguments.beginning)
    figures = {}
    with open_models(embedder, arguments.cache) as models:
        for name in arguments.sets.split(","):
            documents, questions = read_set(name, sample)
            measured = {}
            for way in arguments.ways.split(","):
                print(f"{name} {way}", file=sys.stderr)
                measured[way] = measure(models, documents, questions, policy_of(way))
                print(f"  {measured[way].means()}", file=sys.stderr)
            figures[name] = report(name, measured, len(questions))
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
