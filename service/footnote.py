"""The built service: what it can be asked, and the parts that it is built of."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field

from generation.answer import whole
from generation.answers import Answer, AnswerPolicy, Rewriting
from generation.caching import AnswerCache
from generation.events import AnswerEvent
from generation.llms import LLM
from generation.rewriting import Turn
from retrieval.batching import ReadingBatcher, ScoringBatcher
from retrieval.collections import find_readable_collection
from retrieval.filters import NO_FILTERS, Filters
from retrieval.kept import KeptFigures
from retrieval.passages import PassagePolicy
from retrieval.queries import SearchQueries
from retrieval.query_vectors import KeptVectors
from retrieval.records import Hit, Scope
from retrieval.rerankers import Reranker
from retrieval.search import Searcher, check_k, check_question
from service.asking import DEFAULT_K, Asking, Question
from service.intake import Intake
from service.metering import Meter
from service.observing import Observer
from service.outside import check_models_allowed
from service.quotas import Quotas
from service.specs import limits, prices, rewrite_policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a search found, best first, and what was searched for where other words were looked for."""

    hits: tuple[Hit, ...]
    searched: Rewriting | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Footnote(Intake):
    """The built service: the way in, and the way to answers. Owned by `open_footnote`."""

    reranker: Reranker
    scoring: ScoringBatcher
    searcher: Searcher
    llm: LLM | None
    answer_policy: AnswerPolicy
    answer_cache: AnswerCache | None = None
    query_vectors: KeptVectors | None = None
    pair_reader: ReadingBatcher | None = None
    observer: Observer = field(default_factory=Observer)

    async def search(
        self,
        collection: str,
        question: str,
        *,
        k: int,
        scope: Scope,
        filters: Filters = NO_FILTERS,
        passages: PassagePolicy | None = None,
    ) -> Found:
        """The best `k` passages of a collection for a question; `passages` where not as the settings say."""
        question, k = check_question(question), check_k(k)
        found = await find_readable_collection(self.database, collection, scope=scope)
        check_models_allowed(self.settings, found)
        words = await self._asking.find_words(question, (), found)
        queries = SearchQueries.of(question) if words is None else words.queries
        hits = await self.searcher.search(
            found, queries, k=k, scope=scope, filters=filters, passages=passages
        )
        return Found(hits=tuple(hits), searched=words)

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
        """A question to a collection, checked before any work is done; `turns` are the conversation, oldest first.

        With a language model a follow-up is made to stand alone and answered as such; without one it is taken as it is.
        """
        prepared = await self._asking.prepare(
            collection, question, k=k, scope=scope, filters=filters, passages=passages, turns=turns
        )
        check_models_allowed(self.settings, prepared.collection)
        return prepared

    def answer(self, question: Question) -> AsyncGenerator[AnswerEvent, None]:
        """The answer as it comes about: every sentence cited, or a refusal. Wrap it in `contextlib.aclosing`."""
        return self._asking.answer(question)

    async def ask(
        self,
        collection: str,
        question: str,
        *,
        k: int = DEFAULT_K,
        scope: Scope,
        filters: Filters = NO_FILTERS,
        passages: PassagePolicy | None = None,
        turns: Sequence[Turn] = (),
    ) -> Answer:
        """The whole answer to a question that is put as to `prepare`."""
        prepared = await self.prepare(
            collection, question, k=k, scope=scope, filters=filters, passages=passages, turns=turns
        )
        async with aclosing(self.answer(prepared)) as events:
            return await whole(events)

    @property
    def meter(self) -> Meter:
        """What answers on a caller's behalf may cost and how long they may take."""
        chosen = self.settings.llm
        models = () if self.llm is None else (self.llm.model, *(m.model or "" for m in chosen.fallbacks))
        return Meter(
            quotas=self.quotas,
            prices=prices(self.settings),
            models=models,
            policy=self.answer_policy,
            rewrites=self.settings.queries.rewrite != "off",
            timeout_s=self.settings.overload.answer_timeout_s,
            observer=self.observer,
        )

    @property
    def quotas(self) -> Quotas:
        """What callers may take."""
        return Quotas(database=self.database, limits=limits(self.settings))

    @property
    def _asking(self) -> Asking:
        method = self.settings.queries.rewrite
        return Asking(
            database=self.database,
            searcher=self.searcher,
            scorer=self.scoring,
            llm=self.llm,
            policy=self.answer_policy,
            pair_reader=self.pair_reader,
            rewrite=None if method == "off" else method,
            rewrite_policy=rewrite_policy(self.settings),
            cache=self.answer_cache,
            observer=self.observer,
        )

    def cache_figures(self) -> dict[str, KeptFigures]:
        """How often what is kept was of use, by what is kept."""
        kept = {"answers": self.answer_cache, "query_vectors": self.query_vectors}
        return {name: cache.figures() for name, cache in kept.items() if cache is not None}

    def waiting(self) -> dict[str, int]:
        """How much waits for the models, by queue."""
        waiting = {**self.embedding.waiting(), "pairs": self.scoring.waiting()}
        return waiting if self.pair_reader is None else waiting | {"support": self.pair_reader.waiting()}
