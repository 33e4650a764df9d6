"""The sections of the settings: what may be set, within which bounds, and what holds where nothing is."""

from __future__ import annotations

import json
import os
from decimal import Decimal
from ipaddress import IPv4Network, IPv6Network
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
        raise ValueError("it has to be tables, written as JSON") from None


def expand(path: Path) -> Path:
    """A path that begins with ~ or ~user; where there is no such user it is a folder's name like any other."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  # Path.expanduser fails where there is no such user


Folder = Annotated[Path, AfterValidator(expand)]
Reader = Annotated[str, Field(pattern=rf"^({PUBLIC}|(user|group):\S(.*\S)?)$")]
Extension = Annotated[str, Field(pattern=r"^\.[a-z0-9]+$")]
# All of them asymmetric: with a shared secret whoever verifies tokens could make them.
SigningAlgorithm = Literal[
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"
]
WebAddress = Annotated[str, Field(pattern=r"^https?://[^\s/]")]
PublicAddress = Annotated[str, Field(pattern=r"^https?://[^\s/?#@]+(/[^\s?#]*)?$")]
Location = Annotated[str, Field(pattern=r"^(https?|s3)://[^\s/]")]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_split)]


class Section(BaseModel):
    """A table of the file of settings."""

    # What was given may be a secret in the wrong place: an error does not repeat it.
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class DatabaseSettings(Section):
    """Where Postgres is; without a `dsn` an embedded server runs under the data directory."""

    dsn: SecretStr | None = None
    max_connections: Annotated[int, Field(ge=2, le=200)] = 12


class ServedModelSettings(Section):
    """Of a model behind a server (`kind` "remote", docs/models.md). `location` declares where it stands: texts go
    "outside" only from collections that allow it. `tokenizer`: a tokenizer.json, a folder that holds one, or the name
    of a default model, whose tokenizer then stands in for the model's own."""

    model: str = ""
    base_url: WebAddress | None = None
    api_key: SecretStr | None = None
    location: Literal["inside", "outside"] | None = None
    tokenizer: str | None = None
    revision: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]*$", max_length=100)] = ""
    max_tokens: Annotated[int, Field(ge=16, le=131_072)] = 512
    batch_size: Annotated[int, Field(ge=1, le=2048)] = 32
    requests_at_once: Annotated[int, Field(ge=1, le=64)] = 4
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 60.0


class EmbedderSettings(ServedModelSettings):
    """What turns text into vectors. "onnx" is bge-small-en-v1.5 on the CPU; "sentence_transformer" takes any model,
    "remote" one behind a server. Prefixes and `dimensions` are of "remote" alone."""

    kind: Literal["onnx", "sentence_transformer", "remote"] = "onnx"
    device: str | None = None
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    threads: Annotated[int, Field(ge=1, le=256)] | None = None
    query_prefix: str | None = None
    document_prefix: str | None = None
    dimensions: Annotated[int, Field(ge=1, le=65_536)] | None = None


class RerankerSettings(ServedModelSettings):
    """The cross-encoder. It always checks the evidence of answers; `enabled` has it reorder search results, too.
    `form`, in which a server is asked, and `scores`, what it sends, are of "remote" alone."""

    enabled: bool = True
    kind: Literal["onnx", "cross_encoder", "remote"] = "onnx"
    form: Literal["vllm", "jina", "cohere", "tei"] | None = None
    scores: Literal["logits", "probabilities"] | None = None
    timeout_s: Annotated[float, Field(gt=0, le=3600)] = 10.0
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
    """What becomes of sentences of a language model that nothing supports, and of an answer that has no others."""

    unsupported: Literal["drop", "mark", "refuse"] = "drop"
    nothing_supported: Literal["quote", "refuse"] = "quote"


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


class AuthSettings(Section):
    """Tokens of an outside issuer (`issuer`, `audience` and `jwks_url` together), sessions, and the one-time link."""

    issuer: str | None = None
    audience: str | None = None
    jwks_url: WebAddress | None = None
    algorithms: Annotated[
        tuple[SigningAlgorithm, ...], NoDecode, BeforeValidator(_split), Field(min_length=1)
    ] = ("RS256", "ES256")
    user_claim: Annotated[str, Field(min_length=1)] = "sub"
    groups_claim: Annotated[str, Field(min_length=1)] = "groups"
    role_claim: Annotated[str, Field(min_length=1)] = "roles"
    editors: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = ()
    admins: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = ()
    collections_claim: str | None = None
    leeway_s: Annotated[float, Field(ge=0, le=600)] = 30.0
    keys_max_age_s: Annotated[float, Field(ge=10, le=86_400)] = 600.0
    session_hours: Annotated[float, Field(gt=0, le=8_760)] = 12.0
    link_minutes: Annotated[float, Field(ge=0, le=1_440)] = 10.0


class AuditSettings(Section):
    """Who asked what of which documents. `questions`: what of a question is kept beside the rest."""

    enabled: bool = True
    questions: Literal["text", "hash", "off"] = "hash"
    retention_days: Annotated[int, Field(ge=0)] = 90


class IngestSettings(Section):
    """Limits of ingestion. `readers` is who may read documents for which nothing else was said. `nice` is by how much
    it gives way to questions on the cores of its machine (docs/operations.md)."""

    max_file_bytes: Annotated[int, Field(ge=1024)] = 256 * 1024 * 1024
    parse_timeout_s: Annotated[float, Field(gt=0)] = 120.0
    parse_workers: Annotated[int, Field(ge=1, le=64)] = 2
    retention_days: Annotated[int, Field(ge=0)] = 90
    patience_s: Annotated[float, Field(ge=0)] = 60.0
    nice: Annotated[int, Field(ge=0, le=19)] = 10
    readers: Annotated[tuple[Reader, ...], NoDecode, BeforeValidator(_split), Field(min_length=1)] = (PUBLIC,)


class PriceSettings(Section):
    """What a million tokens cost, in the one currency that all prices have."""

    prompt: Annotated[Decimal, Field(ge=0)]
    completion: Annotated[Decimal, Field(ge=0)]


class LimitsSettings(Section):
    """What a key may take where nothing else was said of it; 0 is no limit. `prices` are by the name of the model."""

    requests_per_minute: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    requests_per_day: Annotated[int, Field(ge=0, le=2**53)] = 0
    tokens_per_day: Annotated[int, Field(ge=0, le=2**53)] = 0
    money_per_month: Annotated[Decimal, Field(ge=0, le=10**12)] = Decimal(0)
    answers_at_once: Annotated[int, Field(ge=0, le=1000)] = 0
    prices: Annotated[dict[str, PriceSettings], NoDecode, BeforeValidator(_tables)] = Field(
        default_factory=dict
    )


class ServeSettings(Section):
    """How the service is reached. `public_url`: where links begin that callers are given; else where they called."""

    public_url: PublicAddress | None = None


class OverloadSettings(Section):
    """How much one process takes on at a time, and how long it may take. `stop_delay_s`: how long `serve` still takes
    requests after it was told to stop, while it already says that it is not ready."""

    requests_at_once: Annotated[int, Field(ge=1, le=100_000)] = 128
    answer_timeout_s: Annotated[float, Field(gt=0, le=86_400)] = 330.0
    search_timeout_s: Annotated[float, Field(gt=0, le=3600)] = 20.0
    stop_delay_s: Annotated[float, Field(ge=0, le=600)] = 0.0


class UploadsSettings(Section):
    """Files that come over HTTP. They lie in `folder`, in "uploads" of the data directory where none is named."""

    folder: Folder | None = None
    max_request_bytes: Annotated[int, Field(ge=1024)] = 1024**3
    max_files: Annotated[int, Field(ge=1, le=1000)] = 100


class SourcesSettings(Section):
    """What may be made a source over HTTP: folders at and below `allowed_roots`, addresses at and below `allowed_urls`,
    and no others. The rest are bounds of what is fetched from other machines (docs/sources.md)."""

    allowed_roots: Annotated[tuple[Folder, ...], NoDecode, BeforeValidator(_split)] = ()
    allowed_urls: Annotated[tuple[Location, ...], NoDecode, BeforeValidator(_split)] = ()
    allow_networks: Networks = ()
    plain_http: bool = False
    robots: bool = True
    user_agent: Annotated[str, Field(pattern=r"^[!-~]([ -~]*[!-~])?$", max_length=200)] = "Footnote"
    timeout_s: Annotated[float, Field(gt=0, le=600)] = 20.0
    total_timeout_s: Annotated[float, Field(gt=0, le=86_400)] = 300.0
    max_redirects: Annotated[int, Field(ge=0, le=20)] = 5
    requests_at_once: Annotated[int, Field(ge=1, le=64)] = 4
    max_files: Annotated[int, Field(ge=1, le=10_000_000)] = 50_000
    max_list_bytes: Annotated[int, Field(ge=1024)] = 50 * 1024**2
    max_removed_share: Annotated[float, Field(ge=0, le=1)] = 0.5


class S3Settings(Section):
    """Where buckets are and who asks for them. Without `access_key_id` the key is looked for where AWS's own tools
    look; `anonymous` signs nothing."""

    endpoint: WebAddress | None = None
    region: Annotated[str, Field(pattern=r"^[a-zA-Z0-9-]+$")] | None = None
    access_key_id: SecretStr | None = None
    secret_access_key: SecretStr | None = None
    session_token: SecretStr | None = None
    anonymous: bool = False
    path_style: bool = False


class WorkerSettings(Section):
    """How much a worker does at a time (docs/jobs.md); 0 leaves it to others. `in_serve`: `serve` works, too."""

    in_serve: bool = True
    answers: Annotated[int, Field(ge=0, le=64)] = 2
    refreshes: Annotated[int, Field(ge=0, le=64)] = 1
    deliveries: Annotated[int, Field(ge=0, le=64)] = 4
    dead_after_s: Annotated[float, Field(ge=2, le=3600)] = 30.0


class JobsSettings(Section):
    """Limits of jobs: how many of one key may be open, and how long questions and answers are kept after their end."""

    max_open: Annotated[int, Field(ge=1, le=1_000_000)] = 1000
    retention_hours: Annotated[int, Field(ge=1, le=24 * 366)] = 24


class WebhooksSettings(Section):
    """How webhooks are sent. Without a `secret` the database holds one that was made for this installation."""

    allow_networks: Networks = ()
    secret: Annotated[SecretStr, Field(min_length=16)] | None = None
    attempts: Annotated[int, Field(ge=1, le=20)] = 8
    timeout_s: Annotated[float, Field(gt=0, le=120)] = 10.0
    first_pause_s: Annotated[float, Field(gt=0, le=3600)] = 5.0
