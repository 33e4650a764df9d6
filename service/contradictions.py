"""Settings that contradict one another: each check raises `ConfigurationError`, which names them and what to do."""

from __future__ import annotations

from retrieval.errors import ConfigurationError
from service.sections import (
    AuthSettings,
    ChunkingSettings,
    EmbedderSettings,
    LimitsSettings,
    LlmSettings,
    ModelSettings,
    QueriesSettings,
    RerankerSettings,
    S3Settings,
    StoreSettings,
)


def check_language_models(llm: LlmSettings) -> None:
    """A language model has all that its kind needs."""
    if llm.fallbacks and not llm.is_set:
        raise ConfigurationError(
            "llm.fallbacks (FOOTNOTE_LLM__FALLBACKS) are set, but there is no first language model. Set llm.base_url "
            "(FOOTNOTE_LLM__BASE_URL) and llm.model (FOOTNOTE_LLM__MODEL), or make the first fallback that model."
        )
    for place, model in enumerate((llm, *llm.fallbacks)):
        if (place or model.is_set) and (lacking := _lacking(model)):
            name = f"llm.fallbacks[{place - 1}].{lacking}" if place else f"llm.{lacking}"
            variable = "FOOTNOTE_LLM__FALLBACKS" if place else f"FOOTNOTE_LLM__{lacking.upper()}"
            raise ConfigurationError(
                f"{name} ({variable}) is not set, which the language model of the kind {model.kind} needs. Set it, or "
                "leave the language model out."
            )


def _lacking(model: ModelSettings) -> str | None:
    """The first setting that the model's kind needs and that is not there."""
    needed = {
        "openai_api": ("base_url", "model"),
        "anthropic_api": ("model",) if model.base_url else ("model", "api_key"),
        "anthropic_bedrock": ("model", "region"),
        "anthropic_vertex": ("model", "region", "project"),
    }[model.kind]
    return next((name for name in needed if not getattr(model, name)), None)


def check_rewriting(queries: QueriesSettings, llm: LlmSettings) -> None:
    """Questions are put into other words only where a language model can do it."""
    if queries.rewrite != "off" and not llm.is_set:
        raise ConfigurationError(
            f"queries.rewrite (FOOTNOTE_QUERIES__REWRITE) is {queries.rewrite}, which takes a language model, "
            "but llm.base_url (FOOTNOTE_LLM__BASE_URL) is not set. Set it, or leave queries.rewrite off."
        )


def check_buckets(s3: S3Settings) -> None:
    """Raise `ConfigurationError` where a bucket's key is given by halves."""
    if (s3.access_key_id is None) != (s3.secret_access_key is None):
        lacking = "secret_access_key" if s3.secret_access_key is None else "access_key_id"
        raise ConfigurationError(
            f"s3.{lacking} (FOOTNOTE_S3__{lacking.upper()}) is not set. A key has two halves, access_key_id and "
            "secret_access_key. Set it, or leave both out: AWS_* of the environment count then."
        )


def check_issuer(auth: AuthSettings) -> None:
    """An issuer of tokens is named in full or not at all."""
    needed = {"issuer": auth.issuer, "audience": auth.audience, "jwks_url": auth.jwks_url}
    lacking = [name for name, value in needed.items() if not value]
    if lacking and len(lacking) < len(needed):
        raise ConfigurationError(
            f"auth.{lacking[0]} (FOOTNOTE_AUTH__{lacking[0].upper()}) is not set. Tokens are taken from an issuer that "
            "is named in full: issuer, audience and jwks_url. Set it, or leave all three out."
        )


def check_words(store: StoreSettings) -> None:
    """Words lie beside the vectors or in Postgres."""
    if store.words == "qdrant" and store.kind != "qdrant":
        raise ConfigurationError(
            f"store.words (FOOTNOTE_STORE__WORDS) is qdrant, but store.kind (FOOTNOTE_STORE__KIND) is "
            f"{store.kind}. Keep the vectors in qdrant, too, or leave the words in postgres."
        )


def check_prices(limits: LimitsSettings, llm: LlmSettings) -> None:
    """Where money is limited, every model has a price."""
    if not limits.money_per_month or not llm.is_set:
        return
    for model in (llm, *llm.fallbacks):
        if model.model not in limits.prices:
            raise ConfigurationError(
                f"limits.money_per_month (FOOTNOTE_LIMITS__MONEY_PER_MONTH) is set, but limits.prices "
                f"(FOOTNOTE_LIMITS__PRICES) has no price of '{model.model}', whose answers would cost nothing. Add it, "
                "or leave the limit out."
            )


def check_chunking(chunking: ChunkingSettings) -> None:
    """Chunks overlap by less than half of the longest one."""
    overlap, longest = chunking.overlap_tokens, chunking.max_tokens
    if 2 * overlap >= longest:
        raise ConfigurationError(
            f"chunking.overlap_tokens (FOOTNOTE_CHUNKING__OVERLAP_TOKENS) is {overlap}, which is not less than half of "
            f"chunking.max_tokens (FOOTNOTE_CHUNKING__MAX_TOKENS), {longest}. Lower the one or raise the other."
        )


def check_named(embedder: EmbedderSettings, reranker: RerankerSettings) -> None:
    """A kind of embedder or reranker that has no model of its own is given one."""
    for name, chosen in (("embedder", embedder), ("reranker", reranker)):
        if chosen.kind == "remote":
            _check_served(name, chosen)
        elif chosen.kind != "onnx" and not chosen.model:
            raise ConfigurationError(
                f"{name}.kind is {chosen.kind}, but {name}.model (FOOTNOTE_{name.upper()}__MODEL) is not set. Name the "
                "model: a folder, or its name at the Hugging Face hub."
            )


_SERVED = {
    "base_url": "Set it to the server's base URL: all that stands before /embeddings or /rerank.",
    "model": "Set it to the model's name at that server.",
    "location": "Say where the server stands: inside the house, or outside, where texts go only from collections that "
    "allow it (footnote collections allow-outside NAME).",
    "tokenizer": "Texts are measured and cut without asking the server. Name the model's own tokenizer.json, a folder "
    "that holds it, or a default model whose tokenizer is to stand in for it: bge-small-en-v1.5 or "
    "ms-marco-MiniLM-L-12-v2.",
    "form": "Say in which form the server is asked: vllm, jina, cohere or tei.",
}


def _check_served(name: str, chosen: EmbedderSettings | RerankerSettings) -> None:
    """A model behind a server has all that it takes."""
    for part, remedy in _SERVED.items():
        if not getattr(chosen, part, "not a setting of this kind"):
            raise ConfigurationError(
                f"{name}.kind is remote, but {name}.{part} (FOOTNOTE_{name.upper()}__{part.upper()}) is not set. "
                f"{remedy} docs/models.md has examples."
            )
