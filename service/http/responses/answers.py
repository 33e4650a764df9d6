"""Answers and hits, with the places in documents that they point at."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from pydantic import ConfigDict

from generation.answers import Outcome, Status
from service.http.responses.body import Body

DOCUMENT_ID = "0d9f6d52-6a3f-4a53-8c6b-2f1f3c2f7a10"
_HIT: dict[str, Any] = {
    "document": DOCUMENT_ID,
    "path": "people/parental-leave.docx",
    "page": None,
    "char_start": 212,
    "char_end": 268,
    "text": "Parents may take up to 24 weeks of paid parental leave.",
    "score": 0.871,
    "also_at": [
        {
            "document": "5b0f6e0e-51c5-4b0a-9d53-3f6f5b8c9a77",
            "path": "archive/2025/parental-leave.docx",
            "page": None,
            "char_start": 212,
            "char_end": 268,
        }
    ],
}
_SEARCHED: dict[str, Any] = {
    "question": "How long is parental leave for the other parent?",
    "texts": ["How long is parental leave for the other parent?"],
    "hypothetical": [],
    "outcome": "rewritten",
    "why": None,
    "usage": {"prompt_tokens": 212, "completion_tokens": 11, "estimated": False},
}
_CITATION: dict[str, Any] = {
    "document": DOCUMENT_ID,
    "path": "people/parental-leave.docx",
    "revision": 1,
    "page": None,
    "char_start": 212,
    "char_end": 268,
    "quote": "Parents may take up to 24 weeks of paid parental leave.",
}
ANSWER_EXAMPLE: dict[str, Any] = {
    "answer": "Parents may take up to 24 weeks of paid parental leave.",
    "status": "answered",
    "answered": True,
    "missing": None,
    "looked_at": [
        {"document": DOCUMENT_ID, "path": "people/parental-leave.docx", "page": None, "score": 0.993}
    ],
    "sentences": [
        {
            "text": "Parents may take up to 24 weeks of paid parental leave.",
            "supported": True,
            "support": 0.993,
            "citations": [0],
        }
    ],
    "citations": [_CITATION],
    "model": "extractive",
    "usage": {"prompt_tokens": 0, "completion_tokens": 0, "estimated": False},
    "dropped": 0,
    "short": {"text": "24", "citation": 0, "char_start": 234, "char_end": 236},
}
EVENTS_EXAMPLE = "\n".join(
    f"id: {number}\nevent: {name}\ndata: {json.dumps(data)}\n"
    for number, (name, data) in enumerate(
        (
            ("started", {"answer_id": "6f0f7c0e-0e0e-4d55-9f3e-6f0b6a1f7f5d"}),
            ("retrieved", {"looked_at": ANSWER_EXAMPLE["looked_at"]}),
            ("delta", {"text": "Parents may take up to 24 weeks of paid parental leave."}),
            ("citation", {"number": 0, **_CITATION}),
            ("sentence", {"number": 0, **ANSWER_EXAMPLE["sentences"][0], "separator": "", "settled": 55}),
            ("usage", ANSWER_EXAMPLE["usage"]),
            ("done", ANSWER_EXAMPLE),
        ),
        start=1,
    )
)


class LookedAtBody(Body):
    """A place that was read for the answer, with its evidence score from 0 to 1."""

    document: UUID
    path: str
    page: int | None
    score: float


class SentenceBody(Body):
    """A sentence of the answer. `citations` are indexes, from 0, into the answer's citations."""

    text: str
    supported: bool
    support: float
    citations: list[int]


class CitationBody(Body):
    """The exact place of a quote: the revision's text from `char_start` to `char_end`, in Unicode code points.

    `path` is relative to its source; `page` counts from 1 and is null for texts without pages.
    """

    document: UUID
    path: str
    revision: int
    page: int | None
    char_start: int
    char_end: int
    quote: str


class UsageBody(Body):
    """Tokens that the answer cost; `estimated` where the language model's server did not say."""

    prompt_tokens: int
    completion_tokens: int
    estimated: bool


class SearchedBody(Body):
    """What was searched for where other words were looked for, and what became of that.

    `question` is what was answered: a follow-up made to stand alone, else the question as it was asked. `texts` were
    searched for; `hypothetical` are made-up passages whose vectors joined them. `outcome` is "unchanged" where the
    language model had no other words or there is none, "unusable" where it wrote what cannot be searched for, "failed"
    where it could not be asked, "not_allowed" where it is outside and the collection does not allow that: then the
    question was searched for as it is, and `why` says more. `usage` comes on top of the answer's.
    """

    question: str
    texts: list[str]
    hypothetical: list[str]
    outcome: Outcome
    why: str | None
    usage: UsageBody


class ShortAnswerBody(Body):
    """The name, number or date that was asked for, within the quote of a citation (0-based index)."""

    text: str
    citation: int
    char_start: int
    char_end: int


class AnswerBody(Body):
    """An answer, every sentence with its citations, or a refusal with what was looked at.

    `searched` is there only where other words for the question were looked for.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [ANSWER_EXAMPLE, ANSWER_EXAMPLE | {"searched": _SEARCHED}]}
    )

    answer: str
    status: Status
    answered: bool
    missing: str | None
    looked_at: list[LookedAtBody]
    sentences: list[SentenceBody]
    citations: list[CitationBody]
    model: str
    usage: UsageBody
    dropped: int
    short: ShortAnswerBody | None
    searched: SearchedBody | None = None


class PlaceBody(Body):
    """A place in the current revision of a document, in Unicode code points."""

    document: UUID
    path: str
    page: int | None
    char_start: int
    char_end: int


class HitBody(PlaceBody):
    """A passage at its place. `also_at`: where else the caller can read the same in the same words."""

    text: str
    score: float
    also_at: list[PlaceBody]


class HitsBody(Body):
    """The best passages, best first. `searched` is there only where other words for the query were looked for."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"hits": [_HIT]}]})

    hits: list[HitBody]
    searched: SearchedBody | None = None
