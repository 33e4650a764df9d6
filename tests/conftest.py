"""What the tests share: a real Postgres, a database of its own for every test that asks, the real small models."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import platformdirs
import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from generation.entailment import EntailmentModel
from retrieval.database import Database
from retrieval.embedders import Embedder
from retrieval.rerankers import Reranker
from service.migrations import migrate

DATA = Path(os.environ.get("FOOTNOTE_TEST_DATA", "../shared/data"))
_TEMPLATE = "footnote_template"


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own settings must not decide what a test sees; the weights' folder may."""
    for name in list(os.environ):
        if name.startswith("FOOTNOTE_") and not name.startswith(("FOOTNOTE_TEST_", "FOOTNOTE_WEIGHTS_DIR")):
            monkeypatch.delenv(name)


@pytest.fixture(autouse=True)
def _the_tests_keep_their_priority() -> Iterator[None]:
    """A process that gives way does so until its end: every later test, those that measure above all, would pay."""
    before = os.getpriority(os.PRIO_PROCESS, 0)
    yield
    assert os.getpriority(os.PRIO_PROCESS, 0) == before, "this test has lowered the priority of the tests"


@pytest.fixture(scope="session")
def postgres_dsn() -> Iterator[str]:
    """A Postgres server with a migrated template database: FOOTNOTE_TEST_DSN, else an embedded one."""
    if outside := os.environ.get("FOOTNOTE_TEST_DSN"):
        _make_template(outside)
        yield outside
        return
    from service.embedded_postgres import EmbeddedPostgres

    home = Path(tempfile.mkdtemp(prefix="footnote-tests-"))
    # Postgres, which never runs as root, has to be able to reach its data.
    home.chmod(0o711)
    server = EmbeddedPostgres(
        home / "postgres",
        settings={"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"},
        report=lambda line: print(line, file=sys.stderr),
    )
    with server:
        _make_template(server.dsn)
        yield server.dsn
    server.destroy()
    shutil.rmtree(home)


def _make_template(dsn: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        name = sql.Identifier(_TEMPLATE)
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(name))
        connection.execute(sql.SQL("CREATE DATABASE {}").format(name))
    migrate(make_conninfo(dsn, dbname=_TEMPLATE))


@pytest.fixture
def dsn(postgres_dsn: str) -> Iterator[str]:
    """A migrated, empty database of this test's own."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
                sql.Identifier(name), sql.Identifier(_TEMPLATE)
            )
        )
        yield make_conninfo(postgres_dsn, dbname=name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
async def database(dsn: str) -> AsyncIterator[Database]:
    """An open pool on a database of this test's own."""
    async with Database(dsn, max_connections=8) as opened:
        yield opened


@pytest.fixture(scope="session")
def weights_cache() -> Path:
    """Where the tests keep the models that they fetch once."""
    return Path(platformdirs.user_cache_path("footnote-tests")) / "weights"


def _weights_folder() -> Path | None:
    named = os.environ.get("FOOTNOTE_WEIGHTS_DIR")
    return Path(named) if named else None


@pytest.fixture(scope="session")
def embedder(weights_cache: Path) -> Iterator[Embedder]:
    """The real default embedder: bge-small-en-v1.5, int8."""
    from retrieval.embedders.onnx import OnnxEmbedder
    from retrieval.weights import EMBEDDER_PIN, find_weights

    folder = find_weights(EMBEDDER_PIN, folder=_weights_folder(), cache=weights_cache, report=print)
    model = OnnxEmbedder(folder, threads=2)
    yield model
    model.close()


@pytest.fixture(scope="session")
def reranker(weights_cache: Path) -> Iterator[Reranker]:
    """The real default reranker: ms-marco-MiniLM-L-12-v2, int8."""
    from retrieval.rerankers.onnx import OnnxReranker
    from retrieval.weights import RERANKER_PIN, find_weights

    folder = find_weights(RERANKER_PIN, folder=_weights_folder(), cache=weights_cache, report=print)
    model = OnnxReranker(folder, threads=2)
    yield model
    model.close()


@pytest.fixture(scope="session")
def entailer_weights(weights_cache: Path) -> Path:
    """The reranker's files, from which the support check reads, too."""
    from retrieval.weights import RERANKER_PIN, find_weights

    return find_weights(RERANKER_PIN, folder=_weights_folder(), cache=weights_cache, report=print)


@pytest.fixture(scope="session")
def entailer(entailer_weights: Path) -> Iterator[EntailmentModel]:
    """The real model of the support check."""
    model = EntailmentModel(entailer_weights, threads=2)
    yield model
    model.close()


@pytest.fixture(scope="session")
def evaluation_data() -> Path:
    """The folder of evaluation data; a test that needs it is skipped where it is absent."""
    if not DATA.is_dir():
        pytest.skip(f"the evaluation data is not at '{DATA}' (set FOOTNOTE_TEST_DATA)")
    return DATA
