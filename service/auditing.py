"""The audit: who asked what of which documents, kept for a set time.

A question is noted before it is answered, and what came of it before the answer is complete. Where that cannot be
written the answer is not given: what cannot be accounted for is not told. Only what became of an answer that somebody
left, or that failed, can go missing; the log says so then.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, Self
from uuid import UUID

from retrieval.database import Database, query
from retrieval.errors import FootnoteError
from retrieval.records import Scope
from service.ending import end_task
from service.identity import Identity
from service.logs import REQUEST_ID

logger = logging.getLogger("footnote.audit")

Kind = Literal["ask", "search", "document"]
Questions = Literal["text", "hash", "off"]
Status = Literal[
    "begun", "answered", "partial", "refused", "returned", "not_found", "erased", "failed", "stopped"
]

_PRUNE_EVERY_S = 3600.0
_PRUNED_AT_ONCE = 10_000
_LAST_WORD_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """A row of the audit. `prefix` is how the caller's key begins; `documents` were returned or cited."""

    id: int
    at: datetime
    request_id: str | None
    caller_id: UUID
    caller_kind: str
    caller: str
    prefix: str | None
    kind: str
    collection: str | None
    question: str | None
    question_hash: str | None
    documents: tuple[UUID, ...]
    status: str

    def as_json(self) -> dict[str, Any]:
        """The shape of `footnote audit list --json` and `GET /v1/audit`."""
        return {
            "id": self.id,
            "at": self.at.isoformat(),
            "request_id": self.request_id,
            "caller": {
                "id": str(self.caller_id),
                "kind": self.caller_kind,
                "name": self.caller,
                "prefix": self.prefix,
            },
            "kind": self.kind,
            "collection": self.collection,
            "question": self.question,
            "question_hash": self.question_hash,
            "documents": [str(document) for document in self.documents],
            "status": self.status,
        }


class Audit:
    """Writes the audit, and forgets what is old enough: to be entered for that.

    questions: whether a question's text is kept, its sha256 alone, by which equal ones can be told, or nothing of it.
    retention_days: 0 keeps all. is_on: False writes nothing, and forgets all the same.
    """

    def __init__(
        self, database: Database, *, questions: Questions, retention_days: int, is_on: bool = True
    ) -> None:
        self._database = database
        self._questions = questions
        self._retention_days = retention_days
        self._is_on = is_on
        self._pruning: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        if self._retention_days:
            self._pruning = asyncio.create_task(self._prune_for_ever())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pruning is not None:
            await end_task(self._pruning)

    async def write(
        self,
        caller: Identity,
        kind: Kind,
        *,
        status: Status,
        collection: str | None = None,
        question: str | None = None,
        documents: Iterable[UUID] = (),
    ) -> int | None:
        """Note who asked what; returns the row to `complete`. Raises `DatabaseUnavailableError`."""
        if not self._is_on:
            return None
        kept = None if question is None or self._questions == "off" else question
        row = await self._database.fetch_one(
            query("audit.write"),
            {
                "request_id": REQUEST_ID.get(),
                "caller_id": caller.id,
                "caller_kind": caller.kind,
                "caller": caller.name,
                "kind": kind,
                "collection": collection,
                "question": _storable(kept) if kept is not None and self._questions == "text" else None,
                "question_hash": None if kept is None else _hash(kept),
                "documents": [*dict.fromkeys(documents)],
                "status": status,
            },
        )
        assert row is not None, "an insert returns its row"
        return int(row["id"])

    async def complete(self, row: int | None, *, status: Status, documents: Iterable[UUID]) -> None:
        """Note what came of it. Raises `DatabaseUnavailableError`."""
        if row is None:
            return
        await self._database.execute(
            query("audit.complete"), {"id": row, "status": status, "documents": [*dict.fromkeys(documents)]}
        )

    async def complete_at_last(self, row: int | None, *, status: Status, documents: Iterable[UUID]) -> None:
        """The same where nobody can be refused any more: what cannot be written goes to the log."""
        seen = [*dict.fromkeys(documents)]
        try:
            async with asyncio.timeout(_LAST_WORD_S):
                await self.complete(row, status=status, documents=seen)
        except (FootnoteError, TimeoutError) as exc:
            logger.error(  # what happened is in the message; a trace would tell nothing more
                "row %s of the audit stays 'begun' and without its documents (%s): %s",
                row,
                ", ".join(map(str, seen)) or "none",
                str(exc) or "the database took too long",
            )

    async def prune(self) -> int:
        """Forget what is older than the retention time, some rows at a time; returns how many."""
        gone = 0
        while True:
            parameters = {"retention_days": self._retention_days, "limit": _PRUNED_AT_ONCE}
            pruned = await self._database.execute(query("audit.prune"), parameters)
            gone += pruned
            if pruned < _PRUNED_AT_ONCE:
                return gone

    async def _prune_for_ever(self) -> None:
        while True:
            try:
                await self.prune()
            except FootnoteError as exc:
                logger.warning("old rows of the audit could not be forgotten, which is tried again: %s", exc)
            await asyncio.sleep(_PRUNE_EVERY_S)


async def list_audit(
    database: Database,
    *,
    scope: Scope,
    limit: int,
    before: int | None = None,
    since: datetime | None = None,
    caller_id: UUID | None = None,
    prefix: str | None = None,
) -> list[AuditEntry]:
    """Up to `limit` rows, newest first, before row `before`; of the collections that exist for the scope."""
    rows = await database.fetch_all(
        query("audit.list"),
        {
            "before": before,
            "since": since,
            "caller_id": caller_id,
            "prefix": prefix,
            "collections": None if scope.collections is None else sorted(scope.collections),
            "limit": limit,
        },
    )
    return [AuditEntry(**{**row, "documents": tuple(row["documents"])}) for row in rows]


def _storable(text: str) -> str:
    """A text that Postgres takes: without NUL and halves of characters."""
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()


def _hash(text: str) -> bytes:
    """Of the words alone: neither case nor white space makes another question of one."""
    return hashlib.sha256(" ".join(text.split()).casefold().encode("utf-8", "backslashreplace")).digest()
