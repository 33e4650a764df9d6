"""Who callers are, what they may do, and what they have asked."""

from __future__ import annotations

from datetime import datetime
from typing import Literal
from uuid import UUID

from pydantic import ConfigDict

from service.auditing import Kind
from service.auditing import Status as AuditStatus
from service.http.responses.answers import DOCUMENT_ID
from service.http.responses.body import Body
from service.identity import Role


class MayBody(Body):
    """What a role allows: to read and ask, to change what is in the index, to see to the service."""

    read: bool
    edit: bool
    administer: bool


class SessionBody(Body):
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


class AuditCallerBody(Body):
    """Who asked. `prefix` is how their key begins, where they have one."""

    id: UUID
    kind: Literal["key", "token", "link"]
    name: str
    prefix: str | None


class AuditEntryBody(Body):
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


class AuditBody(Body):
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
                            "documents": [DOCUMENT_ID],
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
