"""The tools: what each does for a caller, as structure and as text to read."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from generation.answer import whole
from generation.events import AnswerEvent, SentenceChecked
from retrieval.documents import find_document
from retrieval.records import Hit, page_at
from service.desk import Desk
from service.http.answering import counted
from service.http.footnotes import harmless, text_of
from service.http.mcp.arguments import AskArguments, DocumentTextBody, GetDocumentArguments, SearchArguments
from service.http.parts import Parts
from service.shapes import found_as_json

Progress = Callable[[int], Awaitable[None]]
"""Is told how many sentences of an answer are final."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a tool gives: a JSON object for programs, a text for models and people."""

    shape: dict[str, Any]
    text: str


async def search(asked: SearchArguments, desk: Desk) -> Said:
    """The passages that bear on a query, each with its place."""
    found = await desk.search(asked.collection, asked.query, k=asked.k, filters=asked.chosen())
    text = "\n\n".join(_hit(number, hit) for number, hit in enumerate(found.hits, start=1))
    return Said(shape=found_as_json(found), text=text or "Nothing was found.")


async def ask(asked: AskArguments, desk: Desk, parts: Parts, progress: Progress) -> Said:
    """The answer to a question, with footnotes."""
    question = await desk.prepare(asked.collection, asked.question, k=asked.k, filters=asked.chosen())
    async with aclosing(_with_progress(counted(desk.answer(question), parts), progress)) as events:
        answer = await whole(events)
    text, _ = text_of(answer, with_list=True)
    return Said(shape=answer.as_json(), text=text)


async def get_document(asked: GetDocumentArguments, desk: Desk) -> Said:
    """A part of a document's text, of any revision that the caller may read."""
    revision = await desk.text(asked.document, revision=asked.revision)
    # Who may read the text may see the document; the audit has the reading already.
    document = await find_document(desk.footnote.database, asked.document, scope=desk.caller.scope)
    total = len(revision.text)
    start = min(asked.char_start, total)
    end = min(start + asked.length, total)
    body = DocumentTextBody(
        document=document.id,
        path=document.path,
        title=revision.title,
        revision=revision.number,
        is_newest=revision.number == document.revision,
        page=page_at(revision.page_starts, start),
        char_start=start,
        char_end=end,
        total_chars=total,
        next_char_start=end if end < total else None,
        text=revision.text[start:end],
    )
    return Said(shape=body.model_dump(mode="json"), text=_page(body))


async def _with_progress(
    events: AsyncGenerator[AnswerEvent, None], progress: Progress
) -> AsyncGenerator[AnswerEvent, None]:
    sentences = 0
    async with aclosing(events):
        async for event in events:
            if isinstance(event, SentenceChecked):
                sentences += 1
                await progress(sentences)
            yield event


def _hit(number: int, hit: Hit) -> str:
    passage = hit.passage
    page = "" if passage.page is None else f", page {passage.page}"
    place = f"characters {passage.char_start}-{passage.char_end}, document {passage.document_id}"
    return f"[{number}] {harmless(passage.path)}{page} ({place})\n{harmless(passage.text)}"


def _page(body: DocumentTextBody) -> str:
    """The text alone, below a line that says which part of what it is."""
    more = "" if body.next_char_start is None else f"; read on with char_start {body.next_char_start}"
    which = f"revision {body.revision}, characters {body.char_start}-{body.char_end} of {body.total_chars}"
    return f"{body.path} ({which}{more})\n\n{body.text}"
