from __future__ import annotations

from collections.abc import Sequence

import pytest

from generation.answers import Rewriting
from generation.errors import LLMUnavailableError, OutsideNotAllowedError
from generation.llms import LLM
from generation.llms.scripted import ScriptedLLM
from generation.rewriting import RewriteMethod, RewritePolicy, Turn
from retrieval.queries import SearchQueries
from service.wording import find_words

FOLLOW_UP = "And for the other one?"
ALONE = "How long is parental leave for the other parent?"
TURNS = [Turn(question="How long is parental leave?", answer="Birth parents have 26 weeks [1].")]


async def words(
    llm: LLM | None,
    *,
    turns: Sequence[Turn] = TURNS,
    method: RewriteMethod | None = None,
    allow_outside: bool = False,
) -> Rewriting | None:
    return await find_words(
        FOLLOW_UP, turns, method, llm=llm, allow_outside=allow_outside, policy=RewritePolicy()
    )


async def test_a_question_by_itself_is_searched_for_as_it_is() -> None:
    assert await words(ScriptedLLM("anything"), turns=[]) is None
    assert await words(None, turns=[], method="hyde") is None


async def test_without_a_model_a_follow_up_stays_and_that_is_said() -> None:
    found = await words(None)
    assert found is not None
    assert (found.queries, found.outcome) == (SearchQueries.of(FOLLOW_UP), "unchanged")
    assert found.why == "There is no language model to make the follow-up stand alone: it was taken as it is."


async def test_a_follow_up_that_stands_alone_is_what_other_words_are_looked_for() -> None:
    found = await words(ScriptedLLM(ALONE), method="multi_query")
    assert found is not None
    assert found.queries == SearchQueries.of(ALONE)
    assert found.outcome == "rewritten"
    assert found.why == "The language model only repeated the question."
    once = await words(ScriptedLLM(ALONE))
    assert once is not None
    assert once.why is None
    assert found.usage.prompt_tokens > once.usage.prompt_tokens


async def test_a_follow_up_that_could_not_stand_alone_is_not_put_into_other_words() -> None:
    llm = ScriptedLLM(error=LLMUnavailableError("the language model 'm' cannot be reached."))
    found = await words(llm, method="rewrite")
    assert found is not None
    assert (found.queries, found.outcome) == (SearchQueries.of(FOLLOW_UP), "failed")
    assert len(llm.prompts) == 1


async def test_a_question_goes_outside_only_where_it_may_and_a_conversation_not_at_all() -> None:
    llm = ScriptedLLM(ALONE, location="outside")
    found = await words(llm, turns=[], method="rewrite")
    assert found is not None
    assert found.outcome == "not_allowed"
    with pytest.raises(OutsideNotAllowedError):
        await words(llm)
    assert llm.prompts == []
    assert (await words(llm, allow_outside=True)) is not None
