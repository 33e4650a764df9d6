"""Fit what tells a passage that answers from one that is only about the same (`generation.answering`).

    python -m benchmarks.answering [--questions 1000] [--weights FOLDER]

From squad2-dev, beside their own paragraphs: answerable questions, and the dataset's unanswerable ones; and questions
beside the best paragraph of other articles. Fitted to the articles that `benchmarks.refusal` calibrates on; the figures
of the others are printed, next to those of the best sentence's own logit. Of questions on other articles
there are few, so each weighs twelve times. Reads FOOTNOTE_TEST_DATA (default ../shared/data).
"""

from __future__ import annotations

import argparse
import math
import os
import random
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import platformdirs
from numpy.typing import NDArray

from benchmarks.refusal import DATA, article_of, auc, read_rows, split_articles
from generation.answering import FEATURES, features
from generation.sentences import split_sentences
from retrieval.rerankers import Reranker, RerankerSpec, load_reranker
from retrieval.weights import RERANKER_PIN, find_weights

Kind = Literal["answerable", "adversarial", "absent"]
Array = NDArray[np.float64]
_WEIGHTS: dict[Kind, float] = {"answerable": 1.0, "adversarial": 1.0, "absent": 12.0}
_RIDGE = 1 / 0.3
_ABSENT_SHARE, _CONSIDERED = 6, 5
_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """A question beside a paragraph. `article`: that the question is about."""

    kind: Kind
    article: str
    features: Array


class Paragraphs:
    """The paragraphs of all articles, found by BM25."""

    def __init__(self, rows: Sequence[dict[str, Any]]) -> None:
        self.rows = {row["doc_id"]: row for row in rows}
        counts = {name: Counter(_words(_whole(row))) for name, row in self.rows.items()}
        mean = sum(count.total() for count in counts.values()) / len(counts)
        self._parts: defaultdict[str, dict[str, float]] = defaultdict(dict)
        for name, count in counts.items():
            for word, n in count.items():
                self._parts[word][name] = n * 1.9 / (n + 0.9 * (0.6 + 0.4 * count.total() / mean))

    def outside(self, article: str, question: str) -> list[str]:
        """The best paragraphs for a question that are not of this article."""
        scores: Counter[str] = Counter()
        for word in {*_words(question)}:
            found = self._parts.get(word, {})
            idf = math.log1p((len(self.rows) - len(found) + 0.5) / (len(found) + 0.5))
            for name, part in found.items():
                if article_of(name) != article:
                    scores[name] += idf * part  # type: ignore[assignment]
        return [name for name, _ in scores.most_common(_CONSIDERED)]


def _whole(row: dict[str, Any]) -> str:
    return f"{row['title']}\n{row['text']}"


def _words(text: str) -> list[str]:
    return [word[:6] for word in _WORD.findall(text.lower())]


def read(question: str, row: dict[str, Any], reranker: Reranker) -> Array:
    """The features of a paragraph that is read by the sentence; the first is its best sentence's logit."""
    sentences = [sentence.text for sentence in split_sentences(row["text"])]
    logits = reranker.score([(question, f"{row['title']}\n{text}") for text in sentences]).tolist()
    return features(question, _whole(row), list(zip(sentences, logits, strict=True)))


def examples(questions: int, reranker: Reranker) -> list[Example]:
    """As many answerable as unanswerable questions, and a sixth as many beside other articles."""
    paragraphs = Paragraphs(read_rows(DATA / "squad2-dev" / "docs.jsonl"))
    asked = read_rows(DATA / "squad2-dev" / "questions.jsonl")
    random.Random(11).shuffle(asked)
    answerable = [row for row in asked if row["answerable"]]
    adversarial = [row for row in asked if not row["answerable"]][:questions]
    found = []
    kinds: list[tuple[Kind, list[dict[str, Any]]]] = [
        ("answerable", answerable[:questions]),
        ("adversarial", adversarial),
        ("absent", answerable[questions : questions + questions // _ABSENT_SHARE]),
    ]
    for kind, rows in kinds:
        for row in rows:
            article = article_of(row["doc_id"])
            names = paragraphs.outside(article, row["question"]) if kind == "absent" else [row["doc_id"]]
            readings = [read(row["question"], paragraphs.rows[name], reranker) for name in names]
            best = max(readings, key=lambda reading: float(reading[0]))
            found.append(Example(kind=kind, article=article, features=best))
        print(f"  {kind}: {len(rows)}", file=sys.stderr)
    return found


def fit(rows: Array, wanted: Array, weights: Array) -> tuple[Array, float]:
    """A logistic regression with a ridge on standardised features, by Newton's method; in the features' own units."""
    means, scales = rows.mean(axis=0), rows.std(axis=0) + 1e-9
    design = np.column_stack([(rows - means) / scales, np.ones(len(rows))])
    ridge = np.diag([_RIDGE] * rows.shape[1] + [0.0])
    found = np.zeros(design.shape[1])
    for _ in range(50):
        likely = 1 / (1 + np.exp(-design @ found))
        slope = design.T @ (weights * (wanted - likely)) - ridge @ found
        found = found + np.linalg.solve(
            (design * (weights * likely * (1 - likely))[:, np.newaxis]).T @ design + ridge, slope
        )
    coefficients = found[:-1] / scales
    return coefficients, float(found[-1] - coefficients @ means)


def report(found: Sequence[Example]) -> None:
    """Fit to one half of the articles, and print what it comes to on both."""
    doc_ids = [row["doc_id"] for row in read_rows(DATA / "squad2-dev" / "docs.jsonl")]
    _, halves = split_articles(doc_ids, random.Random(7))
    fitted = [each for each in found if halves[each.article] == "calibrate"]
    coefficients, bias = fit(
        np.array([each.features for each in fitted]),
        np.array([each.kind == "answerable" for each in fitted], dtype=np.float64),
        np.array([_WEIGHTS[each.kind] for each in fitted]),
    )
    for name, value in zip(FEATURES, coefficients, strict=True):
        print(f"{name}: {value:.3f}")
    print(f"bias: {bias:.3f}")
    for half in ("calibrate", "test"):
        for against in ("adversarial", "absent"):
            scores: dict[str, tuple[list[float], list[float]]] = {
                "best sentence": ([], []),
                "fitted": ([], []),
            }
            for each in found:
                if halves[each.article] == half and each.kind in ("answerable", against):
                    place = 0 if each.kind == "answerable" else 1
                    scores["best sentence"][place].append(float(each.features[0]))
                    scores["fitted"][place].append(float(each.features @ coefficients) + bias)
            told = ", ".join(f"{name} {auc(*pair):.3f}" for name, pair in scores.items())
            sizes = ", ".join(str(len(part)) for part in scores["fitted"])
            print(f"AUC, {half}, answerable against {against} ({sizes}): {told}")


def main() -> None:
    """Score, fit and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", type=int, default=1_000, help="of each of the first two kinds")
    parser.add_argument("--weights", type=Path, help="folder of the model's files (default: fetched once)")
    arguments = parser.parse_args()
    cache = Path(platformdirs.user_cache_path("footnote-tests")) / "weights"
    weights = find_weights(RERANKER_PIN, folder=arguments.weights, cache=cache, report=print)
    threads = len(os.sched_getaffinity(0))
    reranker = load_reranker(RerankerSpec(kind="onnx", weights=weights, threads=threads))
    report(examples(arguments.questions, reranker))


if __name__ == "__main__":
    main()
