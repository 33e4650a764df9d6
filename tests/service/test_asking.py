"""What is kept of answers never tells what has changed, nor what the caller may not read."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from generation.answers import Answer
from generation.caching import AnswerCache
from generation.errors import LLMUnavailableError
from generation.llms.scripted import ScriptedLLM
from retrieval.collections import ensure_collection
from retrieval.indexes import ensure_index
from retrieval.kept import Kept
from retrieval.readers import set_readers
from retrieval.records import Scope
from service.deleting import delete_document
from service.footnote import Footnote
from tests.service.http.conftest import House, open_house

_QUESTION = "How many days of paid leave does an employee have?"
_LEAVE = "Every employee has twenty-five days of paid leave in a year."


@pytest.fixture
async def keeping(footnote: Footnote) -> AsyncIterator[House]:
    """A house that keeps its answers."""
    kept = AnswerCache(Kept(max_bytes=1_000_000, max_age_s=3_600))
    async with open_house(replace(footnote, answer_cache=kept)) as house:
        yield house


def hits_of(house: House) -> int:
    return house.footnote.cache_figures()["answers"].hits


async def ask(house: House, *principals: str) -> Answer:
    return await house.footnote.ask("default", _QUESTION, scope=Scope.of(principals))


async def test_an_answer_that_was_given_is_given_again_to_the_byte_streamed_or_not(keeping: House) -> None:
    await keeping.add("leave.txt", _LEAVE)
    body = {"question": _QUESTION}
    first, second = [await keeping.client.post("/v1/ask", json=body) for _ in range(2)]
    streamed = await keeping.client.post("/v1/ask", json={**body, "stream": True})
    assert first.json()["status"] == "answered"
    assert first.content == second.content
    assert first.content in streamed.content
    assert hits_of(keeping) == 2
    metrics = (await keeping.client.get("/metrics")).text
    assert 'footnote_cache_lookups_total{cache="answers",outcome="hit"} 2.0' in metrics
    assert 'footnote_cache_lookups_total{cache="answers",outcome="miss"} 1.0' in metrics
    assert 'footnote_cache_entries{cache="answers"} 1.0' in metrics


async def test_a_document_that_changed_is_answered_from_as_it_is_now(keeping: House) -> None:
    await keeping.add("leave.txt", _LEAVE)
    before = await ask(keeping)
    await keeping.add("leave.txt", _LEAVE.replace("twenty-five", "thirty"))
    after = await ask(keeping)
    assert "twenty-five" in before.answer
    assert "thirty" in after.answer
    assert [citation.revision for citation in after.citations] == [2]
    assert hits_of(keeping) == 0


async def test_a_text_that_moved_within_its_document_is_cited_where_it_is_now(keeping: House) -> None:
    await keeping.add("leave.txt", _LEAVE)
    await ask(keeping)
    text = f"A new beginning, about cats.\n\n{_LEAVE}"
    await keeping.add("leave.txt", text)
    (citation,) = (await ask(keeping)).citations
    assert text[citation.char_start : citation.char_end] == citation.quote
    assert hits_of(keeping) == 0


async def test_a_caller_gets_no_answer_that_was_made_from_what_they_may_not_read(keeping: House) -> None:
    await keeping.add("leave.txt", _LEAVE, readers=["group:hr"])
    await keeping.add("cats.txt", "Cats sleep for most of the day.")
    theirs = await ask(keeping, "group:hr")
    others = await ask(keeping)
    assert theirs.status == "answered"
    assert others.status == "refused"
    assert {place.path for place in others.looked_at} <= {"cats.txt"}
    assert hits_of(keeping) == 0


async def test_a_caller_who_lost_a_document_gets_no_answer_from_it_any_more(keeping: House) -> None:
    await keeping.add("cats.txt", "Cats sleep for most of the day.")
    document_id = await keeping.add("leave.txt", _LEAVE, readers=["group:hr"])
    assert (await ask(keeping, "group:hr")).status == "answered"
    footnote = keeping.footnote
    collection = await ensure_collection(footnote.database, "default")
    index = await ensure_index(footnote.database, collection, footnote.embedder.identity, footnote.store)
    await set_readers(footnote.database, footnote.store, index, document_id, ["user:ann"])
    assert (await ask(keeping, "group:hr")).status == "refused"
    assert (await ask(keeping, "user:ann")).status == "answered"


async def test_callers_who_are_given_the_same_passages_share_an_answer(keeping: House) -> None:
    await keeping.add("leave.txt", _LEAVE)
    assert await ask(keeping, "user:ann") == await ask(keeping, "user:bob")
    assert hits_of(keeping) == 1


async def test_an_answer_from_a_deleted_document_is_not_given_again(keeping: House) -> None:
    await keeping.add("cats.txt", "Cats sleep for most of the day.")
    document_id = await keeping.add("leave.txt", _LEAVE)
    assert (await ask(keeping)).status == "answered"
    footnote = keeping.footnote
    await delete_document(footnote.database, footnote.settings, document_id, keep_out=False)
    assert (await ask(keeping)).status == "refused"


async def test_what_failed_is_tried_again(keeping: House) -> None:
    await keeping.add("leave.txt", _LEAVE)
    failing = replace(keeping.footnote, llm=ScriptedLLM("Every", error=LLMUnavailableError("it broke off")))
    for _ in range(2):
        with pytest.raises(LLMUnavailableError):
            await failing.ask("default", _QUESTION, scope=Scope.of([]))
    assert failing.llm is not None
    assert len(failing.llm.prompts) == 2  # type: ignore[attr-defined]


async def test_a_kept_answer_costs_the_model_nothing_and_says_what_it_cost_then(keeping: House) -> None:
    await keeping.add("leave.txt", _LEAVE)
    llm = ScriptedLLM(f"{_LEAVE[:-1]} [1].")
    footnote = replace(keeping.footnote, llm=llm)
    first, second = [await footnote.ask("default", _QUESTION, scope=Scope.of([])) for _ in range(2)]
    assert len(llm.prompts) == 1
    assert first == second
    assert second.usage.completion_tokens > 0
