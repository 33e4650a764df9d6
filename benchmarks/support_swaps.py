"""Claims made from gold sentences of squad2-dev and nq-uda, faithful and corrupted, always the same ones.

Faithful: copied, shortened, joined, reworded by rule, and questions of people put as statements with their answer.
Corrupted: another number, another name, a negation more or less; besides, opposites, names that change places, and
claims composed of two sentences.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.support_composed import compositions
from benchmarks.support_edits import (
    ANTONYMS,
    Rule,
    another_name,
    another_number,
    both_ways,
    declared,
    flipped_negation,
    joined,
    moved,
    names_in,
    reversed_by,
    reworded,
    shortened,
    swapped_roles,
)
from benchmarks.support_sets import DATA, Claim, Label, rows
from generation.sentences import split_sentences

FAITHFUL = ("copied", "shortened", "joined", "reworded", "asked")
CORRUPTED = ("number", "name", "negation", "opposite", "roles", "composed")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gold:
    """A sentence that answers a question, among the sentences of its passage."""

    sentences: tuple[str, ...]
    at: int
    question: str
    answer: str
    title: str

    @property
    def text(self) -> str:
        return self.sentences[self.at]


def swapped_set(counts: Mapping[str, int], *, sets: Sequence[str], seed: int = 11) -> list[Claim]:
    """`counts` claims of each kind, each from a passage of its own as far as they last."""
    rng = random.Random(seed)
    golds = [gold for name in sets for gold in _golds(name)]
    rng.shuffle(golds)
    claims: list[Claim] = []
    for kind, count in counts.items():
        made = 0
        for gold in golds:
            if made == count:
                break
            text = _made(kind, gold, rng)
            if text is None or (text == gold.text and kind != "copied"):
                continue
            made += 1
            claims.append(
                Claim(
                    claim=text,
                    source=gold.sentences,
                    label=_label(kind),
                    set_name="swapped",
                    group=f"swapped {gold.title}",
                    reading=gold.text,
                    kind=kind,
                )
            )
        golds = golds[len(golds) // 7 :] + golds[: len(golds) // 7]
    return claims


def _label(kind: str) -> Label:
    if kind in FAITHFUL:
        return "stated"
    return "not stated" if kind == "composed" else "contradicted"


def _golds(name: str) -> Iterator[_Gold]:
    docs = {row["doc_id"]: row for row in rows(DATA / "qa" / name / "docs.jsonl")}
    seen: set[str] = set()
    for q in rows(DATA / "qa" / name / "questions.jsonl"):
        evidence = q["answers"][0] if q["answers"] else q.get("evidence_sentence", "")
        if q["doc_id"] in seen or not evidence:
            continue
        doc = docs[q["doc_id"]]
        sentences = [s for s in split_sentences(doc["text"]) if len(s.text) > 15]
        start = q.get("answer_start") or doc["text"].find(evidence)
        at = next((i for i, s in enumerate(sentences) if s.start <= start < s.end), None)
        if at is None or not 40 <= len(sentences[at].text) <= 350 or len(sentences) < 2:
            continue
        texts = tuple(re.sub(r"\s+", " ", s.text) for s in sentences)
        if texts[at][:1].isupper() and texts[at].endswith("."):
            seen.add(q["doc_id"])
            yield _Gold(
                sentences=texts,
                at=at,
                question=q["question"],
                answer=evidence,
                title=doc["title"] or q["doc_id"],
            )


def _made(kind: str, gold: _Gold, rng: random.Random) -> str | None:
    text = gold.text
    match kind:
        case "copied":
            return text
        case "asked":
            return declared(gold.question, gold.answer) if len(gold.answer) < 60 else None
        case "joined":
            return (
                joined(text, gold.sentences[gold.at + 1], rng) if gold.at + 1 < len(gold.sentences) else None
            )
        case "shortened":
            return shortened(text, rng)
        case "reworded":
            new = reworded(text, rng)
            return new and (moved(new, rng) or new)
        case "composed":
            made = [each for each in compositions(gold.sentences, rng) if each.kind != "resolved"]
            return rng.choice(made).claim if made else None
    names = [s[a:b] for s in gold.sentences for a, b in names_in(s)]
    rules: dict[str, Rule] = {
        "number": another_number, "name": another_name(names), "negation": flipped_negation,
        "opposite": reversed_by(both_ways(ANTONYMS)), "roles": swapped_roles,
    }  # fmt: skip
    changed = rules[kind](text, rng)
    if changed and rng.random() < 0.3 and kind != "number":
        changed = reworded(changed, rng) or changed
    return changed


def rows_for_fitting() -> list[Claim]:
    """Claims of the same kinds from other articles, for fitting."""
    counts: dict[str, int] = {**dict.fromkeys(FAITHFUL, 60), **dict.fromkeys(CORRUPTED, 50)}
    return swapped_set(counts, sets=("squad11-dev-rest", "squadshifts-reddit"), seed=23)


def rows_for_testing() -> list[Claim]:
    """The fixed set."""
    counts: dict[str, int] = {
        **dict.fromkeys(FAITHFUL, 60),
        **dict.fromkeys(CORRUPTED[:3], 100),
        **dict.fromkeys(CORRUPTED[3:], 50),
    }
    return swapped_set(counts, sets=("squad2-dev", "nq-uda"), seed=11)
