"""The nouns of answering: an answer, its sentences, its citations, and the policy it was made under."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from generation.llms import Usage
from retrieval.queries import SearchQueries
from retrieval.records import Passage, page_at

Status = Literal["answered", "partial", "refused"]
Outcome = Literal["rewritten", "unchanged", "unusable", "failed", "not_allowed"]
Unsupported = Literal["mark", "drop", "refuse"]
NothingSupported = Literal["quote", "refuse"]

EXTRACTIVE_MODEL = "extractive"
REFUSAL = "The sources do not answer this question."
NO_USAGE = Usage(prompt_tokens=0, completion_tokens=0, estimated=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Turns a cross-encoder's raw logit into a score in 0..1 that is .5 where the decision tips.

    Both figures belong to one model and one kind of pair; `benchmarks/refusal.py` measures them.
    """

    midpoint: float
    scale: float

    def score(self, logit: float) -> float:
        return 1 / (1 + math.exp(-max(-50.0, min(50.0, (logit - self.midpoint) / self.scale))))


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerPolicy:
    """How answers are made. The calibrations are ms-marco-MiniLM-L-12-v2's (int8); another reranker needs others.

    evidence: of a question and a passage (`generation.evidence`); where the best passage scores below `answer_from`,
        the question is refused (docs/refusal.md).
    support: of a sentence of the answer and one of a source, where likeness alone is checked; below `supported_from` it
        is unsupported, as it is below that probability where entailment is (docs/support.md). With a midpoint
        of 1.0 the cross-encoder alone passes .98, .84 and .84 of the supported claims of begin-dev, scifact-claims and
        wice-claims-dev, and .36, .18 and .22 of the unsupported; it does not tell contradiction from support.
    passages, read_closely: how many of the passages found the evidence check reads, and of how many every sentence.
    max_sentences: of an extracted answer.
    context_tokens, max_answer_tokens: budgets of the prompt's passages and of the model's answer.
    judge: whether the language model is asked about sentences that the support check is in doubt about
        (`generation.judging`); judge_timeout_s: for each.
    unsupported: what becomes of sentences that nothing supports: they are dropped, or shown marked as such, or one of
        them has the whole answer refused.
    nothing_supported: what a reader gets of evidence that is good enough, where no sentence of what the model has
        written is supported: the sources' own sentences, as without a model, or a refusal. A model that says itself
        that the passages do not answer is believed either way.
    """

    evidence: Calibration = field(default_factory=lambda: Calibration(midpoint=-2.4, scale=1.0))
    support: Calibration = field(default_factory=lambda: Calibration(midpoint=1.0, scale=1.5))
    answer_from: float = 0.5
    supported_from: float = 0.5
    passages: int = 8
    read_closely: int = 3
    max_sentences: int = 3
    context_tokens: int = 3_000
    max_answer_tokens: int = 600
    judge: bool = False
    judge_timeout_s: float = 10.0
    unsupported: Unsupported = "drop"
    nothing_supported: NothingSupported = "quote"


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """The exact place of a quote: `revision_text[char_start:char_end] == quote`."""

    document_id: UUID
    path: str
    revision: int
    page: int | None
    char_start: int
    char_end: int
    quote: str

    @classmethod
    def of(cls, passage: Passage, start: int, end: int) -> Citation:
        """Cite `passage.text[start:end]`."""
        char_start = passage.char_start + start
        return cls(
            document_id=passage.document_id,
            path=passage.path,
            revision=passage.revision,
            page=page_at(passage.page_starts, char_start),
            char_start=char_start,
            char_end=passage.char_start + end,
            quote=passage.text[start:end],
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "document": str(self.document_id),
            "path": self.path,
            "revision": self.revision,
            "page": self.page,
            "char_start": self.char_start,
            "char_end": self.char_end,
            "quote": self.quote,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedSentence:
    """A sentence, how well it is supported (0..1), and the places that support it; none where nothing does.

    `separator` is what stands before it: "", white space, and a list marker at the start of an item.
    """

    text: str
    supported: bool
    support: float
    places: tuple[Citation, ...]
    separator: str = " "


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerSentence:
    """A checked sentence in its answer: `citations` are 0-based indexes into the answer's citations."""

    text: str
    supported: bool
    support: float
    citations: tuple[int, ...]
    separator: str

    def as_json(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "supported": self.supported,
            "support": round(self.support, 4),
            "citations": list(self.citations),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortAnswer:
    """The name, number or date that was asked for, within the quote of a citation, with its place in the revision."""

    text: str
    citation: int
    char_start: int
    char_end: int

    def as_json(self) -> dict[str, Any]:
        return {
            "text": self.text,
            "citation": self.citation,
            "char_start": self.char_start,
            "char_end": self.char_end,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedAt:
    """A place that was read for the answer, with its evidence score (0..1)."""

    document_id: UUID
    path: str
    page: int | None
    score: float

    def as_json(self) -> dict[str, Any]:
        return {
            "document": str(self.document_id),
            "path": self.path,
            "page": self.page,
            "score": round(self.score, 4),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewriting:
    """What was searched for, and what became of the attempt to find better words (`generation.rewriting`).

    outcome: "unchanged": the model had no other words, or was not needed; "unusable": it declined or wrote what cannot
        be searched for; "failed": it could not be asked, or not in time; "not_allowed": it is outside, and the
        collection does not allow that, so nothing was sent.
    why: a sentence; None where it was rewritten.
    """

    queries: SearchQueries
    outcome: Outcome
    why: str | None = None
    usage: Usage = NO_USAGE

    def as_json(self) -> dict[str, Any]:
        return {
            "question": self.queries.question,
            "texts": list(self.queries.texts),
            "hypothetical": list(self.queries.hypothetical),
            "outcome": self.outcome,
            "why": self.why,
            "usage": usage_as_json(self.usage),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer, or a refusal with no sentences.

    citations: every place cited, once, in the order of the answer.
    missing: what the answer leaves open, or why it was refused; None where nothing is missing.
    looked_at: best first, one entry a document and page.
    usage: of wording the answer; that of finding words to search for is in `searched`.
    dropped: how many sentences were left out because nothing supports them.
    short: the name, number or date that was asked for, where it stands in a quote and just one can be meant.
    searched: what was searched for and answered, where other words for the question were looked for.
    """

    status: Status
    sentences: tuple[AnswerSentence, ...]
    citations: tuple[Citation, ...]
    missing: str | None
    looked_at: tuple[LookedAt, ...]
    model: str
    usage: Usage
    dropped: int = 0
    short: ShortAnswer | None = None
    searched: Rewriting | None = None

    @property
    def answer(self) -> str:
        """The sentences with the white space between them; a refusal says so in a sentence."""
        if self.status == "refused":
            return REFUSAL
        return "".join(sentence.separator + sentence.text for sentence in self.sentences).strip()

    def as_json(self) -> dict[str, Any]:
        """The shape of `footnote ask --json` and `POST /v1/ask`; "searched" is there only where there is something."""
        shape = {
            "answer": self.answer,
            "status": self.status,
            "answered": self.status != "refused",
            "missing": self.missing,
            "looked_at": [place.as_json() for place in self.looked_at],
            "sentences": [sentence.as_json() for sentence in self.sentences],
            "citations": [citation.as_json() for citation in self.citations],
            "model": self.model,
            "usage": usage_as_json(self.usage),
            "dropped": self.dropped,
            "short": None if self.short is None else self.short.as_json(),
        }
        return shape if self.searched is None else shape | {"searched": self.searched.as_json()}


def usage_as_json(usage: Usage) -> dict[str, Any]:
    return {
        "prompt_tokens": usage.prompt_tokens,
        "completion_tokens": usage.completion_tokens,
        "estimated": usage.estimated,
    }


class Numbering:
    """Numbers the places of an answer as its sentences come: each place once, in the order of the sentences."""

    def __init__(self) -> None:
        self._numbers: dict[Citation, int] = {}

    @property
    def citations(self) -> tuple[Citation, ...]:
        return tuple(self._numbers)

    def add(self, checked: CheckedSentence) -> tuple[AnswerSentence, tuple[Citation, ...]]:
        """The sentence in its answer, and the places that no sentence before it cites."""
        known = len(self._numbers)
        numbers = tuple(self._numbers.setdefault(place, len(self._numbers)) for place in checked.places)
        sentence = AnswerSentence(
            text=checked.text,
            supported=checked.supported,
            support=checked.support,
            citations=numbers,
            separator=checked.separator,
        )
        return sentence, self.citations[known:]
