"""Settings: `footnote.toml` and `FOOTNOTE_*`, read here and nowhere else.

A name in the environment joins its parts with two underscores: `[llm] base_url` is FOOTNOTE_LLM__BASE_URL. The
environment goes before the file, the file before the defaults. An unknown name is an error, so that a slip of the pen
cannot pass for a setting.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import BaseModel, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from retrieval.errors import ConfigurationError
from service.contradictions import (
    check_buckets,
    check_chunking,
    check_issuer,
    check_language_models,
    check_named,
    check_prices,
    check_rewriting,
    check_words,
)
from service.sections import (
    AnswersSettings,
    AuditSettings,
    AuthSettings,
    CacheSettings,
    ChunkingSettings,
    DatabaseSettings,
    EmbedderSettings,
    Folder,
    IngestSettings,
    JobsSettings,
    LimitsSettings,
    LlmSettings,
    ModelSettings,
    OverloadSettings,
    ParsingSettings,
    QueriesSettings,
    RerankerSettings,
    S3Settings,
    SearchSettings,
    ServeSettings,
    SourcesSettings,
    StoreSettings,
    SupportSettings,
    TelemetrySettings,
    UploadsSettings,
    WebhooksSettings,
    WorkerSettings,
)

PREFIX = "FOOTNOTE_"
FILE_NAME = "footnote.toml"
# Read by the tests and benchmarks, not by the service.
_FOREIGN = ("FOOTNOTE_TEST_",)


class Settings(BaseSettings):
    """All settings of Footnote."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        extra="forbid",
        frozen=True,
        env_ignore_empty=True,
        hide_input_in_errors=True,
    )

    home: Folder = Field(default_factory=lambda: Path(platformdirs.user_data_path("footnote")))
    weights_dir: Folder | None = None
    database: DatabaseSettings = DatabaseSettings()
    embedder: EmbedderSettings = EmbedderSettings()
    reranker: RerankerSettings = RerankerSettings()
    search: SearchSettings = SearchSettings()
    store: StoreSettings = StoreSettings()
    llm: LlmSettings = LlmSettings()
    queries: QueriesSettings = QueriesSettings()
    answers: AnswersSettings = AnswersSettings()
    cache: CacheSettings = CacheSettings()
    support: SupportSettings = SupportSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    chunking: ChunkingSettings = ChunkingSettings()
    parsing: ParsingSettings = ParsingSettings()
    ingest: IngestSettings = IngestSettings()
    auth: AuthSettings = AuthSettings()
    audit: AuditSettings = AuditSettings()
    uploads: UploadsSettings = UploadsSettings()
    sources: SourcesSettings = SourcesSettings()
    s3: S3Settings = S3Settings()
    worker: WorkerSettings = WorkerSettings()
    jobs: JobsSettings = JobsSettings()
    webhooks: WebhooksSettings = WebhooksSettings()
    limits: LimitsSettings = LimitsSettings()
    serve: ServeSettings = ServeSettings()
    overload: OverloadSettings = OverloadSettings()

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


def runtime_directory() -> Path | None:
    """The user's own folder for sockets, where the session has one (XDG_RUNTIME_DIR)."""
    folder = os.environ.get("XDG_RUNTIME_DIR")
    return Path(folder) if folder and Path(folder).is_dir() else None


def load_settings() -> Settings:
    """Read all settings. Raises `ConfigurationError` that names each wrong one, never its value where it is secret."""
    unknown = _unknown_variables()
    try:
        settings = Settings()
    except ValidationError as exc:
        # An unknown variable of a known section is told of already.
        explained = [_explain(error) for error in exc.errors() if _variable(error) not in unknown]
        raise ConfigurationError("\n".join([*unknown.values(), *explained])) from exc
    except SettingsError as exc:  # a section given as a variable, which is unknown as such
        raise ConfigurationError("\n".join(unknown.values())) from exc
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as exc:
        raise ConfigurationError(f"'{settings_file()}' is not valid TOML: {exc}.") from exc
    except OSError as exc:
        raise ConfigurationError(f"'{settings_file()}' cannot be read: {exc.strerror}.") from exc
    if unknown:
        raise ConfigurationError("\n".join(unknown.values()))
    _check_together(settings)
    return settings


def said_in_environment() -> Mapping[str, Any]:
    """What the environment says of settings, by section. For settings that `load_settings` accepts."""
    return EnvSettingsSource(Settings)()


def said_in_file() -> Mapping[str, Any]:
    """What the file says of settings, by section. For settings that `load_settings` accepts."""
    return TomlConfigSettingsSource(Settings, toml_file=settings_file())()


def with_embedder(settings: Settings, *, kind: str | None, model: str | None) -> Settings:
    """The same settings with another embedder, where one is named. Raises `ConfigurationError`, as `load_settings`."""
    if kind is None and model is None:
        return settings
    kind = kind or settings.embedder.kind
    if kind == "onnx" and model:
        raise ConfigurationError(
            f"the embedder onnx has a model of its own and takes no other. For '{model}' the kind is "
            "sentence_transformer, or remote for one behind a server."
        )
    kept = settings.embedder.model if kind == settings.embedder.kind else ""
    chosen = {**settings.embedder.model_dump(), "kind": kind, "model": kept if model is None else model}
    try:
        changed = settings.model_copy(update={"embedder": EmbedderSettings.model_validate(chosen)})
    except ValidationError as exc:
        raise ConfigurationError(
            "\n".join(
                f"the embedder's {error['loc'][0]} is wrong: {_reason(error)}." for error in exc.errors()
            )
        ) from exc
    _check_together(changed)
    return changed


def keeping_nothing(settings: Settings) -> Settings:
    """The same settings without memory of questions and answers: what is measured has to be done each time."""
    return settings.model_copy(update={"cache": CacheSettings(answers_bytes=0, query_vectors_bytes=0)})


def _check_together(settings: Settings) -> None:
    """Raise `ConfigurationError` where settings contradict one another."""
    check_language_models(settings.llm)
    check_rewriting(settings.queries, settings.llm)
    check_issuer(settings.auth)
    check_buckets(settings.s3)
    check_words(settings.store)
    check_prices(settings.limits, settings.llm)
    check_chunking(settings.chunking)
    check_named(settings.embedder, settings.reranker)


def _unknown_variables() -> dict[str, str]:
    """Variables that set nothing, with what to say of each."""
    known = _variables()
    return {
        name.upper(): f"there is no setting {name}. {_hint(name.upper(), known)}"
        for name in sorted(os.environ)
        if name.upper().startswith(PREFIX) and not name.startswith(_FOREIGN) and name.upper() not in known
    }


def _hint(wrong: str, known: Iterable[str]) -> str:
    """The setting that was probably meant. The prefix, which all variables share, does not count as likeness."""
    names = {name.removeprefix(PREFIX): name for name in known}
    near = difflib.get_close_matches(wrong.removeprefix(PREFIX), names, n=1, cutoff=0.65)
    meant = f"Did you mean {names[near[0]]}? " if near else "docs/settings.md lists all of them. "
    return f"{meant}Correct its name or leave it out."


def _variables() -> set[str]:
    """Names of all environment variables that are settings."""
    names = {f"{PREFIX}CONFIG"}
    for name in Settings.model_fields:
        names |= {f"{PREFIX}{name}__{part}".upper() for part in parts_of(name)} or {f"{PREFIX}{name}".upper()}
    return names


def parts_of(name: str) -> list[str]:
    """The settings of a section; none where the name is that of a setting."""
    section = Settings.model_fields[name].annotation if name in Settings.model_fields else None
    return list(section.model_fields) if isinstance(section, type) and issubclass(section, BaseModel) else []


def _variable(error: Any) -> str:
    return f"{PREFIX}{'__'.join(str(part) for part in error['loc'][:2])}".upper()


def _explain(error: Any) -> str:
    parts = [str(part) for part in error["loc"]]
    # An error in a list has the place in the list for its last part, or for its last but one where tables are listed.
    setting = ".".join(parts[:2])
    if len(parts) > 3:
        setting = f"{setting}[{parts[2]}].{parts[3]}"
    if error["type"] == "extra_forbidden":
        if len(parts) > 3:
            return f"there is no setting {setting}. {_hint(parts[3], ModelSettings.model_fields)}"
        written = {name.removeprefix(PREFIX).lower().replace("__", ".") for name in _variables()}
        hint = _hint(setting, written | {*Settings.model_fields})
        return f"there is no setting {setting} in '{settings_file()}'. {hint}"
    if len(parts) == 1 and parts_of(parts[0]):
        return f"{setting} is a section: [{setting}] in '{settings_file()}', with {', '.join(parts_of(setting))} in it."
    return f"the setting {setting} ({_variable(error)}) is wrong: {_reason(error)}."


def _reason(error: Any) -> str:
    if error["type"] != "string_pattern_mismatch":
        return str(error["msg"])
    if "readers" in error["loc"]:
        return "a reader is written user:NAME, group:NAME or public"
    if "public_url" in error["loc"]:
        return "it has to be an address as in https://footnote.example.com or https://example.com/footnote"
    return "it has to be an address that begins with http:// or https://"
