"""The desk: where everything is asked for on a caller's behalf, whichever way they came in.

Whoever asks here sees what they may see (`Identity.scope`), and the audit notes it. Routes, the compatible endpoint,
MCP and jobs ask here; the operator's own command line does not.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from uuid import UUID, uuid4

from generation.answer import whole
from generation.answers import Answer
from generation.events import AnswerEvent, CitationAdded, Done, Retrieved
from generation.rewriting import Turn
from retrieval.collections import NAME
from retrieval.documents import find_document, find_revision
from retrieval.errors import DatabaseUnavailableError, ErasedError, FootnoteError, NotFoundError
from retrieval.filters import NO_FILTERS, Filters
from retrieval.passages import PassagePolicy
from retrieval.records import Document, Revision
from service.asking import DEFAULT_K, Question
from service.auditing import Audit, Kind, Status
from service.footnote import Footnote, Found
from service.identity import Identity
from service.metering import MeteredAnswer
from service.revisions import HeldRevision, find_held_revision


@dataclass(slots=True, kw_only=True)
class _Entry:
    """What becomes of a row of the audit."""

    collection: str | None = None
    documents: list[UUID] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """What a caller asks for, done as them."""

    footnote: Footnote
    audit: Audit
    caller: Identity

    async def search(
        self,
        collection: str,
        question: str,
        *,
        k: int,
        filters: Filters = NO_FILTERS,
        passages: PassagePolicy | None = None,
    ) -> Found:
        """As `Footnote.search`."""
        async with self._noted("search", collection=collection, question=question) as entry:
            found = await self.footnote.search(
                collection, question, k=k, scope=self.caller.scope, filters=filters, passages=passages
            )
            for hit in found.hits:
                entry.documents += (place.document_id for place in (hit.passage, *hit.also_at))
        return found

    async def prepare(
        self,
        collection: str,
        question: str,
        *,
        k: int = DEFAULT_K,
        filters: Filters = NO_FILTERS,
        passages: PassagePolicy | None = None,
        turns: Sequence[Turn] = (),
    ) -> Question:
        """As `Footnote.prepare`. A question that is refused here is noted; others once they are answered."""
        try:
            return await self.footnote.prepare(
                collection,
                question,
                k=k,
                scope=self.caller.scope,
                filters=filters,
                passages=passages,
                turns=turns,
            )
        except FootnoteError as exc:
            await self._note_failure(exc, "ask", collection=collection, question=question)
            raise

    async def begin(self, question: Question, *, answer_id: UUID | None = None) -> MeteredAnswer:
        """An answer as `answer` tells it, for which a place and what it may cost are reserved already. Raises
        `LimitReachedError`. Wrap it in `contextlib.aclosing`, at once."""
        return await self.footnote.meter.begin(
            question, self._answer(question), caller_id=self.caller.id, answer_id=answer_id or uuid4()
        )

    async def answer(
        self, question: Question, *, answer_id: UUID | None = None
    ) -> AsyncGenerator[AnswerEvent, None]:
        """As `Footnote.answer`, within the caller's limits: noted before anything is told, and complete before the last
        is; what it cost is written down under its id, for feedback to be about (`service.usage`). Wrap it in
        `contextlib.aclosing`."""
        async with aclosing(await self.begin(question, answer_id=answer_id)) as events:
            async for event in events:
                yield event

    async def _answer(self, question: Question) -> AsyncGenerator[AnswerEvent, None]:
        row = await self.audit.write(
            self.caller, "ask", status="begun", collection=question.collection.name, question=question.text
        )
        documents: list[UUID] = []
        status: Status | None = "stopped"
        try:
            async with aclosing(self.footnote.answer(question)) as events:
                async for event in events:
                    match event:
                        case Retrieved(looked_at=places):
                            documents += (place.document_id for place in places)
                        case CitationAdded(citation=citation):
                            documents.append(citation.document_id)
                        case Done(answer=answer):
                            documents += (citation.document_id for citation in answer.citations)
                            await self.audit.complete(row, status=answer.status, documents=documents)
                            status = None
                    yield event
        except FootnoteError:
            status = status and "failed"
            raise
        finally:
            if status is not None:
                await self.audit.complete_at_last(row, status=status, documents=documents)

    async def ask(self, question: Question) -> Answer:
        """The whole answer to a prepared question."""
        async with aclosing(self.answer(question)) as events:
            return await whole(events)

    async def document(self, document_id: UUID) -> Document:
        """As `retrieval.documents.find_document`."""
        async with self._noted("document", documents=[document_id]) as entry:
            document = await find_document(self.footnote.database, document_id, scope=self.caller.scope)
            entry.collection = document.collection
        return document

    async def text(self, document_id: UUID, *, revision: int | None = None) -> Revision:
        """As `retrieval.documents.find_revision`."""
        async with self._noted("document", documents=[document_id]) as entry:
            found = await find_revision(
                self.footnote.database, document_id, revision=revision, scope=self.caller.scope
            )
            entry.collection = found.collection
        return found

    async def revision(self, document_id: UUID, number: int) -> HeldRevision:
        """As `service.revisions.find_held_revision`."""
        async with self._noted("document", documents=[document_id]) as entry:
            found = await find_held_revision(
                self.footnote.database, document_id, number, scope=self.caller.scope
            )
            entry.collection = found.collection
        return found

    @asynccontextmanager
    async def _noted(
        self,
        kind: Kind,
        *,
        collection: str | None = None,
        question: str | None = None,
        documents: Sequence[UUID] = (),
    ) -> AsyncIterator[_Entry]:
        """Have what is done noted before its result is handed out, and also where there is none."""
        entry = _Entry(collection=collection, documents=[*documents])
        try:
            yield entry
        except FootnoteError as exc:
            await self._note_failure(exc, kind, collection=collection, question=question, documents=documents)
            raise
        await self.audit.write(
            self.caller,
            kind,
            status="returned",
            collection=entry.collection,
            question=question,
            documents=entry.documents,
        )

    async def _note_failure(
        self,
        error: FootnoteError,
        kind: Kind,
        *,
        collection: str | None,
        question: str | None,
        documents: Sequence[UUID] = (),
    ) -> None:
        if isinstance(error, DatabaseUnavailableError):
            return  # nothing was told, and nothing can be written
        status: Status = "failed"
        if isinstance(error, NotFoundError):
            status = "erased" if isinstance(error, ErasedError) else "not_found"
        await self.audit.write(
            self.caller,
            kind,
            status=status,
            collection=collection if collection is not None and NAME.fullmatch(collection) else None,
            question=question,
            documents=documents,
        )
