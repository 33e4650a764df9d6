"""Responses of the HTTP API: these models describe what goes out.

Answers, hits and documents are sent as their own `…as_json` makes them; the models here say in the OpenAPI document
what that is, and a test holds them to it.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from generation.answers import Outcome, Status
from service.auditing import Kind
from service.auditing import Status as AuditStatus
from service.identity import Role
from service.limits import LimitName

_DOCUMENT = "0d9f6d52-6a3f-4a53-8c6b-2f1f3c2f7a10"
_HIT: dict[str, Any] = {
    "document": _DOCUMENT,
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
    "document": _DOCUMENT,
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
        {"document": _DOCUMENT, "path": "people/parental-leave.docx", "page": None, "score": 0.993}
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
DOCUMENT_EXAMPLE: dict[str, Any] = {
    "id": _DOCUMENT,
    "collection": "default",
    "path": "people/parental-leave.docx",
    "title": "Parental leave",
    "media_type": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "revision": 1,
    "chunks": 7,
    "metadata": {"team": "hr"},
    "updated_at": "2026-01-31T09:30:00+00:00",
    "removed_at": None,
}


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LookedAtBody(_Body):
    """A place that was read for the answer, with its evidence score from 0 to 1."""

    document: UUID
    path: str
    page: int | None
    score: float


class SentenceBody(_Body):
    """A sentence of the answer. `citations` are indexes, from 0, into the answer's citations."""

    text: str
    supported: bool
    support: float
    citations: list[int]


class CitationBody(_Body):
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


class UsageBody(_Body):
    """Tokens that the answer cost; `estimated` where the language model's server did not say."""

    prompt_tokens: int
    completion_tokens: int
    estimated: bool


class SearchedBody(_Body):
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


class ShortAnswerBody(_Body):
    """The name, number or date that was asked for, within the quote of a citation (0-based index)."""

    text: str
    citation: int
    char_start: int
    char_end: int


class AnswerBody(_Body):
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


class PlaceBody(_Body):
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


class HitsBody(_Body):
    """The best passages, best first. `searched` is there only where other words for the query were looked for."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"hits": [_HIT]}]})

    hits: list[HitBody]
    searched: SearchedBody | None = None


class MayBody(_Body):
    """What a role allows: to read and ask, to change what is in the index, to see to the service."""

    read: bool
    edit: bool
    administer: bool


class SessionBody(_Body):
    """Who a caller is and what they may do. `principals` and `collections` are null where there is no limit; `key` is
    how their key begins; `expires_at` is when session, key or token end."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "kind": "key",
                    "name": "Ann's laptop",
                    "role": "editor",
                    "may": {"read": True, "edit": True, "administer": False},
                    "principals": ["public", "user:ann"],
                    "collections": None,
                    "key": "fn_x8Kq2LmZ",
                    "expires_at": "2026-06-01T00:00:00+00:00",
                }
            ]
        }
    )

    kind: Literal["key", "token", "link"]
    name: str
    role: Role
    may: MayBody
    principals: list[str] | None
    collections: list[str] | None
    key: str | None
    expires_at: datetime | None


class AuditCallerBody(_Body):
    """Who asked. `prefix` is how their key begins, where they have one."""

    id: UUID
    kind: Literal["key", "token", "link"]
    name: str
    prefix: str | None


class AuditEntryBody(_Body):
    """Who asked what. `question` and `question_hash` are null where settings have it so; `documents` were told of."""

    id: int
    at: datetime
    request_id: str | None
    caller: AuditCallerBody
    kind: Kind
    collection: str | None
    question: str | None
    question_hash: str | None
    documents: list[UUID]
    status: AuditStatus


class AuditBody(_Body):
    """A page of the audit, newest first; `next` is the cursor of the page after it, null at the end."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "entries": [
                        {
                            "id": 4711,
                            "at": "2026-03-01T09:30:00.123456+00:00",
                            "request_id": "6f1c0f0e4b1d4c0f8f0b8c6a51e0a3c2",
                            "caller": {
                                "id": "b3b9f2f6-7c1e-4d36-8a63-0c1fd0f5d9a1",
                                "kind": "key",
                                "name": "Ann's laptop",
                                "prefix": "fn_x8Kq2LmZ",
                            },
                            "kind": "ask",
                            "collection": "default",
                            "question": None,
                            "question_hash": "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7",
                            "documents": [_DOCUMENT],
                            "status": "answered",
                        }
                    ],
                    "next": None,
                }
            ]
        }
    )

    entries: list[AuditEntryBody]
    next: str | None


class AliveBody(_Body):
    """The process runs."""

    alive: Literal[True]


class PartBody(_Body):
    """Whether a part does its work now."""

    ready: bool
    detail: str


class ReadyBody(_Body):
    """Whether the service can answer now, part by part: database, embedder, reranker."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "ready": False,
                    "parts": {
                        "database": {"ready": False, "detail": "no answer within 2 s"},
                        "embedder": {"ready": True, "detail": "answered in 6 ms"},
                        "reranker": {"ready": True, "detail": "answered in 9 ms"},
                    },
                }
            ]
        }
    )

    ready: bool
    parts: dict[str, PartBody]


class WrongFieldBody(BaseModel):
    """What is wrong with which field of the body, the query or the path."""

    model_config = ConfigDict(populate_by_name=True)

    in_: Annotated[str, Field(alias="in")]
    field: str
    message: str


class LimitBody(BaseModel):
    """A limit that is reached: how much of it was taken, and in how many seconds there is more."""

    model_config = ConfigDict(title="Limit")

    name: LimitName
    limit: float
    used: float
    retry_after_s: int


class ProblemBody(BaseModel):
    """An error (RFC 9457). Tell problems apart by `type`; `errors` is there for requests of the wrong shape alone, and
    `limit` where one is reached."""

    model_config = ConfigDict(title="Problem")

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str | None
    trace_id: str | None
    errors: list[WrongFieldBody] | None = None
    limit: LimitBody | None = None
