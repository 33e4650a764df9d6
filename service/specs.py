"""Specs and policies: what the settings say, in the words of the packages that it is said to.

Nothing is built here, but that weights are found, or fetched where they are not there yet.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from generation.answers import AnswerPolicy
from generation.llms import LLMSpec
from generation.rewriting import RewritePolicy
from ingest.catalog import SourceRecord
from ingest.chunking import ChunkPolicy
from ingest.fetching.addresses import AddressPolicy
from ingest.fetching.policies import BucketAccess, FetchPolicy
from ingest.sources import SourceSpec
from retrieval.embedders import EmbedderSpec, RemoteEmbedderSpec
from retrieval.model_servers.spec import ServerSpec
from retrieval.passages import PassagePolicy
from retrieval.rerankers import RemoteRerankerSpec, RerankerSpec
from retrieval.reranking import RerankPolicy
from retrieval.search import SearchPolicy
from retrieval.stores import StoreSpec
from retrieval.weights import EMBEDDER_PIN, RERANKER_PIN, WeightsPin, find_weights
from service.limits import Limits
from service.prices import Price, Prices
from service.sections import ModelSettings, ServedModelSettings, expand
from service.settings import Settings
from service.tracing import TracerSpec

Report = Callable[[str], None]


def tracer_spec(settings: Settings) -> TracerSpec:
    """Where traces are sent under these settings."""
    chosen = settings.telemetry
    return TracerSpec(
        otlp_endpoint=chosen.otlp_endpoint,
        service_name=chosen.service_name,
        sample_ratio=chosen.sample_ratio,
    )


def chunk_policy(settings: Settings) -> ChunkPolicy:
    """How texts are cut under these settings."""
    chosen = settings.chunking
    return ChunkPolicy(
        method=chosen.method, max_tokens=chosen.max_tokens, overlap_tokens=chosen.overlap_tokens
    )


def source_spec(record: SourceRecord, settings: Settings) -> SourceSpec:
    """How a source is opened under these settings."""
    return replace(record.spec, fetching=fetch_policy(settings), buckets=bucket_access(settings))


def fetch_policy(settings: Settings) -> FetchPolicy:
    """The bounds of what is fetched from other machines under these settings."""
    chosen = settings.sources
    return FetchPolicy(
        addresses=AddressPolicy(
            allowed=chosen.allow_networks, setting="sources.allow_networks", plain_http=chosen.plain_http
        ),
        user_agent=chosen.user_agent,
        timeout_s=chosen.timeout_s,
        total_timeout_s=chosen.total_timeout_s,
        max_redirects=chosen.max_redirects,
        at_once=chosen.requests_at_once,
        robots=chosen.robots,
        max_files=chosen.max_files,
        max_list_bytes=chosen.max_list_bytes,
        max_removed_share=chosen.max_removed_share,
    )


def bucket_access(settings: Settings) -> BucketAccess:
    """Where buckets are under these settings, and who asks for them."""
    chosen = settings.s3
    return BucketAccess(
        endpoint=chosen.endpoint,
        region=chosen.region,
        access_key_id=_revealed(chosen.access_key_id),
        secret_access_key=_revealed(chosen.secret_access_key),
        session_token=_revealed(chosen.session_token),
        anonymous=chosen.anonymous,
        path_style=chosen.path_style,
    )


def _revealed(secret: SecretStr | None) -> str | None:
    return None if secret is None else secret.get_secret_value()


def embedder_spec(settings: Settings, report: Report, *, deferred: bool = False) -> EmbedderSpec:
    """The embedder that the settings name, its weights found or fetched."""
    chosen = settings.embedder
    return EmbedderSpec(
        kind=chosen.kind,
        model=chosen.model,
        weights=_weights(EMBEDDER_PIN, settings, report) if chosen.kind == "onnx" else None,
        threads=chosen.threads or len(os.sched_getaffinity(0)),
        deferred=deferred,
        device=chosen.device,
        precision=chosen.precision,
        remote=_remote_embedder(settings, report) if chosen.kind == "remote" else None,
    )


def _remote_embedder(settings: Settings, report: Report) -> RemoteEmbedderSpec:
    chosen = settings.embedder
    return RemoteEmbedderSpec(
        server=_server("embedder", chosen, settings, report),
        query_prefix=chosen.query_prefix,
        document_prefix=chosen.document_prefix,
        dimensions=chosen.dimensions,
        revision=chosen.revision,
    )


def reranker_spec(settings: Settings, report: Report) -> RerankerSpec:
    """The reranker that the settings name, its weights found or fetched."""
    chosen = settings.reranker
    return RerankerSpec(
        kind=chosen.kind,
        model=chosen.model,
        weights=_weights(RERANKER_PIN, settings, report) if chosen.kind == "onnx" else None,
        threads=settings.embedder.threads or len(os.sched_getaffinity(0)),
        device=chosen.device,
        precision=chosen.precision,
        remote=_remote_reranker(settings, report) if chosen.kind == "remote" else None,
    )


def _remote_reranker(settings: Settings, report: Report) -> RemoteRerankerSpec:
    chosen = settings.reranker
    assert chosen.form is not None, "settings without it are refused"
    return RemoteRerankerSpec(
        server=_server("reranker", chosen, settings, report),
        form=chosen.form,
        scores=chosen.scores,
        revision=chosen.revision,
    )


def _server(
    section: Literal["embedder", "reranker"],
    chosen: ServedModelSettings,
    settings: Settings,
    report: Report,
) -> ServerSpec:
    assert chosen.location is not None, "settings without it are refused"
    return ServerSpec(
        section=section,
        base_url=chosen.base_url or "",
        model=chosen.model,
        api_key=_revealed(chosen.api_key),
        location=chosen.location,
        tokenizer=_tokenizer(chosen.tokenizer or "", settings, report),
        max_tokens=chosen.max_tokens,
        batch_size=chosen.batch_size,
        requests_at_once=chosen.requests_at_once,
        timeout_s=chosen.timeout_s,
    )


def _tokenizer(named: str, settings: Settings, report: Report) -> Path:
    """The tokenizer.json that a setting names, by its path, its folder or the default model that it belongs to."""
    for pin in (EMBEDDER_PIN, RERANKER_PIN):
        if named == pin.name:
            return _weights(pin, settings, report) / "tokenizer.json"
    path = expand(Path(named))
    return path / "tokenizer.json" if path.is_dir() else path


def entailment_weights(settings: Settings, report: Report) -> Path:
    """The reranker's files, from which the support check reads (`generation.entailment`), found or fetched."""
    return _weights(RERANKER_PIN, settings, report)


def _weights(pin: WeightsPin, settings: Settings, report: Report) -> Path:
    return find_weights(pin, folder=settings.weights_dir, cache=settings.home / "weights", report=report)


def search_policy(settings: Settings) -> SearchPolicy:
    """How searches are done under these settings."""
    chosen = settings.reranker
    reranking = RerankPolicy(
        candidates=chosen.candidates,
        weight=chosen.weight,
        budget_ms=chosen.budget_ms,
        decided_margin=chosen.decided_margin,
    )
    if chosen.kind == "remote":
        # A server reads many at a time, and every look at the clock would be a journey there and back.
        reranking = replace(reranking, batch=chosen.candidates)
    return SearchPolicy(
        rerank=reranking,
        passages=passage_policy(settings),
        timeout_s=settings.overload.search_timeout_s,
        at_once=max(1, settings.database.max_connections * 2 // 3),
    )


def passage_policy(
    settings: Settings, *, max_per_document: int | None = None, merge: bool = False
) -> PassagePolicy:
    """How hits become a result under these settings, and under what a request says beside them."""
    chosen = settings.search
    return PassagePolicy(
        drop_copies=chosen.drop_copies,
        max_per_document=max_per_document or chosen.max_per_document,
        merge=merge,
    )


def answer_policy(settings: Settings) -> AnswerPolicy:
    """How answers are made under these settings."""
    return AnswerPolicy(
        unsupported=settings.answers.unsupported,
        nothing_supported=settings.answers.nothing_supported,
        judge=settings.support.judge,
        judge_timeout_s=settings.support.judge_timeout_s,
    )


def rewrite_policy(settings: Settings) -> RewritePolicy:
    """How other words for questions are looked for under these settings."""
    return RewritePolicy(variants=settings.queries.variants, timeout_s=settings.queries.timeout_s)


def limits(settings: Settings) -> Limits:
    """What callers may take under these settings."""
    chosen = settings.limits
    return Limits(
        requests_per_minute=chosen.requests_per_minute,
        requests_per_day=chosen.requests_per_day,
        tokens_per_day=chosen.tokens_per_day,
        money_per_month=chosen.money_per_month,
        answers_at_once=chosen.answers_at_once,
    )


def prices(settings: Settings) -> Prices:
    """What models cost under these settings."""
    return Prices(
        by_model={
            model: Price(prompt=price.prompt, completion=price.completion)
            for model, price in settings.limits.prices.items()
        }
    )


def store_spec(settings: Settings) -> StoreSpec:
    """The vector store that the settings name; Qdrant without a server keeps its data under the data directory."""
    chosen = settings.store
    return StoreSpec(
        kind=chosen.kind,
        url=chosen.url,
        api_key=_revealed(chosen.api_key),
        path=settings.home / "qdrant" if chosen.url is None else None,
        words=chosen.words,
    )


def llm_specs(settings: Settings) -> list[LLMSpec]:
    """The language models that the settings name, in the order they are asked in; none where answers are quoted."""
    if not settings.llm.is_set:
        return []
    chosen = (settings.llm, *settings.llm.fallbacks)
    return [_llm_spec(model, fallback=place) for place, model in enumerate(chosen)]


def _llm_spec(chosen: ModelSettings, *, fallback: int) -> LLMSpec:
    return LLMSpec(
        kind=chosen.kind,
        base_url=chosen.base_url or "",
        model=chosen.model or "",
        api_key=_revealed(chosen.api_key),
        region=chosen.region,
        project=chosen.project,
        location=chosen.location,
        connect_timeout_s=chosen.connect_timeout_s,
        first_token_timeout_s=chosen.first_token_timeout_s,
        total_timeout_s=chosen.total_timeout_s,
        fallback=fallback,
    )
