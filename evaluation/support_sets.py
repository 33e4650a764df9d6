"""Sets of claims beside their sources: what a check of support is measured on.

A set is one file of JSON Lines, gzipped or not, known by the fields of its first row, whatever its name:

    claim, sentences, label               claims on a text that is given sentence by sentence (SciFact); doc_id
    claim, evidence, label                claims on a web page, line by line (WiCE); claim_title
    claim, evidence, non_supported_spans  the same, with a flag for each word that the page does not support
    response, source, label               answers to a piece of knowledge (BEGIN)
    response, contexts, human             whole answers with people's votes on `human.faithfulness`, from 1 to 4 (MTRAG)

Other fields may be there; those after the semicolons, `rationale_sentences` and `supporting_sentences` are of use.
"""

from __future__ import annotations

import hashlib
import random
import re
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from evaluation.jsonl import EvaluationDataError, FlawError, read_each, text_of
from generation.facts import content_words

Label = Literal["stated", "contradicted", "not stated"]

_BEST_VOTE = 4
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
"""JSON can hold them, models cannot read them; a document's and an answer's text never has them."""

_LABELS: Mapping[str, Label] = {
    **dict.fromkeys(
        ("support", "supports", "supported", "stated", "entailment", "fullyattributable", "attributable"),
        "stated",
    ),
    **dict.fromkeys(
        ("contradict", "contradicts", "contradicted", "contradiction", "refute", "refutes", "refuted"),
        "contradicted",
    ),
    **dict.fromkeys(
        ("notenoughinfo", "nei", "neutral", "neither", "notstated", "notsupported", "unsupported"),
        "not stated",
    ),
    **dict.fromkeys(
        ("partiallysupported", "notfullyattributable", "notattributable", "generic"), "not stated"
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A claim and its source.

    source: the whole text, sentences on lines of their own where the set gives sentences.
    label: what the source says of the claim. A claim that it states only in part is "not stated".
    group: claims of one group share a text.
    reading: the sentences that the set's annotators point to; "" where they point to none.
    kind: the label in the set's own words.
    whole_answer: `claim` is an answer of several sentences, and is stated if all of them are.
    line: of the file, from 1; 0 for a claim of no file.
    """

    claim: str
    source: tuple[str, ...]
    label: Label
    set_name: str
    group: str
    reading: str
    kind: str = ""
    whole_answer: bool = False
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SupportSet:
    """The claims of a file. `without_source`: how many were left out, there being nothing to compare them with."""

    name: str
    format: str
    claims: tuple[Claim, ...]
    without_source: int

    def sample(self, limit: int, seed: int) -> SupportSet:
        """The same set with at most `limit` claims, drawn by `seed`; a smaller sample begins a larger one."""
        drawn = random.Random(seed).sample(self.claims, len(self.claims))[:limit]  # noqa: S311  # not for secrecy
        return replace(self, claims=tuple(drawn))


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A kind of set: the fields that tell it, and how a row of it is read.

    `grouped` says anew which claims belong together, where that takes a look at all of them.
    """

    name: str
    fields: tuple[str, ...]
    read: Callable[[Mapping[str, Any], str], Claim]
    grouped: Callable[[Sequence[Claim]], Iterable[Claim]] = iter


def format_of(row: Mapping[str, Any]) -> Format | None:
    """The format that a row is of."""
    return next((each for each in FORMATS if row.keys() >= {*each.fields}), None)


def expected_fields() -> str:
    """The formats in words, for a message."""
    return "; or ".join(", ".join(each.fields) for each in FORMATS)


def read_support_set(path: Path, read_as: Format, *, name: str) -> SupportSet:
    """Read the set in a file. Raises `EvaluationDataError`."""
    read = read_each(path, lambda row: read_as.read(row, name))
    claims = [
        replace(
            claim,
            claim=_LONE_SURROGATE.sub("\ufffd", claim.claim),
            source=tuple(_LONE_SURROGATE.sub("\ufffd", part) for part in claim.source),
            line=number,
        )
        for (number, _), claim in zip(read, read_as.grouped([claim for _, claim in read]), strict=True)
    ]
    kept = tuple(claim for claim in claims if any(part.strip() for part in claim.source))
    if not kept:
        raise EvaluationDataError(f"'{path}' holds no claim with a source to compare it with. Add some.")
    return SupportSet(name=name, format=read_as.name, claims=kept, without_source=len(claims) - len(kept))


def _on_sentences(row: Mapping[str, Any], set_name: str) -> Claim:
    sentences = _texts(row, "sentences")
    return Claim(
        claim=text_of(row, "claim"),
        source=sentences,
        label=_label(row),
        set_name=set_name,
        group=f"doc {row.get('doc_id', _hash(' '.join(sentences)))}",
        reading=_pointed_to(sentences, row.get("rationale_sentences")),
        kind=text_of(row, "label"),
    )


def _sharing_documents_or_claims(claims: Sequence[Claim]) -> Iterator[Claim]:
    """Claims on one abstract are a group, and so are abstracts that share a claim."""
    parents: dict[str, str] = {}

    def root(node: str) -> str:
        while parents.setdefault(node, node) != node:
            node = parents[node]
        return node

    for claim in claims:
        parents[root(claim.group)] = root(f"claim {_key(claim.claim)}")
    for claim in claims:
        yield replace(claim, group=root(claim.group))


def _key(claim: str) -> str:
    """Claims that differ in small words and numbers alone are one."""
    return " ".join(sorted(word for word in content_words(claim) if not word.isdigit())[:6])


def _on_evidence(row: Mapping[str, Any], set_name: str) -> Claim:
    sentences = _texts(row, "evidence")
    pointed_to = row.get("supporting_sentences")
    return Claim(
        claim=text_of(row, "claim"),
        source=sentences,
        label=_label(row),
        set_name=set_name,
        group=f"wice {''.join(sentences[:1])}{row.get('claim_title', '')}",
        reading=_pointed_to(
            sentences, pointed_to[0] if isinstance(pointed_to, list) and pointed_to else None
        ),
        kind=text_of(row, "label"),
    )


def _with_flags(row: Mapping[str, Any], set_name: str) -> Claim:
    """A claim is stated if the page supports each of its words."""
    flags = row.get("non_supported_spans")
    if not isinstance(flags, list) or not all(isinstance(flag, bool) for flag in flags):
        raise FlawError("its 'non_supported_spans' is no list of true and false. Give a flag for every word.")
    judged = "not_supported" if any(flags) else "supported"
    return replace(_on_evidence({**row, "label": judged}, set_name), kind=str(row.get("label", judged)))


def _on_knowledge(row: Mapping[str, Any], set_name: str) -> Claim:
    source = _clean(text_of(row, "source"))
    return Claim(
        claim=_clean(text_of(row, "response")),
        source=(source,),
        label=_label(row),
        set_name=set_name,
        group=f"begin {_hash(source[:60].lower())}",
        reading="",
        kind=text_of(row, "label"),
    )


def _voted_on(row: Mapping[str, Any], set_name: str) -> Claim:
    """An answer is stated where the median of its votes is the best one. Answers to one conversation are a group."""
    human = row.get("human")
    votes = human.get("faithfulness") if isinstance(human, dict) else None
    if (
        not isinstance(votes, list)
        or not votes
        or not all(isinstance(vote, int | float) and 1 <= vote <= _BEST_VOTE for vote in votes)
    ):
        raise FlawError("its 'human' has no list of votes as 'faithfulness'. Give at least one, from 1 to 4.")
    contexts = row.get("contexts")
    if not isinstance(contexts, list) or not all(isinstance(each, dict) for each in contexts):
        raise FlawError("its 'contexts' is no list of objects with a 'text'. Give an empty list for none.")
    median = statistics.median(votes)
    source = tuple(text_of(each, "text") for each in contexts)
    return Claim(
        claim=text_of(row, "response"),
        source=source,
        label="stated" if median >= _BEST_VOTE else "not stated",
        set_name=set_name,
        group=f"answers {str(row.get('id', '')).partition('<')[0] or _hash(' '.join(source))}",
        reading="",
        kind=f"median vote {median:g}",
        whole_answer=True,
    )


FORMATS = (
    Format(
        name="claims with unsupported words marked",
        fields=("claim", "evidence", "non_supported_spans"),
        read=_with_flags,
    ),
    Format(
        name="claims on sentences",
        fields=("claim", "sentences", "label"),
        read=_on_sentences,
        grouped=_sharing_documents_or_claims,
    ),
    Format(name="claims on evidence", fields=("claim", "evidence", "label"), read=_on_evidence),
    Format(name="responses to a source", fields=("response", "source", "label"), read=_on_knowledge),
    Format(name="answers with votes", fields=("response", "contexts", "human"), read=_voted_on),
)


def _label(row: Mapping[str, Any]) -> Label:
    given = row.get("label")
    label = _LABELS.get(re.sub(r"[^a-z]", "", given.casefold())) if isinstance(given, str) else None
    if label is None:
        raise FlawError(
            f"its 'label' is {'missing' if given is None else repr(given)[:40]}. Known are SUPPORT, CONTRADICT and "
            "NOT_ENOUGH_INFO; supported, partially_supported and not_supported; Fully attributable, Not fully "
            "attributable and Generic."
        )
    return label


def _texts(row: Mapping[str, Any], key: str) -> tuple[str, ...]:
    listed = row.get(key)
    if not isinstance(listed, list) or not all(isinstance(each, str) for each in listed):
        raise FlawError(
            f"its '{key}' is missing or no list of texts. Give the source's sentences as strings."
        )
    return tuple(_clean(each) for each in listed)


def _pointed_to(sentences: Sequence[str], places: object) -> str:
    """The sentences at these places, as far as they are there: no figure depends on them."""
    numbers = places if isinstance(places, list) else []
    return " ".join(sentences[i] for i in numbers if isinstance(i, int) and 0 <= i < len(sentences))


def _clean(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:12]
