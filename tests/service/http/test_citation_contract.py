"""`document_text[char_start:char_end] == quote`: in little what `benchmarks.citation_contract` checks at length."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.citation_contract import Plan, check_contract, kept, with_word_models
from benchmarks.citation_folder import Sizes
from benchmarks.citation_ledger import Ledger
from generation.caching import AnswerCache
from retrieval.database import Database
from retrieval.kept import Kept
from service.footnote import Footnote
from service.sections import ChunkingSettings
from tests.service.http.conftest import House

_QUESTION = "How many days of paid leave does an employee have?"
_TEXT = "☂️ Cafe\u0301.\n\nEvery employee has twenty-five days of paid leave in a year."


@pytest.fixture
async def quick(footnote: Footnote, dsn: str) -> AsyncIterator[Footnote]:
    """The service with words in common instead of models, short chunks that overlap, and answers kept."""
    chunking = ChunkingSettings(max_tokens=96, overlap_tokens=24)
    settings = footnote.settings.model_copy(update={"chunking": chunking})
    async with (
        Database(dsn, max_connections=12) as database,
        with_word_models(replace(footnote, settings=settings, database=database)) as unread,
    ):
        yield replace(unread, answer_cache=AnswerCache(Kept(max_bytes=1_000_000, max_age_s=3_600)))


async def test_every_quote_stands_at_its_place_before_and_after_documents_change(
    quick: Footnote, tmp_path: Path
) -> None:
    report = await check_contract(quick, tmp_path / "files", Plan(answers=50, deleted=6))
    assert kept(report, 50), report
    assert report["answers by"].keys() == {"extractive", "language model"}
    assert min(report["citations by"][kind] for kind in ("with a page", "of a changed document")) > 0
    assert report["deleted"] == 6


async def test_every_quote_from_real_documents_stands_at_its_place(
    quick: Footnote, tmp_path: Path, evaluation_data: Path
) -> None:
    sizes = Sizes(articles=1, chats=10, papers=0, largest_file=20_000)
    plan = Plan(answers=30, data=evaluation_data, sizes=sizes, deleted=4)
    report = await check_contract(quick, tmp_path / "files", plan)
    assert kept(report, 30), report
    assert report["citations by"].keys() >= {"articles", "chats", "files"}


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ({"char_start": 10, "char_end": 70}, "the text at the offsets is not the quote"),
        ({"char_end": 10_000}, "the offsets lie outside of the text"),
        ({"char_start": 0, "char_end": 2, "quote": "☂️"}, "the quote says nothing"),
        ({"page": 1}, "the page is not the one that holds the beginning of the quote"),
        ({"revision": 2}, "the revision's text is answered with 404"),
        ({"path": "other.txt"}, "path or revision are not the document's"),
    ],
)
async def test_the_check_finds_a_citation_that_is_wrong(
    house: House, change: Mapping[str, Any], rule: str
) -> None:
    answer = await answered(house)
    answer["citations"][0].update(change)
    ledger = Ledger(reader=house.client, database=house.footnote.database)
    await ledger.enter(answer, answerer="extractive", settled=True)
    assert rule in {violation.rule for violation in ledger.violations}


async def test_the_check_finds_a_deleted_document_that_is_still_there(house: House) -> None:
    answer = await answered(house)
    ledger = Ledger(reader=house.client, database=house.footnote.database)
    (given,) = await ledger.enter(answer, answerer="extractive", settled=True)
    assert ledger.violations == []
    ledger.erased.add(given.document)
    await ledger.check_again()
    assert [v.rule for v in ledger.violations] == [
        "a citation of a deleted document is answered with 200, not 410"
    ]


async def answered(house: House) -> dict[str, Any]:
    await house.add("leave.txt", _TEXT)
    answer: dict[str, Any] = (await house.client.post("/v1/ask", json={"question": _QUESTION})).json()
    assert answer["citations"]
    return answer
