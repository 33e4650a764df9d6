"""The sections of the settings: what may be set, within which bounds, and what holds where nothing is."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_settings import NoDecode

from retrieval.records import PUBLIC
from retrieval.search import MAX_K


def _split(value: object) -> object:
    """A list in the environment: its parts with commas between them, or JSON."""
    if not isinstance(value, str):
        return value
    return json.loads(value) if value.startswith("[") else [part.strip() for part in value.split(",")]


def _tables(value: object) -> object:
    """A list of tables in the environment: JSON."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:  # its message would repeat the value, which may hold a key
        raise ValueError("it has to be a list of tables, written as JSON") from None


def _expand(path: Path) -> Path:
    """A path that begins with ~ or ~user; where there is no such user it is a folder's name like any other."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  # Path.expanduser fails where there is no such user


Folder = Annotated[Path, AfterValidator(_expand)]
Reader = Annotated[str, Field(pattern=rf"^({PUBLIC}|(user|group):\S(.*\S)?)$")]
Extension = Annotated[str, Field(pattern=r"^\.[a-z0-9]+$")]
WebAddress = Annotated[str, Field(pattern=r"^https?://[^\s/]")]


class Section(BaseModel):
    """A table of the file of settings."""

    # What was given may be a secret in the wrong place: an error does not repeat it.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class DatabaseSettings(Section):
    """Where Postgres is; without a `dsn` an embedded server runs under the data directory."""

    dsn: SecretStr | None = None
    max_connections: Annotated[int, Field(ge=2, le=200)] = 12


class EmbedderSettings(Section):
    """What turns text into vectors. "onnx" is bge-small-en-v1.5 on the CPU; "sentence_transformer" takes any model."""

    kind: Literal["onnx", "sentence_transformer"] = "onnx"
    model: str = ""
    device: str | None = None
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    threads: Annotated[int, Field(ge=1, le=256)] | None = None


class RerankerSettings(Section):
    """The cross-encoder. It always checks the evidence of answers; `enabled` has it reorder search results, too."""

    enabled: bool = True
    kind: Literal["onnx", "cross_encoder"] = "onnx"
    model: str = ""
    device: str | None = None
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    weight: Annotated[float, Field(ge=0, le=1)] = 0.25
    candidates: Annotated[int, Field(ge=1, le=200)] = 10
    budget_ms: Annotated[float, Field(ge=0, le=60_000)] = 400.0
    decided_margin: Annotated[float, Field(gt=0, le=1)] = 0.15


class SearchSettings(Section):
    """What of the passages found makes up a result, where a request does not say."""

    drop_copies: bool = True
    max_per_document: Annotated[int, Field(ge=1, le=MAX_K)] | None = None


class StoreSettings(Section):
    """Where vectors are kept, and where lexical search takes its candidates from in large collections (`words`)."""

    kind: Literal["pgvector", "qdrant"] = "pgvector"
    url: str | None = None
    api_key: SecretStr | None = None
    words: Literal["postgres", "qdrant"] = "postgres"


class ModelSettings(Section):
    """A language model, behind an OpenAI-compatible server or at Anthropic, on Bedrock or on Vertex.

    `location` declares where it stands: passages go "outside" only where the collection allows it.
    """

    kind: Literal["openai_api", "anthropic_api", "anthropic_bedrock", "anthropic_vertex"] = "openai_api"
    base_url: WebAddress | None = None
    model: str | None = None
    api_key: SecretStr | None = None
    region: str | None = None
    project: str | None = None
    location: Literal["inside", "outside"] = "outside"
    connect_timeout_s: Annotated[float, Field(gt=0)] = 10.0
    first_token_timeout_s: Annotated[float, Field(gt=0)] = 60.0
    total_timeout_s: Annotated[float, Field(gt=0)] = 300.0

    @property
    def is_set(self) -> bool:
        """Whether there is to be a model: an OpenAI-compatible server is named, or another kind of provider."""
        return self.base_url is not None or self.kind != "openai_api"


class LlmSettings(ModelSettings):
    """The language model; without one, answers are quoted from the sources. `fallbacks` are asked in turn after it."""

    fallbacks: Annotated[
        tuple[ModelSettings, ...], NoDecode, BeforeValidator(_tables), Field(max_length=8)
    ] = ()


class QueriesSettings(Section):
    """Other words for questions, thought up by the language model before a search; "off" searches as asked."""

    rewrite: Literal["off", "rewrite", "multi_query", "hyde"] = "off"
    variants: Annotated[int, Field(ge=1, le=8)] = 3
    timeout_s: Annotated[float, Field(gt=0)] = 10.0


class AnswersSettings(Section):
    """What becomes of sentences of a language model that nothing supports."""

    unsupported: Literal["drop", "mark", "refuse"] = "drop"


class CacheSettings(Section):
    """What is kept in memory of questions and answers; of nothing where the bytes are 0."""

    answers_bytes: Annotated[int, Field(ge=0)] = 64 * 1024**2
    query_vectors_bytes: Annotated[int, Field(ge=0)] = 16 * 1024**2
    max_age_s: Annotated[float, Field(gt=0)] = 3600.0


class SupportSettings(Section):
    """How sentences of a language model are checked against the sources (`generation.support`)."""

    check: Literal["entailment", "likeness"] = "entailment"
    judge: bool = False
    judge_timeout_s: Annotated[float, Field(gt=0)] = 10.0


class TelemetrySettings(Section):
    """Where traces are sent (extra `otel`); without an endpoint nowhere. `sample_ratio`: of those that begin here."""

    otlp_endpoint: WebAddress | None = None
    service_name: Annotated[str, Field(min_length=1, max_length=100)] = "footnote"
    sample_ratio: Annotated[float, Field(ge=0, le=1)] = 1.0


class ChunkingSettings(Section):
    """How texts are cut (docs/chunking.md). Sizes are in the embedder's tokens."""

    method: Literal["recursive", "fixed", "sentence", "page"] = "recursive"
    max_tokens: Annotated[int, Field(ge=32, le=8192)] = 256
    overlap_tokens: Annotated[int, Field(ge=0)] = 0


class ParsingSettings(Section):
    """How files are read. OCR with Tesseract: "auto" where it is installed, "on" to insist, "off".

    `unstructured` names extensions (".pdf") that the unstructured extra reads instead of Footnote's own parsers;
    `fallback` lets it try what those cannot read.
    """

    ocr: Literal["auto", "on", "off"] = "auto"
    ocr_languages: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split), Field(min_length=1)] = (
        "eng",
    )
    ocr_timeout_s: Annotated[float, Field(gt=0)] = 3600.0
    tesseract: str | None = None
    memory_bytes: Annotated[int, Field(ge=256 * 1024**2)] = 2 * 1024**3
    unstructured: Annotated[tuple[Extension, ...], NoDecode, BeforeValidator(_split)] = ()
    fallback: bool = False


class IngestSettings(Section):
    """Limits of ingestion. `readers` is who may read documents for which nothing else was said."""

    max_file_bytes: Annotated[int, Field(ge=1024)] = 256 * 1024 * 1024
    parse_timeout_s: Annotated[float, Field(gt=0)] = 120.0
    parse_workers: Annotated[int, Field(ge=1, le=64)] = 2
    retention_days: Annotated[int, Field(ge=0)] = 90
    patience_s: Annotated[float, Field(ge=0)] = 60.0
    readers: Annotated[tuple[Reader, ...], NoDecode, BeforeValidator(_split), Field(min_length=1)] = (PUBLIC,)
