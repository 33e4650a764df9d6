"""Settings: `footnote.toml` and `FOOTNOTE_*`, read here and nowhere else.

A name in the environment joins its parts with two underscores: `[llm] base_url` is FOOTNOTE_LLM__BASE_URL. The
environment goes before the file, the file before the defaults. An unknown name is an error, so that a slip of the pen
cannot pass for a setting.
"""

from __future__ import annotations

import difflib
import os
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from retrieval.errors import ConfigurationError
from retrieval.records import PUBLIC

PREFIX = "FOOTNOTE_"
FILE_NAME = "footnote.toml"
# Read by the tests and benchmarks, not by the service.
_FOREIGN = ("FOOTNOTE_TEST_",)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DatabaseSettings(_Section):
    """Where Postgres is; without a `dsn` an embedded server runs under the data directory."""

    dsn: SecretStr | None = None
    max_connections: Annotated[int, Field(ge=2, le=200)] = 12


class EmbedderSettings(_Section):
    """What turns text into vectors. "onnx" is bge-small-en-v1.5 on the CPU; "sentence_transformer" takes any model."""

    kind: Literal["onnx", "sentence_transformer"] = "onnx"
    model: str = ""
    device: str | None = None
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    threads: Annotated[int, Field(ge=1, le=256)] | None = None


class RerankerSettings(_Section):
    """The cross-encoder. It always checks the evidence of answers; `enabled` lets it reorder search results, too."""

    enabled: bool = False
    kind: Literal["onnx", "cross_encoder"] = "onnx"
    model: str = ""
    device: str | None = None
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    weight: Annotated[float, Field(ge=0, le=1)] = 0.3
    candidates: Annotated[int, Field(ge=1, le=200)] = 30


class StoreSettings(_Section):
    """Where vectors are kept."""

    kind: Literal["pgvector", "qdrant"] = "pgvector"
    url: str | None = None
    api_key: SecretStr | None = None


class LlmSettings(_Section):
    """A language model behind an OpenAI-compatible server. Without `base_url`, answers are quoted from the sources.

    `location` declares where the server stands: passages go "outside" only where the collection allows it.
    """

    base_url: str | None = None
    model: str | None = None
    api_key: SecretStr | None = None
    location: Literal["inside", "outside"] = "outside"
    connect_timeout_s: Annotated[float, Field(gt=0)] = 10.0
    first_token_timeout_s: Annotated[float, Field(gt=0)] = 60.0
    total_timeout_s: Annotated[float, Field(gt=0)] = 300.0


class ChunkingSettings(_Section):
    """How texts are cut, in the embedder's tokens."""

    max_tokens: Annotated[int, Field(ge=32, le=8192)] = 256


class IngestSettings(_Section):
    """Limits of ingestion. `readers` is who may read documents for which nothing else was said."""

    max_file_bytes: Annotated[int, Field(ge=1024)] = 256 * 1024 * 1024
    parse_timeout_s: Annotated[float, Field(gt=0)] = 120.0
    parse_workers: Annotated[int, Field(ge=1, le=64)] = 2
    retention_days: Annotated[int, Field(ge=0)] = 90
    readers: tuple[str, ...] = (PUBLIC,)


class Settings(BaseSettings):
    """All settings of Footnote."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True, env_ignore_empty=True
    )

    home: Path = Field(default_factory=lambda: Path(platformdirs.user_data_path("footnote")))
    weights_dir: Path | None = None
    database: DatabaseSettings = DatabaseSettings()
    embedder: EmbedderSettings = EmbedderSettings()
    reranker: RerankerSettings = RerankerSettings()
    store: StoreSettings = StoreSettings()
    llm: LlmSettings = LlmSettings()
    chunking: ChunkingSettings = ChunkingSettings()
    ingest: IngestSettings = IngestSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (
            init_settings,
            env_settings,
            TomlConfigSettingsSource(settings_cls, toml_file=settings_file()),
        )


def settings_file() -> Path | None:
    """The file of settings: FOOTNOTE_CONFIG, else footnote.toml in the working folder, else in the data directory."""
    if named := os.environ.get(f"{PREFIX}CONFIG"):
        if not Path(named).is_file():
            raise ConfigurationError(f"FOOTNOTE_CONFIG names '{named}', which is not a file.")
        return Path(named)
    home = os.environ.get(f"{PREFIX}HOME") or platformdirs.user_data_path("footnote")
    for folder in (Path.cwd(), Path(home)):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    return None


def load_settings() -> Settings:
    """Read all settings. Raises `ConfigurationError` that names each wrong one, never its value where it is secret."""
    _refuse_unknown_variables()
    try:
        settings = Settings()
    except ValidationError as exc:
        raise ConfigurationError("\n".join(_explain(error) for error in exc.errors())) from exc
    except ValueError as exc:  # TOML that does not parse
        raise ConfigurationError(f"'{settings_file()}' is not valid TOML: {exc}") from exc
    if settings.llm.base_url and not settings.llm.model:
        raise ConfigurationError(
            "llm.base_url (FOOTNOTE_LLM__BASE_URL) is set, but llm.model (FOOTNOTE_LLM__MODEL) is not. Name the model "
            "that the server should answer with."
        )
    return settings


def _refuse_unknown_variables() -> None:
    known = _variables()
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and not name.startswith(_FOREIGN) and name.upper() not in known:
            near = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.7)
            hint = f"Did you mean {near[0]}?" if near else "docs/settings.md lists all of them."
            raise ConfigurationError(f"there is no setting {name}. {hint} Correct its name or unset it.")


def _variables() -> set[str]:
    """Names of all environment variables that are settings."""
    names = {f"{PREFIX}CONFIG"}
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            names |= {f"{PREFIX}{name}__{part}".upper() for part in section.model_fields}
        else:
            names.add(f"{PREFIX}{name}".upper())
    return names


def _explain(error: Any) -> str:
    parts = [str(part) for part in error["loc"]]
    variable = f"{PREFIX}{'__'.join(parts)}".upper()
    if error["type"] == "extra_forbidden":
        return f"there is no setting {'.'.join(parts)} ({variable}). Correct its name or leave it out."
    return f"the setting {'.'.join(parts)} ({variable}) is wrong: {error['msg']}."
