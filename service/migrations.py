"""Migrations: bring a database's schema to this release, in order, once, whoever else tries at the same time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import psycopg

from retrieval.database import SQL_DIRECTORY
from retrieval.errors import ConfigurationError, DatabaseUnavailableError, SchemaOutdatedError
from service.queue_schema import migrate_queue, pending_queue_migrations

# Any fixed number will do, as long as every release uses the same one.
_ADVISORY_LOCK = 0x_F007_107E

_CREATE_LEDGER = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version    integer     PRIMARY KEY,
    name       text        NOT NULL,
    sha256     text        NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file of `sql/migrations`: NNNN_name.sql."""

    version: int
    name: str
    sha256: str
    statements: LiteralString


def load_migrations(directory: Path = SQL_DIRECTORY / "migrations") -> list[Migration]:
    """All migrations of this release, in order; their versions count up from 1 without a gap."""
    migrations = []
    for number, path in enumerate(sorted(directory.glob("*.sql")), start=1):
        version, _, name = path.stem.partition("_")
        assert int(version) == number, f"{path.name} should have number {number:04}"
        text = path.read_text(encoding="utf-8")
        migrations.append(
            Migration(
                version=number,
                name=name,
                sha256=hashlib.sha256(text.encode()).hexdigest(),
                statements=text,
            )
        )
    return migrations


def migrate(dsn: str, *, lock_timeout_s: float = 120.0) -> list[str]:
    """Apply what is missing and return the names of what was applied.

    Raises `DatabaseUnavailableError`, also where another migration takes longer than `lock_timeout_s`, and
    `SchemaOutdatedError` where the database is newer than this release or does not let it be migrated.
    """
    migrations = load_migrations()
    applied: list[str] = []
    with _connected(dsn) as connection:
        connection.execute(
            "SELECT set_config('lock_timeout', %s, false)", (f"{lock_timeout_s * 1000:.0f}ms",)
        )
        connection.execute("SELECT pg_advisory_lock(%s)", (_ADVISORY_LOCK,))
        with connection.transaction():
            connection.execute("SET LOCAL client_min_messages = warning")
            connection.execute(_CREATE_LEDGER)
        for migration in _pending(connection, migrations):
            with connection.transaction():
                connection.execute(migration.statements)
                connection.execute(
                    "INSERT INTO schema_migrations (version, name, sha256) VALUES (%s, %s, %s)",
                    (migration.version, migration.name, migration.sha256),
                )
            applied.append(f"{migration.version:04}_{migration.name}")
        migrate_queue(connection)
    return applied


def check_schema(dsn: str) -> None:
    """Raise `SchemaOutdatedError` where the database's schema is not exactly this release's."""
    with _connected(dsn) as connection:
        row = connection.execute("SELECT to_regclass('schema_migrations') IS NOT NULL").fetchone()
        exists = row is not None and row[0]
        pending = len(_pending(connection, load_migrations())) if exists else 0
        pending += len(pending_queue_migrations(connection))
    if not exists:
        raise SchemaOutdatedError("the database holds no Footnote yet. To set it up, run: footnote migrate")
    if pending:
        raise SchemaOutdatedError(
            f"the database's schema is older than this release: migrations are missing, {pending} in number. "
            "Make a backup, then run: footnote migrate"
        )


@contextmanager
def _connected(dsn: str) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A connection on which what Postgres refuses comes out as an error of ours."""
    _check_dsn(dsn)
    try:
        opened = psycopg.connect(
            dsn, autocommit=True, connect_timeout=10, application_name="footnote migrate"
        )
    except psycopg.OperationalError as exc:
        raise DatabaseUnavailableError(
            f"the database cannot be reached: {_reason(exc)}. Check that it runs and that database.dsn "
            "(FOOTNOTE_DATABASE__DSN) is right."
        ) from exc
    with opened as connection:
        try:
            yield connection
        except (psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported) as exc:
            raise SchemaOutdatedError(
                f"the database does not let its schema be made: {exc.diag.message_primary}. Footnote needs the "
                "pgvector extension and a role that may create tables. Let an administrator run CREATE EXTENSION "
                "vector in this database and grant the role CREATE on its schema, then run: footnote migrate"
            ) from exc
        except psycopg.errors.LockNotAvailable as exc:
            raise DatabaseUnavailableError(
                "something else holds the database's schema, perhaps another migration that takes long. "
                "Try again when it is done."
            ) from exc
        except psycopg.OperationalError as exc:
            raise DatabaseUnavailableError(
                f"the database could not do its work: {_reason(exc)}. Nothing is half done; try again."
            ) from exc


def _check_dsn(dsn: str) -> None:
    """Refuse what is no connection string, and one that libpq would read otherwise than it was meant.

    An @, / or : in a password that is not percent-encoded makes a part of the password the host, the port or the
    database's name, and errors would show it.
    """
    try:
        parts = psycopg.conninfo.conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        parts = {"port": "none"}
    ports = str(parts.get("port") or "0").split(",")
    if any("@" in str(parts.get(name) or "") for name in ("host", "dbname")) or not all(
        port.isdecimal() for port in ports if port
    ):
        # Without the cause: its words may hold a part of the password.
        raise ConfigurationError(
            "database.dsn (FOOTNOTE_DATABASE__DSN) is not a connection string that Postgres understands. It looks like "
            "postgresql://user:password@host:5432/database; in the password, characters such as @ : / ? # and % are "
            "written as %40 %3A %2F %3F %23 and %25."
        )


def _reason(exc: psycopg.Error) -> str:
    """libpq's own words without its guesses. They may hold host, port and role, never the password."""
    words = " ".join(str(exc).strip().partition("\n")[0].split())
    return words.removeprefix("connection failed: ").removeprefix("connection is bad: ") or "no reason given"


def _pending(
    connection: psycopg.Connection[tuple[object, ...]], migrations: list[Migration]
) -> list[Migration]:
    rows = connection.execute("SELECT version, sha256 FROM schema_migrations ORDER BY version").fetchall()
    done = {int(str(version)): str(sha256) for version, sha256 in rows}
    known = {migration.version: migration for migration in migrations}
    if newer := sorted(done.keys() - known.keys()):
        raise SchemaOutdatedError(
            f"the database's schema (migration {newer[-1]:04}) is newer than this release, whose last migration is "
            f"{len(known):04}. Install the release that made it, or a later one."
        )
    for version, sha256 in done.items():
        if known[version].sha256 != sha256:
            raise SchemaOutdatedError(
                f"migration {version:04}_{known[version].name} was applied with another content than this release has. "
                "The database was made by a build that was never released: ingest into a new one."
            )
    return [migration for migration in migrations if migration.version not in done]
