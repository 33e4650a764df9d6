"""The nouns of answering: an answer, its sentences, its citations, and the policy it was made under."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from uuid import UUID

from generation.llms import Usage
from retrieval.records import Passage, page_at

Status = Literal["answered", "partial", "refused"]

EXTRACTIVE_MODEL = "extractive"
REFUSAL = "The sources do not answer this question."


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
    """How answers are made. The calibrations are those of ms-marco-MiniLM-L-12-v2 (int8).

    evidence: of (question, passage) pairs; a question whose best passage scores below `answer_from` is refused.
    support: of (answer sentence, source sentence) pairs; below `supported_from` a sentence is unsupported.
    passages: how many of the passages found are read by the evidence check.
    max_sentences: of an extracted answer.
    context_tokens, max_answer_tokens: budgets of the prompt's passages and of the model's answer.
    unsupported: whether unsupported sentences are dropped or shown marked as such.
    """

    evidence: Calibration = field(default_factory=lambda: Calibration(midpoint=0.0, scale=1.0))
    support: Calibration = field(default_factory=lambda: Calibration(midpoint=0.0, scale=1.0))
    answer_from: float = 0.5
    supported_from: float = 0.5
    passages: int = 6
    max_sentences: int = 3
    context_tokens: int = 3_000
    max_answer_tokens: int = 600
    unsupported: Literal["mark", "drop"] = "drop"


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
class AnswerSentence:
    """A sentence of the answer, how well it is supported (0..1), and the places that support it.

    `separator` is the white space before it: "", " ", "\\n" or "\\n\\n".
    """

    text: str
    supported: bool
    support: float
    citations: tuple[Citation, ...]
    separator: str = " "


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
class Answer:
    """An answer, or a refusal with empty `sentences`.

    missing: what the answer leaves open, or why it was refused; None where nothing is missing.
    looked_at: best first, one entry a document and page.
    dropped: how many sentences were left out because nothing supports them.
    """

    status: Status
    sentences: tuple[AnswerSentence, ...]
    missing: str | None
    looked_at: tuple[LookedAt, ...]
    model: str
    usage: Usage
    dropped: int = 0

    @property
    def text(self) -> str:
        """The sentences with the white space between them; a refusal says so in a sentence."""
        if self.status == "refused":
            return REFUSAL
        return "".join(sentence.separator + sentence.text for sentence in self.sentences).strip()

    @property
    def citations(self) -> tuple[Citation, ...]:
        """Every place cited, once, in the order of the answer."""
        return tuple(dict.fromkeys(c for sentence in self.sentences for c in sentence.citations))

    def as_json(self) -> dict[str, Any]:
        """The shape of `footnote ask --json` and `POST /v1/ask`; citation numbers are 0-based."""
        citations = self.citations
        return {
            "answer": self.text,
            "status": self.status,
            "answered": self.status != "refused",
            "missing": self.missing,
            "looked_at": [place.as_json() for place in self.looked_at],
            "sentences": [_sentence_json(sentence, citations) for sentence in self.sentences],
            "citations": [citation.as_json() for citation in citations],
            "model": self.model,
            "usage": {
                "prompt_tokens": self.usage.prompt_tokens,
                "completion_tokens": self.usage.completion_tokens,
                "estimated": self.usage.estimated,
            },
            "dropped": self.dropped,
        }


def _sentence_json(sentence: AnswerSentence, citations: Sequence[Citation]) -> dict[str, Any]:
    return {
        "text": sentence.text,
        "supported": sentence.supported,
        "support": round(sentence.support, 4),
        "citations": [citations.index(citation) for citation in sentence.citations],
    }
