"""The claims that the support check is measured on, with their sources, labels and groups."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from generation.facts import content_words

DATA = Path(os.environ.get("FOOTNOTE_TEST_DATA", "../shared/data"))
Label = Literal["stated", "contradicted", "not stated"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A claim and its source.

    source: the whole text, sentences on lines of their own where the set gives sentences.
    label: what the source says of the claim. A claim that it states only in part is "not stated".
    reading: the sentences that the set's annotators point to, or those most alike (for training only).
    group: claims of one group share a text.
    """

    claim: str
    source: tuple[str, ...]
    label: Label
    set_name: str
    group: str
    reading: str
    kind: str = ""


def rows(path: Path) -> list[dict[str, Any]]:
    """The JSON lines of a file, or of its .gz."""
    found = next(path.parent.glob(f"{path.name}*"))
    with gzip.open(found, "rt") if found.suffix == ".gz" else found.open() as lines:
        return [json.loads(line) for line in lines]


def grouped_claims() -> list[Claim]:
    """All three grounding sets."""
    return [*scifact(), *wice(), *begin()]


def scifact() -> Iterator[Claim]:
    """Claims on abstracts. Claims on one abstract are a group, and so are abstracts that share a claim."""
    labels: dict[str, Label] = {
        "SUPPORT": "stated",
        "CONTRADICT": "contradicted",
        "NOT_ENOUGH_INFO": "not stated",
    }
    found = rows(DATA / "grounding" / "scifact-claims.jsonl")
    parents: dict[str, str] = {}

    def root(node: str) -> str:
        while parents.setdefault(node, node) != node:
            node = parents[node]
        return node

    for row in found:
        parents[root(f"doc {row['doc_id']}")] = root(f"claim {_key(row['claim'])}")
    for row in found:
        sentences = tuple(_clean(s) for s in row["sentences"])
        stated = [sentences[i] for i in row["rationale_sentences"]]
        yield Claim(
            claim=row["claim"],
            source=sentences,
            label=labels[row["label"]],
            set_name="scifact-claims",
            group=root(f"doc {row['doc_id']}"),
            reading=" ".join(stated[:2]) or _most_alike(row["claim"], sentences, 1),
        )


def _key(claim: str) -> str:
    """Claims that differ in small words and numbers alone are one."""
    return " ".join(sorted(word for word in content_words(claim) if not word.isdigit())[:6])


def wice() -> Iterator[Claim]:
    """Claims of Wikipedia on web pages. Partly supported claims are not stated."""
    for row in rows(DATA / "grounding" / "wice-claims-dev.jsonl"):
        sentences = tuple(_clean(s) for s in row["evidence"])
        stated = [sentences[i] for i in (row["supporting_sentences"] or [[]])[0]]
        yield Claim(
            claim=row["claim"],
            source=sentences,
            label="stated" if row["label"] == "supported" else "not stated",
            set_name="wice-claims-dev",
            group="wice " + sentences[0] + row["claim_title"],
            reading=" ".join(stated[:3]) or _most_alike(row["claim"], sentences, 2),
            kind=row["label"],
        )


def begin() -> Iterator[Claim]:
    """Answers of dialogue systems to a piece of knowledge; generic ones are not stated."""
    for row in rows(DATA / "grounding" / "begin-dev.jsonl"):
        source = _clean(row["source"])
        yield Claim(
            claim=_clean(row["response"]),
            source=(source,),
            label="stated" if row["label"] == "Fully attributable" else "not stated",
            set_name="begin-dev",
            group="begin " + hashlib.sha256(source[:60].lower().encode()).hexdigest()[:12],
            reading=source,
            kind=row["label"],
        )


def _clean(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _most_alike(claim: str, sentences: tuple[str, ...], count: int) -> str:
    words = content_words(claim)
    ranked = sorted(
        range(len(sentences)),
        key=lambda i: -len(words & content_words(sentences[i])) / (1 + len(sentences[i])) ** 0.3,
    )
    return " ".join(sentences[i] for i in sorted(ranked[:count]))
