"""Pairs of a claim and source sentences with what the source says of it: what the support model is trained on.

They come from passages of question answering sets (`benchmarks.support_edits`), each edit
in both directions, so that no word of a claim alone tells anything: "it did not" is as often stated as contradicted.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

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
    wordnet_antonyms,
)
from benchmarks.support_sets import DATA, rows
from generation.facts import content_words
from generation.sentences import split_sentences

Label = Literal["stated", "contradicted", "not stated"]
LABELS: tuple[Label, ...] = ("stated", "contradicted", "not stated")
WORDNET = Path("/usr/share/wordnet")
_SHARES = {
    "squad-train-partial": 6,
    "squadshifts-reddit": 1,
    "medquad": 2,
    "pubmedqa-dev": 5,
    "covidqa": 1,
    "squad11-dev-rest": 1,
}
"""How often a passage is taken from each set."""

_COMPOSED = 0.12
"""Composed claims beside `count` others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """`kind`: how it was made."""

    claim: str
    source: str
    label: Label
    kind: str


def made_pairs(rng: random.Random, count: int, held_out_titles: set[str]) -> list[Pair]:
    """`count` pairs from passages whose title is not held out, and some composed claims more."""
    edits: list[tuple[str, Rule | None, float]] = [
        ("number", another_number, 2.0),
        ("name", None, 2.0),
        ("roles", swapped_roles, 1.0),
        ("negation", flipped_negation, 3.0),
        ("opposite", reversed_by(both_ways(ANTONYMS)), 3.0),
        ("opposite-wordnet", reversed_by(both_ways(wordnet_antonyms(WORDNET))), 1.5),
    ]
    pairs: list[Pair] = list(_asked(rng, held_out_titles))
    rng.shuffle(pairs)
    pairs = pairs[: int(count * 0.34)]
    passages = _passages(rng, held_out_titles)
    while len(pairs) < count:
        pairs += _edited(next(passages), rng, edits)
    return [*pairs[:count], *_composed(random.Random(29), int(count * _COMPOSED), held_out_titles)]


def _composed(rng: random.Random, count: int, held_out_titles: set[str]) -> list[Pair]:
    """Claims composed of two sentences, most beside both, some beside one alone."""
    pairs: list[Pair] = []
    passages = _passages(rng, held_out_titles)
    while len(pairs) < count:
        made = [*compositions(_sentences(next(passages)), rng)]
        for each in rng.sample(made, min(2, len(made))):
            source = " ".join(each.sources) if rng.random() < 0.8 else rng.choice(each.sources)
            told = each.kind == "resolved" and source == " ".join(each.sources)
            pairs.append(
                Pair(
                    claim=each.claim, source=source, label="stated" if told else "not stated", kind=each.kind
                )
            )
    return pairs[:count]


def _passages(rng: random.Random, held_out_titles: set[str]) -> Iterator[str]:
    sets = {
        name: [
            row["text"]
            for row in rows(DATA / "qa" / name / "docs.jsonl")
            if not row.get("title") or row["title"] not in held_out_titles
        ]
        for name in _SHARES
    }
    for texts in sets.values():
        rng.shuffle(texts)
    while True:
        name = rng.choices(list(_SHARES), list(_SHARES.values()))[0]
        texts = sets[name]
        if texts:
            text = texts.pop()
            if name == "covidqa":
                start = rng.randrange(max(1, len(text) - 2000))
                yield text[start : start + 1500].partition(". ")[2]
                texts.insert(rng.randrange(len(texts) + 1), text)
            else:
                yield text


def _sentences(text: str) -> list[str]:
    return [
        re.sub(r"\s+", " ", s.text)
        for s in split_sentences(text)
        if 35 <= len(s.text) <= 320 and s.text[:1].isupper() and s.text.endswith(".")
    ]


def _edited(text: str, rng: random.Random, edits: Sequence[tuple[str, Rule | None, float]]) -> Iterator[Pair]:
    sentences = _sentences(text)
    if len(sentences) < 2:
        return
    names = [s[a:b] for s in sentences for a, b in names_in(s)]
    for at in rng.sample(range(len(sentences)), min(2, len(sentences))):
        sentence, following = sentences[at], sentences[at + 1] if at + 1 < len(sentences) else None
        yield from _corrupted(sentence, following, names, rng, edits)
        yield from _faithful(sentence, following, rng)
        others = [s for s in sentences if s != sentence]
        if rng.random() < 0.5:
            near = max(others, key=lambda s: len(content_words(s) & content_words(sentence)) / len(s) ** 0.5)
            yield Pair(claim=near, source=sentence, label="not stated", kind="neighbour")


def _corrupted(
    sentence: str,
    following: str | None,
    names: Sequence[str],
    rng: random.Random,
    edits: Sequence[tuple[str, Rule | None, float]],
) -> Iterator[Pair]:
    kinds = rng.choices([e[0] for e in edits], [e[2] for e in edits], k=4)
    rules = {kind: rule for kind, rule, _ in edits}
    for kind in dict.fromkeys(kinds):
        rule = rules[kind] or another_name(names)
        changed = rule(sentence, rng)
        if changed is None or changed == sentence:
            continue
        yield from _one_way(sentence, changed, following, kind, rng)
        break


def _one_way(
    sentence: str, changed: str, following: str | None, kind: str, rng: random.Random
) -> Iterator[Pair]:
    """The edit forth or back, which contradicts, or its result on both sides, which is stated."""
    ways: tuple[tuple[str, str, Label], ...] = (
        (sentence, changed, "contradicted"),
        (changed, sentence, "contradicted"),
        (changed, changed, "stated"),
    )
    source, claim, label = rng.choices(ways, (4, 4, 3))[0]
    if rng.random() < 0.5 or label == "stated":
        claim = _reworded_somehow(claim, rng)
    yield Pair(claim=claim, source=_with_context(source, following, rng), label=label, kind=kind)


def _faithful(sentence: str, following: str | None, rng: random.Random) -> Iterator[Pair]:
    if rng.random() < 0.8:
        yield Pair(
            claim=_reworded_somehow(sentence, rng),
            source=_with_context(sentence, following, rng),
            label="stated",
            kind="reworded",
        )
    if following and rng.random() < 0.3 and (both := joined(sentence, following, rng)):
        if rng.random() < 0.5:
            yield Pair(claim=both, source=f"{sentence} {following}", label="stated", kind="joined")
        else:
            yield Pair(
                claim=both, source=rng.choice((sentence, following)), label="not stated", kind="half stated"
            )
    if (short := shortened(sentence, rng)) and len(sentence) - len(short) > 25 and rng.random() < 0.4:
        yield Pair(claim=sentence, source=short, label="not stated", kind="more than stated")


def _reworded_somehow(sentence: str, rng: random.Random) -> str:
    for rule in rng.sample((shortened, moved, reworded, reworded), 2):
        sentence = rule(sentence, rng) or sentence
    return sentence


def _with_context(sentence: str, following: str | None, rng: random.Random) -> str:
    return f"{sentence} {following}" if following and rng.random() < 0.25 else sentence


def _asked(rng: random.Random, held_out_titles: set[str]) -> Iterator[Pair]:
    """Questions put as statements: with their answer, with another one of the passage, against another sentence."""
    for name in ("squad11-dev-rest", "squadshifts-amazon", "squadshifts-reddit"):
        docs = {row["doc_id"]: row for row in rows(DATA / "qa" / name / "docs.jsonl")}
        questions = [q for q in rows(DATA / "qa" / name / "questions.jsonl") if q["answers"]]
        rng.shuffle(questions)
        answers: dict[str, list[tuple[str, str]]] = {}
        for q in questions:
            answers.setdefault(q["doc_id"], []).append((q["question"].split()[0].lower(), q["answers"][0]))
        for q in questions[: 4600 if name == "squad11-dev-rest" else 1500]:
            doc = docs[q["doc_id"]]
            claim = declared(q["question"], q["answers"][0])
            if not claim or (doc["title"] and doc["title"] in held_out_titles):
                continue
            yield from _about(q, claim, doc["text"], answers[q["doc_id"]], rng)


def _about(
    q: dict[str, Any], claim: str, text: str, answers: Sequence[tuple[str, str]], rng: random.Random
) -> Iterator[Pair]:
    start = q["answer_start"]
    sentences = split_sentences(text)
    stating = next((s for s in sentences if s.start <= start < s.end), None)
    if stating is None:
        return
    source = re.sub(r"\s+", " ", stating.text)
    others = [re.sub(r"\s+", " ", s.text) for s in sentences if s is not stating]
    following = rng.choice(others) if others else None
    yield Pair(claim=claim, source=_with_context(source, following, rng), label="stated", kind="asked")
    answer = q["answers"][0].lower()
    wrong = [
        a
        for wh, a in answers
        if wh == q["question"].split()[0].lower() and a.lower() not in answer and answer not in a.lower()
    ]
    if wrong and rng.random() < 0.6 and (false := declared(q["question"], rng.choice(wrong))):
        yield Pair(claim=false, source=source, label="contradicted", kind="asked")
    if rng.random() < 0.3 and (negated := flipped_negation(claim, rng)):
        yield Pair(claim=negated, source=source, label="contradicted", kind="asked")
    without = [s for s in others if answer not in s.lower()]
    if without and rng.random() < 0.6:
        near = max(without, key=lambda s: len(content_words(s) & content_words(claim)) / (1 + len(s)) ** 0.5)
        yield Pair(claim=claim, source=near, label="not stated", kind="asked")
