"""Families of embedding models: what they expect of a text and their files, or their servers, do not say."""

from __future__ import annotations

from dataclasses import dataclass

_BGE_PREFIX = "Represent this sentence for searching relevant passages: "
_BGE_PREFIX_ZH = "为这个句子生成表示以用于检索相关文章："
_INSTRUCTION = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
_NOMIC_QUERY, _NOMIC_DOCUMENT = "search_query: ", "search_document: "


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFamily:
    """What a family expects. `marker` is part of the model's name; `cosine_bounds` as in `Embedder`."""

    marker: str
    query_prefix: str = ""
    document_prefix: str = ""
    cosine_bounds: tuple[float, float]


# Prefixes are those of the models' cards. What a model's own files say goes first; of many they say nothing.
# The bounds of bge- and all-minilm are about the lowest cosine of unrelated and the highest of matching pairs on
# SciFact (1st and 99th percentile); e5's come from its model cards ("around 0.7 to 1.0"). All others, and those of
# an unknown model, are guesses: measure them before relying on the fused scores of such a model.
_FAMILIES = (
    ModelFamily(marker="bge-m3", cosine_bounds=(0.3, 0.85)),
    # Language models that take an instruction of one's own; the encoders' prefix is not theirs.
    ModelFamily(marker="bge-en-icl", cosine_bounds=(0.2, 0.9)),
    ModelFamily(marker="bge-multilingual-gemma2", cosine_bounds=(0.2, 0.9)),
    ModelFamily(marker="bge-small-zh", query_prefix=_BGE_PREFIX_ZH, cosine_bounds=(0.4, 0.9)),
    ModelFamily(marker="bge-base-zh", query_prefix=_BGE_PREFIX_ZH, cosine_bounds=(0.4, 0.9)),
    ModelFamily(marker="bge-large-zh", query_prefix=_BGE_PREFIX_ZH, cosine_bounds=(0.4, 0.9)),
    ModelFamily(marker="bge-", query_prefix=_BGE_PREFIX, cosine_bounds=(0.4, 0.9)),
    ModelFamily(marker="e5-large-instruct", query_prefix=_INSTRUCTION + " ", cosine_bounds=(0.7, 0.95)),
    ModelFamily(marker="e5-mistral", query_prefix=_INSTRUCTION + " ", cosine_bounds=(0.2, 0.9)),
    ModelFamily(marker="e5-", query_prefix="query: ", document_prefix="passage: ", cosine_bounds=(0.7, 0.95)),
    ModelFamily(marker="mxbai-embed-large", query_prefix=_BGE_PREFIX, cosine_bounds=(0.3, 0.9)),
    ModelFamily(marker="arctic-embed-m-v2", query_prefix="query: ", cosine_bounds=(0.1, 0.8)),
    ModelFamily(marker="arctic-embed-l-v2", query_prefix="query: ", cosine_bounds=(0.1, 0.8)),
    ModelFamily(marker="arctic-embed", query_prefix=_BGE_PREFIX, cosine_bounds=(0.1, 0.8)),
    ModelFamily(
        marker="nomic-embed-text",
        query_prefix=_NOMIC_QUERY,
        document_prefix=_NOMIC_DOCUMENT,
        cosine_bounds=(0.4, 0.9),
    ),
    ModelFamily(
        marker="modernbert-embed",
        query_prefix=_NOMIC_QUERY,
        document_prefix=_NOMIC_DOCUMENT,
        cosine_bounds=(0.2, 0.9),
    ),
    ModelFamily(marker="all-minilm", cosine_bounds=(-0.1, 0.8)),
    ModelFamily(marker="all-mpnet", cosine_bounds=(-0.1, 0.8)),
    ModelFamily(marker="multi-qa", cosine_bounds=(-0.1, 0.8)),
)
_UNKNOWN = ModelFamily(marker="", cosine_bounds=(0.2, 0.9))


def family_of(name: str) -> ModelFamily:
    """The family of the model of that name; one without prefixes where none is known."""
    return next((family for family in _FAMILIES if family.marker in name.lower()), _UNKNOWN)
