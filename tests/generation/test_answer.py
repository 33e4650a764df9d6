"""Whole answers, with the real evidence check and a scripted language model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from generation.answer import answer_question, stream_answer
from generation.answers import REFUSAL, Answer, AnswerPolicy
from generation.errors import LLMUnavailableError, OutsideNotAllowedError
from generation.events import (
    CitationAdded,
    Delta,
    Done,
    Retrieved,
    SentenceChecked,
    SentenceDropped,
    UsageReported,
)
from generation.llms import LLM, TextDelta
from generation.llms.scripted import ScriptedLLM
from retrieval.batching import ScoringBatcher
from retrieval.neighbours import gaps_between
from retrieval.records import Passage
from retrieval.rerankers import Reranker
from retrieval.reranking import PairScorer
from tests.generation.build import OverlapScorer, check_citations, document_id, hits, passage

REVISION = (
    "Parental leave 😀\n\n"
    "Birth parents have 26 weeks of leave. The other parent has 6 weeks of leave on full pay.\n\n"
    "Tomás Brennan confirms the dates\nwithin ten working days. A child's second birthday ends the entitlement."
)
PATH = "people/leave.pdf"
PAGES = (0, REVISION.index("Tomás"))
QUESTION = "How many weeks of leave does the other parent have?"


def cut(start: str, end: str) -> Passage:
    """The passage of the revision from `start` to the end of `end`."""
    first, last = REVISION.index(start), REVISION.index(end) + len(end)
    return passage(
        REVISION[first:last],
        before=REVISION[:first],
        title="Parental leave",
        page_starts=PAGES,
        path="people/leave.pdf",
    )


HITS = hits(
    cut("Birth", "full pay."),
    cut("Tomás", "entitlement."),
)


@pytest.fixture
async def scorer(reranker: Reranker) -> AsyncIterator[ScoringBatcher]:
    async with ScoringBatcher(reranker) as batcher:
        yield batcher


async def ask(
    scorer: PairScorer,
    *,
    llm: LLM | None = None,
    question: str = QUESTION,
    allow_outside: bool = False,
    **policy: Any,
) -> Answer:
    answer = await answer_question(
        question, HITS, scorer=scorer, llm=llm, allow_outside=allow_outside, policy=AnswerPolicy(**policy)
    )
    check_citations(answer, REVISION)
    return answer


async def test_without_a_model_the_answer_is_the_source_s_own_sentence(scorer: ScoringBatcher) -> None:
    answer = await ask(scorer)
    assert answer.status == "answered"
    assert "The other parent has 6 weeks of leave on full pay." in answer.answer
    assert answer.model == "extractive"
    assert {citation.page for citation in answer.citations} == {1}
    assert answer.usage.completion_tokens == 0


async def test_the_number_that_was_asked_for_is_shown_at_its_place(scorer: ScoringBatcher) -> None:
    answer = await ask(scorer, question="How many weeks of leave does the other parent have?")
    assert answer.short is not None
    assert (answer.short.text, answer.citations[answer.short.citation].page) == ("6", 1)
    assert REVISION[answer.short.char_start : answer.short.char_end] == "6"
    assert (await ask(scorer, question="May the other parent take leave?")).short is None


async def test_the_json_is_the_documented_shape(scorer: ScoringBatcher) -> None:
    shape = json.loads(json.dumps((await ask(scorer)).as_json()))
    assert list(shape) == [
        *(
            "answer",
            "status",
            "answered",
            "missing",
            "looked_at",
            "sentences",
            "citations",
            "model",
            "usage",
            "dropped",
            "short",
        )
    ]
    assert shape["answered"] is True
    assert shape["missing"] is None
    assert shape["looked_at"][0].keys() == {"document", "path", "page", "score"}
    assert shape["sentences"][0].keys() == {"text", "supported", "support", "citations"}
    assert shape["sentences"][0]["citations"] == [0]
    citation = shape["citations"][0]
    assert citation.keys() == {"document", "path", "revision", "page", "char_start", "char_end", "quote"}
    assert citation["document"] == str(document_id("people/leave.pdf"))
    assert citation["revision"] == 3
    assert shape["usage"] == {"prompt_tokens": 0, "completion_tokens": 0, "estimated": False}


@pytest.mark.parametrize(
    "question", ["hello", "What is the capital of France?", "asdf qwer", "写一首诗", "x" * 5_000]
)
@pytest.mark.parametrize("worded", [False, True])
async def test_what_the_sources_do_not_answer_is_refused_with_what_was_looked_at(
    question: str, worded: bool, scorer: ScoringBatcher
) -> None:
    llm = ScriptedLLM("Paris [1].")
    answer = await ask(scorer, question=question, llm=llm if worded else None)
    assert answer.status == "refused"
    assert answer.answer == REFUSAL
    assert (answer.sentences, answer.citations) == ((), ())
    assert {(place.path, place.page) for place in answer.looked_at} == {(PATH, 1), (PATH, 2)}
    assert all(place.score < 0.5 for place in answer.looked_at)
    assert answer.missing
    assert llm.prompts == []


async def test_a_question_to_which_nothing_was_found_is_refused() -> None:
    answer = await answer_question(
        QUESTION, [], scorer=OverlapScorer(), llm=None, allow_outside=False, policy=AnswerPolicy()
    )
    assert (answer.status, answer.looked_at) == ("refused", ())
    assert answer.missing == "Nothing was found that has to do with the question."


@pytest.mark.parametrize("question", ["", "????", " \n", "🤷"])
async def test_a_question_without_words_is_refused(question: str, scorer: ScoringBatcher) -> None:
    assert (await ask(scorer, question=question)).status == "refused"


async def test_a_worded_answer_cites_the_sentence_that_supports_it(scorer: ScoringBatcher) -> None:
    llm = ScriptedLLM("The other parent has ", "six weeks of leave, on full pay [", "1].")
    answer = await ask(scorer, llm=llm)
    assert answer.status == "answered"
    assert answer.answer == "The other parent has six weeks of leave, on full pay."
    assert [citation.quote for citation in answer.citations] == [
        "The other parent has 6 weeks of leave on full pay."
    ]
    assert answer.model == "scripted"
    assert answer.usage.estimated
    assert answer.usage.prompt_tokens > 50
    assert answer.missing is None


async def test_an_unsupported_sentence_is_dropped_and_the_answer_partial(scorer: ScoringBatcher) -> None:
    llm = ScriptedLLM(
        "The other parent has 6 weeks of leave [1]. The other parent has 12 weeks of leave in Japan [1]."
    )
    answer = await ask(scorer, llm=llm)
    assert (answer.status, answer.dropped) == ("partial", 1)
    assert answer.answer == "The other parent has 6 weeks of leave."
    assert answer.missing == (
        "One sentence that the language model wrote was left out, because no passage supports it."
    )


async def test_an_unsupported_sentence_is_marked_where_the_policy_says_so(scorer: ScoringBatcher) -> None:
    llm = ScriptedLLM(
        "The other parent has 6 weeks of leave [1]. The other parent has 12 weeks of leave in Japan [1]."
    )
    answer = await ask(scorer, llm=llm, unsupported="mark")
    assert (answer.status, answer.dropped) == ("partial", 0)
    assert [sentence.supported for sentence in answer.sentences] == [True, False]
    assert (
        answer.missing
        == "One sentence that the language model wrote was marked, because no passage supports it."
    )


@pytest.mark.parametrize("unsupported", ["drop", "mark"])
async def test_an_answer_without_a_supported_sentence_is_refused(
    unsupported: str, scorer: ScoringBatcher
) -> None:
    llm = ScriptedLLM("Dogs are welcome at work [1]. So are cats [2].")
    answer = await ask(scorer, llm=llm, unsupported=unsupported, nothing_supported="refuse")
    assert (answer.status, answer.dropped) == ("refused", 2)
    assert (
        answer.missing == "The passages do not support any of the 2 sentences that the language model wrote."
    )


@pytest.mark.parametrize("unsupported", ["drop", "mark"])
async def test_where_nothing_that_a_model_wrote_is_supported_the_sources_are_quoted(
    unsupported: str, scorer: ScoringBatcher
) -> None:
    llm = ScriptedLLM("Dogs are welcome at work [1]. So are cats [2].")
    answer = await ask(scorer, llm=llm, unsupported=unsupported)
    assert (answer.status, answer.dropped, answer.model) == ("partial", 2, llm.model)
    assert "The other parent has 6 weeks of leave on full pay." in answer.answer
    assert answer.missing == (
        "None of the 2 sentences that the language model wrote is supported by a passage: "
        "quoted instead is what the sources say themselves."
    )
    assert answer.usage.completion_tokens > 0


async def test_quotations_in_the_place_of_an_answer_are_told_after_it(scorer: ScoringBatcher) -> None:
    llm = ScriptedLLM("Dogs are welcome at work [1].")
    told = [
        event
        async for event in stream_answer(
            QUESTION, HITS, scorer=scorer, llm=llm, allow_outside=False, policy=AnswerPolicy()
        )
    ]
    deltas = "".join(event.text for event in told if isinstance(event, Delta))
    settled = [event.settled for event in told if isinstance(event, SentenceDropped | SentenceChecked)]
    assert settled == sorted(settled)
    assert settled[-1] == len(deltas)
    assert deltas.startswith("Dogs are welcome at work.")


async def test_a_policy_that_refuses_for_one_sentence_refuses_for_all_of_them(scorer: ScoringBatcher) -> None:
    answer = await ask(scorer, llm=ScriptedLLM("Dogs are welcome at work [1]."), unsupported="refuse")
    assert answer.status == "refused"


@pytest.mark.parametrize(
    "said", ["NOT_IN_SOURCES", "The passages do not mention the other parent.", "I don't know."]
)
async def test_a_model_that_finds_no_answer_is_believed(said: str, scorer: ScoringBatcher) -> None:
    answer = await ask(scorer, llm=ScriptedLLM(said))
    assert answer.status == "refused"
    assert (answer.missing or "").startswith("The language model found no answer in the passages")


async def test_what_the_model_says_is_missing_is_told_in_its_words(scorer: ScoringBatcher) -> None:
    llm = ScriptedLLM("The other parent has 6 weeks of leave [1].\nMISSING: whether it can be split.")
    answer = await ask(scorer, llm=llm)
    assert answer.status == "partial"
    assert answer.answer == "The other parent has 6 weeks of leave."
    assert answer.missing == (
        "The passages do not answer all of the question (in its words: “whether it can be split”)."
    )


async def test_a_sentence_that_was_cut_off_is_not_shown(scorer: ScoringBatcher) -> None:
    llm = ScriptedLLM("The other parent has 6 weeks of leave [1]. Birth parents have 26", cut=True)
    answer = await ask(scorer, llm=llm)
    assert answer.status == "partial"
    assert answer.answer == "The other parent has 6 weeks of leave."
    assert "limit of tokens" in (answer.missing or "")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("The other parent has", "reached its limit of tokens"),
        ("<think>Hm.", "reached its limit"),
        ("[1]", "reached its limit"),
    ],
)
async def test_an_answer_cut_off_before_its_first_sentence_ends_is_refused_for_that_reason(
    said: str, reason: str, scorer: ScoringBatcher
) -> None:
    answer = await ask(scorer, llm=ScriptedLLM(said, cut=True))
    assert answer.status == "refused"
    assert "reached its limit of tokens" in (answer.missing or "")


async def test_an_answer_without_words_is_refused(scorer: ScoringBatcher) -> None:
    answer = await ask(scorer, llm=ScriptedLLM("[1] … [2]"))
    assert (answer.status, answer.missing) == (
        "refused",
        "The language model said nothing that could be checked.",
    )


async def test_a_model_that_repeats_itself_is_shown_once(scorer: ScoringBatcher) -> None:
    answer = await ask(scorer, llm=ScriptedLLM("The other parent has 6 weeks of leave [1]. " * 5))
    assert (answer.status, answer.answer) == ("answered", "The other parent has 6 weeks of leave.")


async def test_lists_keep_their_shape(scorer: ScoringBatcher) -> None:
    llm = ScriptedLLM(
        "- Birth parents have 26 weeks of leave [1]\n- The other parent has 6 weeks of leave [1]"
    )
    answer = await ask(scorer, llm=llm)
    assert answer.answer == "- Birth parents have 26 weeks of leave\n- The other parent has 6 weeks of leave"


async def test_one_unsupported_sentence_has_the_whole_answer_refused_where_the_policy_says_so(
    scorer: ScoringBatcher,
) -> None:
    supported = "The other parent has 6 weeks of leave [1]."
    llm = ScriptedLLM(f"{supported} The other parent has 12 weeks of leave in Japan [1].")
    answer = await ask(scorer, llm=llm, unsupported="refuse")
    assert (answer.status, answer.dropped, answer.sentences) == ("refused", 1, ())
    assert (answer.missing or "").startswith(
        "The language model wrote 2 sentences, and no passage supports one of them"
    )
    assert (await ask(scorer, llm=ScriptedLLM(supported), unsupported="refuse")).status == "answered"


@pytest.mark.parametrize("unsupported", ["drop", "mark", "refuse"])
@pytest.mark.parametrize(
    "said",
    [
        "The other parent has 6 weeks of leave [1]. The other parent has 12 weeks of leave in Japan [1].",
        "Dogs are welcome [1]. The other parent has 6 weeks of leave [1].\nMISSING: the rest.",
        "Dogs are welcome [1].",
        "NOT_IN_SOURCES",
        None,
    ],
)
async def test_what_is_told_on_the_way_is_what_the_whole_answer_says(
    scorer: ScoringBatcher, said: str | None, unsupported: Any
) -> None:
    llm = None if said is None else ScriptedLLM(*said)
    events = [
        event
        async for event in stream_answer(
            QUESTION,
            HITS,
            scorer=scorer,
            llm=llm,
            allow_outside=False,
            policy=AnswerPolicy(unsupported=unsupported),
        )
    ]
    whole = await ask(scorer, llm=llm, unsupported=unsupported)
    first, *between, usage, done = events
    assert done == Done(answer=whole)
    assert first == Retrieved(looked_at=whole.looked_at)
    assert usage == UsageReported(usage=whole.usage)
    told = [event.sentence for event in between if isinstance(event, SentenceChecked)]
    assert tuple(told) == whole.sentences
    assert tuple(event.citation for event in between if isinstance(event, CitationAdded)) == whole.citations
    assert sum(isinstance(event, SentenceDropped) for event in between) == whole.dropped
    written = "".join(event.text for event in between if isinstance(event, Delta))
    for event in between:
        if isinstance(event, SentenceChecked):
            assert written[: event.settled].endswith(event.sentence.text)
    if llm is None:
        assert written == whole.answer


async def test_an_outside_model_gets_nothing_unless_the_collection_allows_it(scorer: ScoringBatcher) -> None:
    llm = ScriptedLLM("The other parent has 6 weeks of leave [1].", location="outside")
    with pytest.raises(OutsideNotAllowedError, match="collections allow-outside"):
        await ask(scorer, llm=llm)
    assert llm.prompts == []
    assert (await ask(scorer, llm=llm, allow_outside=True)).status == "answered"


async def test_a_model_that_fails_is_an_error_and_no_extract() -> None:
    llm = ScriptedLLM("The other parent has 6 weeks", error=LLMUnavailableError("it broke off"))
    with pytest.raises(LLMUnavailableError, match="it broke off"):
        await ask(OverlapScorer(), llm=llm)


async def test_a_caller_that_goes_away_closes_the_model_s_stream() -> None:
    class Endless(ScriptedLLM):
        async def stream(self, messages: Any, *, max_tokens: int) -> Any:
            try:
                while True:
                    yield TextDelta(text="on and ")
                    await asyncio.sleep(0.01)
            finally:
                self.closed_early += 1

    llm = Endless()
    task = asyncio.create_task(ask(OverlapScorer(), llm=llm))
    await asyncio.sleep(0.1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert llm.closed_early == 1


@given(said=st.text(max_size=120), question=st.text(max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=25)
async def test_whatever_is_asked_and_said_every_citation_holds(said: str, question: str) -> None:
    scorer = OverlapScorer()
    for policy in (AnswerPolicy(answer_from=0.0, supported_from=0.0), AnswerPolicy()):
        for llm in (None, ScriptedLLM(said or " ", f"{REVISION} [2]")):
            answer = await answer_question(
                question or "?", HITS, scorer=scorer, llm=llm, allow_outside=False, policy=policy
            )
            check_citations(answer, REVISION)
            assert answer.as_json()["answer"]


async def test_neighbouring_chunks_are_one_passage_to_the_model_and_citations_stay_exact(
    scorer: ScoringBatcher,
) -> None:
    llm = ScriptedLLM(
        "The other parent has 6 weeks of leave on full pay [1]. "
        "Tomás Brennan confirms the dates within ten working days [1]."
    )
    gap_texts = {
        gap: REVISION[gap.char_start : gap.char_end] for gap in gaps_between([hit.passage for hit in HITS])
    }
    answer = await answer_question(
        QUESTION,
        HITS,
        scorer=scorer,
        llm=llm,
        allow_outside=False,
        policy=AnswerPolicy(),
        gap_texts=gap_texts,
    )
    check_citations(answer, REVISION)
    assert llm.prompts[0][1].content.count("<passage") == 1
    assert [sentence.supported for sentence in answer.sentences] == [True, True]
    assert [citation.page for citation in answer.citations] == [1, 2]
