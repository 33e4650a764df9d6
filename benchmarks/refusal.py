"""Refusal and extraction without a language model: does Footnote answer what the corpus answers, and only that?

    python -m benchmarks.refusal [--questions 300] [--weights FOLDER] [--json]

squad2-dev, half of its articles left out of the corpus: questions on an article that is there should be answered, and
those on an article that is not refused. The threshold is chosen on one half of the articles and tested on the other.
With it, SQuAD's adversarial questions and lihua-world are reported (their unanswerable questions are about things
that the corpus speaks of), and questions to the example handbook, written like a colleague's and listed where they go
wrong. Passages come from bge-small over BM25 as in the product, held in memory; the evidence check is the product's.
Reads FOOTNOTE_TEST_DATA (default ../shared/data); without it only the handbook is measured.
"""

from __future__ import annotations

import argparse
import asyncio
import gzip
import json
import math
import os
import random
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import numpy as np
import platformdirs

from benchmarks.handbook_questions import ANSWERABLE, UNANSWERABLE
from generation.answering import UNREAD
from generation.answers import AnswerPolicy
from generation.evidence import Evidence, weigh
from generation.extract import extract
from ingest.chunking import ChunkPolicy, chunk_document
from ingest.parsers import ParserPolicy
from ingest.parsing import parse_file
from retrieval.batching import ScoringBatcher
from retrieval.embedders import Embedder, EmbedderSpec, load_embedder
from retrieval.fusion import FusionPolicy, fuse
from retrieval.records import Hit, Passage, contextual_text
from retrieval.rerankers import RerankerSpec, load_reranker
from retrieval.weights import EMBEDDER_PIN, RERANKER_PIN, WeightsPin, find_weights

DATA = Path(os.environ.get("FOOTNOTE_TEST_DATA", "../shared/data")) / "qa"
HANDBOOK = Path(__file__).parent.parent / "examples" / "handbook"
POLICY = AnswerPolicy()
_WORD = re.compile(r"\w+")


class Corpus:
    """Passages in memory, searched as the product does: cosine and BM25 of every passage, fused."""

    def __init__(self, passages: Sequence[Passage], embedder: Embedder) -> None:
        self._passages = passages
        self._embedder = embedder
        texts = [contextual_text(p.title, p.headings, p.text) for p in passages]
        self._vectors = embedder.embed_documents(texts)
        self._terms = [Counter(_WORD.findall(text.lower())) for text in texts]
        self._documents_with = Counter(term for terms in self._terms for term in terms)
        self._mean_length = sum(terms.total() for terms in self._terms) / len(self._terms)

    def hits(self, question: str, k: int) -> list[Hit]:
        cosines = dict(enumerate((self._vectors @ self._embedder.embed_query(question)).tolist()))
        bm25 = dict(enumerate(self._bm25(question)))
        fused = fuse(
            cosines,
            bm25,
            attainable=max(bm25.values()),
            cosine_bounds=self._embedder.cosine_bounds,
            policy=FusionPolicy(),
        )[:k]
        return [Hit(passage=self._passages[i], score=s, cosine=cosines[i], bm25=bm25[i]) for i, s in fused]

    def _bm25(self, question: str, k1: float = 0.9, b: float = 0.4) -> Iterator[float]:
        common = len(self._terms) / 4
        asked = {term for term in _WORD.findall(question.lower()) if self._documents_with[term] <= common}
        for terms in self._terms:
            norm = k1 * (1 - b + b * terms.total() / self._mean_length)
            yield sum(
                math.log(1 + (len(self._terms) - n + 0.5) / (n + 0.5)) * terms[term] / (terms[term] + norm)
                for term in asked & terms.keys()
                for n in (self._documents_with[term],)
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A question, its evidence, and whether the quoted sentences hold the gold answer (None where unknown)."""

    question: str
    evidence: Sequence[Evidence]
    gold_quoted: bool | None = None
    quotes: int = 0

    def logits(self) -> dict[str, float]:
        """Candidates for an evidence score: the best sentence, and what is shipped."""
        return {
            "sentence": max((e.best_logit for e in self.evidence), default=UNREAD),
            "answering": max((e.answering for e in self.evidence), default=UNREAD),
        }

    @property
    def score(self) -> float:
        """The evidence score by which an answer is given or refused."""
        return self.evidence[0].score if self.evidence else 0.0


class Bench:
    """The models, and the questions asked through them."""

    def __init__(self, embedder: Embedder, scorer: ScoringBatcher) -> None:
        self.embedder = embedder
        self._scorer = scorer

    async def ask(
        self, corpus: Corpus, question: str, gold: tuple[str, Sequence[tuple[int, str]]] | None
    ) -> Asked:
        hits = corpus.hits(question, POLICY.passages)
        evidence = await weigh(question, hits, scorer=self._scorer, policy=POLICY)
        citations = [c for sentence in extract(evidence, policy=POLICY) for c in sentence.places]
        quoted = gold and any(
            c.path == gold[0] and c.char_start <= start and start + len(answer) <= c.char_end
            for c in citations
            for start, answer in gold[1]
        )
        return Asked(question=question, evidence=evidence, gold_quoted=quoted, quotes=len(citations))


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The rows of a JSON Lines file, gzipped or not."""
    found = next(path.parent.glob(f"{path.name}*"))
    with gzip.open(found, "rt") if found.suffix == ".gz" else found.open() as lines:
        return [json.loads(line) for line in lines]


def _passage(number: int, path: str, title: str, text: str) -> Passage:
    return Passage(
        chunk_id=number,
        document_id=uuid5(NAMESPACE_URL, path),
        revision=1,
        path=path,
        title=title,
        headings=(),
        page_starts=(),
        char_start=0,
        char_end=len(text),
        text=text,
    )


def _handbook_passages(embedder: Embedder) -> list[Passage]:
    passages: list[Passage] = []
    for path in sorted(p for p in HANDBOOK.rglob("*") if p.is_file()):
        parsed = parse_file(path.read_bytes(), path.name, ParserPolicy())
        drafts = chunk_document(parsed, policy=ChunkPolicy(), token_ends=embedder.token_ends)
        passages += [
            Passage(
                chunk_id=len(passages) + number,
                document_id=uuid5(NAMESPACE_URL, str(path)),
                revision=1,
                path=path.relative_to(HANDBOOK).as_posix(),
                title=parsed.title or path.stem,
                headings=draft.headings,
                page_starts=parsed.page_starts,
                char_start=draft.char_start,
                char_end=draft.char_end,
                text=draft.text,
            )
            for number, draft in enumerate(drafts)
        ]
    return passages


def article_of(doc_id: str) -> str:
    """The article that a paragraph of squad2-dev is from."""
    return doc_id.rpartition("#")[0]


def split_articles(doc_ids: Sequence[str], rng: random.Random) -> tuple[set[str], dict[str, str]]:
    """The articles that stay in the corpus, and of each article whether it is there to calibrate or to test."""
    articles = sorted({article_of(doc_id) for doc_id in doc_ids})
    rng.shuffle(articles)
    halves = {article: ("calibrate", "test")[i % 2] for i, article in enumerate(articles)}
    return set(articles[: len(articles) // 2]), halves


async def squad(bench: Bench, questions: int) -> dict[str, list[Asked]]:
    """Asked questions by kind (present, absent, adversarial) and by half of the articles (calibrate, test)."""
    rng = random.Random(7)
    documents, asked = (
        read_rows(DATA / "squad2-dev" / "docs.jsonl"),
        read_rows(DATA / "squad2-dev" / "questions.jsonl"),
    )
    present, halves = split_articles([d["doc_id"] for d in documents], rng)
    kept = [d for d in documents if article_of(d["doc_id"]) in present]
    corpus = Corpus(
        [_passage(i, d["doc_id"], d["title"], d["text"]) for i, d in enumerate(kept)], bench.embedder
    )
    pools: dict[str, list[dict[str, Any]]] = {}
    for q in asked:
        there = article_of(q["doc_id"]) in present
        kind = ("present" if there else "absent") if q["answerable"] else ("adversarial" if there else None)
        if kind:
            pools.setdefault(f"{kind}/{halves[article_of(q['doc_id'])]}", []).append(q)
    result: dict[str, list[Asked]] = {}
    for name, pool in sorted(pools.items()):
        rng.shuffle(pool)
        for q in pool[: questions if "adversarial" not in name else questions // 3]:
            spans = list(zip(q.get("answer_starts") or [], q.get("answers") or [], strict=False))
            gold = (q["doc_id"], spans) if name.startswith("present") else None
            result.setdefault(name, []).append(await bench.ask(corpus, q["question"], gold))
        print(f"  {name}: {len(result[name])} of {len(pool)}", file=sys.stderr)
    return result


async def lihua(bench: Bench, questions: int) -> dict[str, list[Asked]]:
    rng = random.Random(7)
    documents, asked = (
        read_rows(DATA / "lihua-world" / "docs.jsonl"),
        read_rows(DATA / "lihua-world" / "questions.jsonl"),
    )
    corpus = Corpus(
        [_passage(i, d["doc_id"], d["title"], d["text"]) for i, d in enumerate(documents)], bench.embedder
    )
    rng.shuffle(asked)
    return {
        name: [
            await bench.ask(corpus, q["question"], None)
            for q in [q for q in asked if q["answerable"] is answerable][:questions]
        ]
        for name, answerable in (("answerable", True), ("unanswerable", False))
    }


def auc(positive: Sequence[float], negative: Sequence[float]) -> float:
    a, b = np.array(positive)[:, None], np.array(negative)[None, :]
    return float((a > b).mean() + (a == b).mean() / 2)


def wilson(successes: int, trials: int) -> str:
    """A share with its 95 % interval (Wilson)."""
    if not trials:
        return "-"
    z, p = 1.96, successes / trials
    middle = (p + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * math.sqrt(p * (1 - p) / trials + z * z / (4 * trials**2)) / (1 + z * z / trials)
    return f"{p:.3f} [{middle - half:.3f}, {middle + half:.3f}] ({successes}/{trials})"


def best_threshold(present: Sequence[float], absent: Sequence[float]) -> float:
    """The threshold with the greatest sum of precision and recall of refusals, in steps of 0.25."""

    def quality(threshold: float) -> float:
        right, wrong = sum(x < threshold for x in absent), sum(x < threshold for x in present)
        return right / len(absent) + right / max(1, right + wrong)

    return float(max(np.arange(-8, 4, 0.25), key=quality))


def refusals(present: Sequence[float], absent: Sequence[float], threshold: float) -> dict[str, str]:
    right, wrong = sum(x < threshold for x in absent), sum(x < threshold for x in present)
    return {
        "precision": wilson(right, right + wrong),
        "recall": wilson(right, len(absent)),
        "answerable refused": wilson(wrong, len(present)),
    }


def squad_report(asked: dict[str, list[Asked]]) -> dict[str, Any]:
    report: dict[str, Any] = {}
    for score in ("sentence", "answering"):
        logits = {name: [a.logits()[score] for a in rows] for name, rows in asked.items()}
        chosen = best_threshold(logits["present/calibrate"], logits["absent/calibrate"])
        report[score] = {
            "AUC present, absent (test)": round(auc(logits["present/test"], logits["absent/test"]), 4),
            "AUC present, adversarial (test)": round(
                auc(logits["present/test"], logits["adversarial/test"]), 4
            ),
            "threshold chosen on other articles": chosen,
            **refusals(logits["present/test"], logits["absent/test"], chosen),
        }
    shipped = POLICY.evidence.midpoint
    logits = {name: [a.logits()["answering"] for a in rows] for name, rows in asked.items()}
    adversarial = [x for name, xs in logits.items() if name.startswith("adversarial") for x in xs]
    report[f"shipped: answering, {shipped}"] = {
        **refusals(
            logits["present/calibrate"] + logits["present/test"],
            logits["absent/calibrate"] + logits["absent/test"],
            shipped,
        ),
        "adversarial refused": wilson(sum(x < shipped for x in adversarial), len(adversarial)),
    }
    answered = [a for name in ("present/calibrate", "present/test") for a in asked[name]]
    report["extraction, all whose article is there"] = {
        "gold answer within the quotes": wilson(sum(bool(a.gold_quoted) for a in answered), len(answered)),
        "quotes a question": round(sum(a.quotes for a in answered) / len(answered), 2),
    }
    return report


def lihua_report(asked: dict[str, list[Asked]]) -> dict[str, Any]:
    logits = {name: [a.logits()["answering"] for a in rows] for name, rows in asked.items()}
    shipped = POLICY.evidence.midpoint
    return {
        "AUC": round(auc(logits["answerable"], logits["unanswerable"]), 4),
        **{f"{name} refused": wilson(sum(x < shipped for x in xs), len(xs)) for name, xs in logits.items()},
    }


async def handbook_report(bench: Bench) -> dict[str, Any]:
    corpus = Corpus(_handbook_passages(bench.embedder), bench.embedder)
    refused, answered_elsewhere, answered = [], [], []
    for question, expected in ANSWERABLE.items():
        asked = await bench.ask(corpus, question, None)
        score = asked.score
        quotes = " ".join(s.text for s in extract(asked.evidence, policy=POLICY))
        if score < POLICY.answer_from:
            refused.append(f"{score:.2f} {question}")
        elif expected.lower() not in quotes.lower():
            answered_elsewhere.append(f"{score:.2f} {question} → {quotes}")
    for question in UNANSWERABLE:
        asked = await bench.ask(corpus, question, None)
        if (score := asked.score) >= POLICY.answer_from:
            answered.append(f"{score:.2f} {question} → {extract(asked.evidence, policy=POLICY)[0].text}")
    right = len(UNANSWERABLE) - len(answered)
    whole = len(ANSWERABLE) - len(refused)
    return {
        "precision of refusals": wilson(right, right + len(refused)),
        "recall of refusals": wilson(right, len(UNANSWERABLE)),
        "answered as expected, of those answered": wilson(whole - len(answered_elsewhere), whole),
        "wrongly refused": refused,
        "answered with something else": answered_elsewhere,
        "wrongly answered": answered,
    }


async def run(questions: int, weights: Path | None) -> dict[str, Any]:
    def folder(pin: WeightsPin) -> Path:
        cache = Path(platformdirs.user_cache_path("footnote-tests")) / "weights"
        return find_weights(
            pin, folder=weights, cache=cache, report=lambda line: print(line, file=sys.stderr)
        )

    threads = len(os.sched_getaffinity(0))
    embedder = load_embedder(EmbedderSpec(kind="onnx", weights=folder(EMBEDDER_PIN), threads=threads))
    reranker = load_reranker(RerankerSpec(kind="onnx", weights=folder(RERANKER_PIN), threads=threads))
    async with ScoringBatcher(reranker) as scorer:
        bench = Bench(embedder, scorer)
        report = {"handbook": await handbook_report(bench)}
        if DATA.is_dir():
            report["lihua-world"] = lihua_report(await lihua(bench, questions))
            report["squad2-dev"] = squad_report(await squad(bench, questions))
        else:
            print(f"the evaluation data is not at '{DATA}' (set FOOTNOTE_TEST_DATA)", file=sys.stderr)
    return report


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--questions", type=int, default=300, help="of each kind and half (default 300)")
    parser.add_argument("--weights", type=Path, help="folder of the models' files (default: fetched once)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    report = asyncio.run(run(arguments.questions, arguments.weights))
    if arguments.json:
        print(json.dumps(report))
        return
    for part, figures in report.items():
        print(f"\n{part}")
        for name, value in figures.items():
            lines = value.items() if isinstance(value, dict) else ()
            print(f"  {name}" + ("" if lines or isinstance(value, list) else f": {value}"))
            for key, figure in lines:
                print(f"    {key}: {figure}")
            for line in value if isinstance(value, list) else ():
                print(f"    {line}")


if __name__ == "__main__":
    main()
