"""A ledger of citations: each is checked when it is given, and again whenever documents have changed since.

Texts are fetched as a reader would fetch them, by `GET /v1/documents/{id}/text?revision=`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx

from retrieval.database import Database
from retrieval.documents import find_revision
from retrieval.records import Scope

_LETTER_OR_DIGIT = re.compile(r"[^\W_]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A citation as an answer gave it."""

    document: str
    path: str
    revision: int
    page: int | None
    char_start: int
    char_end: int
    quote: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """What was broken, when, and where; without any text of the documents."""

    rule: str
    phase: str
    document: str
    revision: int
    char_start: int
    char_end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Text:
    """A revision as it is now: its text, and the pages of it as the index has them."""

    status: int
    text: str = ""
    page_starts: tuple[int, ...] = ()


@dataclass(slots=True)
class Ledger:
    """Enter answers, then `check_again`. `phase` names what is going on; violations carry it."""

    reader: httpx.AsyncClient
    database: Database
    phase: str = ""
    given: dict[Given, None] = field(default_factory=dict)
    violations: list[Violation] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    citations: Counter[str] = field(default_factory=Counter)
    checks: Counter[str] = field(default_factory=Counter)
    erased: set[str] = field(default_factory=set)
    _texts: dict[tuple[str, int], _Text] = field(default_factory=dict)

    async def enter(self, answer: Mapping[str, Any], *, answerer: str, settled: bool) -> tuple[Given, ...]:
        """Check an answer's citations. `settled`: no document can have changed since it was given."""
        citations = tuple(Given(**citation) for citation in answer["citations"])
        self.answers[answerer] += 1
        for given in citations:
            self.citations[given.path.partition("/")[0]] += 1
            self.citations["with a page"] += given.page is not None
            self.citations["of a changed document"] += given.revision > 1
            await self._check(given)
            if settled:
                await self._check_current(given)
            self.given.setdefault(given)
        self._check_numbers(answer, citations)
        if answer["short"] is not None:
            await self._check_short(answer["short"], citations)
        return citations

    async def check_again(self) -> None:
        """Check every citation that was ever given against its revision as it is now."""
        self._texts.clear()
        for given in self.given:
            await self._check(given)

    async def _check(self, given: Given) -> None:
        self.checks[self.phase] += 1
        for rule in self._broken(given, await self._text(given)):
            self._note(rule, given)

    def _broken(self, given: Given, found: _Text) -> Iterator[str]:
        if given.document in self.erased:
            if found.status != 410:
                yield f"a citation of a deleted document is answered with {found.status}, not 410"
            return
        if found.status != 200:
            yield f"the revision's text is answered with {found.status}"
            return
        if not 0 <= given.char_start < given.char_end <= len(found.text):
            yield "the offsets lie outside of the text"
        if found.text[given.char_start : given.char_end] != given.quote:
            yield "the text at the offsets is not the quote"
        if not _LETTER_OR_DIGIT.search(given.quote):
            yield "the quote says nothing"
        page = sum(start <= given.char_start for start in found.page_starts)
        if given.page != ((page or 1) if found.page_starts else None):
            yield "the page is not the one that holds the beginning of the quote"

    async def _check_current(self, given: Given) -> None:
        response = await self.reader.get(f"/v1/documents/{given.document}")
        shown = response.json()
        if response.status_code != 200:
            self._note(f"the document is answered with {response.status_code}", given)
        elif (shown["path"], shown["revision"]) != (given.path, given.revision):
            self._note("path or revision are not the document's", given)

    def _check_numbers(self, answer: Mapping[str, Any], citations: tuple[Given, ...]) -> None:
        """Every number names a citation, every citation is named, and nothing is supported by nothing."""
        named = {number for sentence in answer["sentences"] for number in sentence["citations"]}
        unproven = any(
            sentence["supported"] and not sentence["citations"] for sentence in answer["sentences"]
        )
        if named != set(range(len(citations))) or unproven or not citations:
            nowhere = Given(document="", path="", revision=0, page=None, char_start=0, char_end=0, quote="")
            self._note("sentences and citations do not fit together", citations[0] if citations else nowhere)

    async def _check_short(self, short: Mapping[str, Any], citations: tuple[Given, ...]) -> None:
        given = citations[short["citation"]]
        text = (await self._text(given)).text
        inside = given.char_start <= short["char_start"] < short["char_end"] <= given.char_end
        if not inside or text[short["char_start"] : short["char_end"]] != short["text"]:
            self._note("the short answer is not what stands at its place", given)

    async def _text(self, given: Given) -> _Text:
        key = given.document, given.revision
        if key not in self._texts:
            self._texts[key] = await self._fetch(*key)
        return self._texts[key]

    async def _fetch(self, document: str, revision: int) -> _Text:
        response = await self.reader.get(f"/v1/documents/{document}/text", params={"revision": revision})
        if response.status_code != 200 or response.headers["Footnote-Revision"] != str(revision):
            return _Text(status=response.status_code if response.status_code != 200 else 500)
        stored = await find_revision(
            self.database, UUID(document), revision=revision, scope=Scope.everything()
        )
        return _Text(status=200, text=response.content.decode(), page_starts=stored.page_starts)

    def note_of_deleted(self, citations: tuple[Given, ...]) -> None:
        """Note what an answer that is given now cites of documents that were deleted before."""
        for given in citations:
            if given.document in self.erased:
                self._note("a deleted document is cited", given)

    def _note(self, rule: str, given: Given) -> None:
        self.violations.append(
            Violation(
                rule=rule,
                phase=self.phase,
                document=given.document,
                revision=given.revision,
                char_start=given.char_start,
                char_end=given.char_end,
            )
        )
