"""A question, from the words of a caller to the events of its answer: words → search → evidence, answer, checks.

What can be found wrong with a question is found by `prepare`, before anything is told or any model works.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, field, replace

from generation.answer import stream_answer
from generation.answers import EXTRACTIVE_MODEL, AnswerPolicy, Rewriting
from generation.caching import AnswerCache, answer_key
from generation.entailment import PairReader
from generation.events import AnswerEvent, Delta, Done, Retrieved
from generation.llms import LLM
from generation.permission import permitted
from generation.rewriting import RewriteMethod, RewritePolicy, Turn
from retrieval.collections import find_readable_collection
from retrieval.database import Database
from retrieval.filters import NO_FILTERS, Filters
from retrieval.neighbours import NO_GAPS, GapTexts, gaps_between, read_gaps
from retrieval.passages import PassagePolicy
from retrieval.queries import SearchQueries
from retrieval.records import Collection, Hit, Scope
from retrieval.reranking import PairScorer
from retrieval.search import Searcher, check_k, check_question
from service.observing import Observer
from service.wording import find_words

DEFAULT_K = 10
"""How many passages an answer is made from where the caller does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question that can be answered: its words are in bounds, and its caller may read the collection.

    turns: the conversation so far, oldest first. passages: None as the settings say.
    """

    text: str
    collection: Collection
    k: int
    scope: Scope
    filters: Filters
    passages: PassagePolicy | None
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """What answering takes.

    rewrite: how questions are put into other words before a search, or None. cache: None where nothing is kept.
    observer: measures the stages of an answer and counts what language models take.
    """

    database: Database
    searcher: Searcher
    scorer: PairScorer
    llm: LLM | None
    policy: AnswerPolicy
    pair_reader: PairReader | None
    rewrite: RewriteMethod | None
    rewrite_policy: RewritePolicy
    cache: AnswerCache | None
    observer: Observer = field(default_factory=Observer)

    async def prepare(
        self,
        collection: str,
        question: str,
        *,
        k: int = DEFAULT_K,
        scope: Scope,
        filters: Filters = NO_FILTERS,
        passages: PassagePolicy | None = None,
        turns: Sequence[Turn] = (),
    ) -> Question:
        """The question, checked. Raises `InvalidRequestError`, `NotFoundError`, `OutsideNotAllowedError`."""
        text, k = check_question(question), check_k(k)
        found = await find_readable_collection(self.database, collection, scope=scope)
        if self.llm is not None:
            permitted(self.llm, allow_outside=found.allow_outside)
        return Question(
            text=text,
            collection=found,
            k=k,
            scope=scope,
            filters=filters,
            passages=passages,
            turns=tuple(turns),
        )

    async def answer(self, question: Question) -> AsyncGenerator[AnswerEvent, None]:
        """What happens while the question is answered (`generation.events`). Wrap it in `contextlib.aclosing`."""
        with ExitStack() as whole:
            whole.enter_context(self.observer.stage("answer"))
            until_text = whole.enter_context(ExitStack())
            until_text.enter_context(self.observer.stage("first_text"))
            async with aclosing(self._answer(question)) as events:
                async for event in events:
                    if isinstance(event, Delta | Done):
                        until_text.close()
                    yield event

    async def _answer(self, question: Question) -> AsyncGenerator[AnswerEvent, None]:
        words = await self.find_words(question.text, question.turns, question.collection)
        queries = SearchQueries.of(question.text) if words is None else words.queries
        hits = await self.searcher.search(
            question.collection,
            queries,
            k=question.k,
            scope=question.scope,
            filters=question.filters,
            passages=question.passages,
        )
        async with aclosing(self._from(hits, queries.question, question)) as events:
            async for event in events:
                yield _with_words(event, words)

    def _from(self, hits: Sequence[Hit], alone: str, question: Question) -> AsyncGenerator[AnswerEvent, None]:
        """The answer from these passages to the question as it stands alone: one that was made before, or made now."""
        allow_outside = question.collection.allow_outside
        llm = None if self.llm is None else permitted(self.llm, allow_outside=allow_outside)
        if self.cache is None:
            return self._make(alone, hits, llm, allow_outside=allow_outside)
        return self.cache.stream(
            answer_key(alone, question.turns, hits, llm=llm, policy=self.policy),
            lambda: self._make(alone, hits, llm, allow_outside=allow_outside),
            model=EXTRACTIVE_MODEL if llm is None else llm.model,
        )

    async def _make(
        self, alone: str, hits: Sequence[Hit], llm: LLM | None, *, allow_outside: bool
    ) -> AsyncGenerator[AnswerEvent, None]:
        events = stream_answer(
            alone,
            hits,
            scorer=self.scorer,
            llm=llm,
            allow_outside=allow_outside,
            policy=self.policy,
            gap_texts=await self._gap_texts(hits),
            pair_reader=self.pair_reader,
            stages=self.observer,
        )
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Done):  # made now: what was kept costs nothing
                    self.observer.spent(event.answer.usage, model=event.answer.model)
                yield event

    async def find_words(
        self, question: str, turns: Sequence[Turn], collection: Collection
    ) -> Rewriting | None:
        """What to search for instead of the question, or None where it is to be searched for as it was asked."""
        if self.llm is None or not (turns or self.rewrite):
            return await self._find_words(question, turns, collection)
        with self.observer.stage("words"):
            words = await self._find_words(question, turns, collection)
        if words is not None:
            self.observer.spent(words.usage, model=self.llm.model)
        return words

    async def _find_words(
        self, question: str, turns: Sequence[Turn], collection: Collection
    ) -> Rewriting | None:
        return await find_words(
            question,
            turns,
            self.rewrite,
            llm=self.llm,
            allow_outside=collection.allow_outside,
            policy=self.rewrite_policy,
        )

    async def _gap_texts(self, hits: Sequence[Hit]) -> GapTexts:
        """What stands between neighbouring hits, for a language model to read them as one passage."""
        if self.llm is None:
            return NO_GAPS
        return await read_gaps(self.database, gaps_between([hit.passage for hit in hits]))


def _with_words(event: AnswerEvent, words: Rewriting | None) -> AnswerEvent:
    """The event with what was searched for, where it tells that."""
    match event:
        case Retrieved():
            return replace(event, searched=words)
        case Done(answer=answer):
            return Done(answer=replace(answer, searched=words))
    return event
