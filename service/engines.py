"""Where files are worked on: in this process, or on a cluster (`ingest.engines`)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Literal

from ingest.catalog import SourceRecord
from ingest.engines import Engine
from ingest.engines.blueprint import Blueprint, ParsingLimits
from ingest.patience import Patience
from ingest.pipeline import Pipeline
from retrieval.errors import InvalidRequestError
from retrieval.tokenizing import WithTokenizer
from service.intake import Intake
from service.settings import Settings
from service.specs import chunk_policy, embedder_spec, source_spec, store_spec

EngineKind = Literal["local", "ray"]
Engines = Callable[[Pipeline, SourceRecord], Engine | None]
"""The engine that works on a source's files; None where this process does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineChoice:
    """Which engine works. `address`: of the cluster; None for one that is started on this machine."""

    kind: EngineKind = "local"
    address: str | None = None


def in_this_process(_pipeline: Pipeline, _source: SourceRecord) -> Engine | None:
    """Files are worked on in this process."""
    return None


@asynccontextmanager
async def open_engines(intake: Intake, choice: EngineChoice) -> AsyncIterator[Engines]:
    """What was chosen. Raises `InvalidRequestError` where it cannot work under the settings, `ExtraMissingError`."""
    if choice.kind == "local":
        if choice.address is not None:
            raise InvalidRequestError("--address names a Ray cluster: give --engine ray with it.")
        yield in_this_process
        return
    _check(intake.settings, choice)
    from ingest.engines.ray_data import RayEngine, open_cluster  # noqa: PLC0415  brings Ray along

    async with open_cluster(choice.address) as cluster:

        def on_the_cluster(pipeline: Pipeline, source: SourceRecord) -> Engine:
            return RayEngine(cluster=cluster, blueprint=blueprint(intake, pipeline, source))

        yield on_the_cluster


def _check(settings: Settings, choice: EngineChoice) -> None:
    if settings.store.kind == "qdrant" and settings.store.url is None:
        raise InvalidRequestError(
            "with --engine ray several processes write vectors, and a Qdrant that keeps its data in a folder "
            "takes one only. Set store.url (FOOTNOTE_STORE__URL) to a server's."
        )
    if choice.address is not None and settings.database.dsn is None:
        raise InvalidRequestError(
            "the machines of a cluster cannot reach the embedded Postgres, which listens on a private socket. Set "
            "database.dsn (FOOTNOTE_DATABASE__DSN) to one that all of them reach, or leave --address out."
        )


def blueprint(intake: Intake, pipeline: Pipeline, source: SourceRecord) -> Blueprint:
    """What other processes build the stages of this pipeline from."""
    settings = intake.settings
    assert isinstance(intake.embedder, WithTokenizer), "as all embedders that settings can name"
    return Blueprint(
        source=source_spec(source, settings),
        record=source,
        index=pipeline.index,
        parser_policy=pipeline.parser_policy,
        parsing=ParsingLimits(
            time_limit_s=settings.ingest.parse_timeout_s,
            longest_s=settings.parsing.ocr_timeout_s,
            memory_limit_bytes=settings.parsing.memory_bytes,
        ),
        chunk_policy=chunk_policy(settings),
        max_file_bytes=settings.ingest.max_file_bytes,
        embedder=embedder_spec(settings, _say_nothing),
        tokenizer=intake.embedder.tokenizer.to_json(),
        weights_dir=settings.weights_dir,
        weights_cache=settings.home / "weights",
        store=store_spec(settings),
        dsn=intake.database.dsn,
        patience=Patience(total_s=settings.ingest.patience_s),
    )


def _say_nothing(_line: str) -> None:
    """The files were found, or fetched, when this process opened its own embedder."""
