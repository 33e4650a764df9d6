"""Migrations: bring a database's schema to this release, in order, once, whoever else tries at the same time."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import LiteralString

import psycopg

from retrieval.database import SQL_DIRECTORY
from retrieval.errors import DatabaseUnavailableError, SchemaOutdatedError

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


def migrate(dsn: str) -> list[str]:
    """Apply what is missing and return the names of what was applied.

    Raises `DatabaseUnavailableError`, and `SchemaOutdatedError` where the database is newer than this release.
    """
    migrations = load_migrations()
    applied: list[str] = []
    with _connect(dsn) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_ADVISORY_LOCK,))
        with connection.transaction():
            connection.execute("SET LOCAL client_min_messages = warning")
            connection.execute(_CREATE_LEDGER)
        pending = _pending(connection, migrations)
        for migration in pending:
            try:
                with connection.transaction():
                    connection.execute(migration.statements)
                    connection.execute(
                        "INSERT INTO schema_migrations (version, name, sha256) VALUES (%s, %s, %s)",
                        (migration.version, migration.name, migration.sha256),
                    )
            except (psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported) as exc:
                raise SchemaOutdatedError(
                    f"migration {migration.version:04}_{migration.name} was refused by the database: "
                    f"{exc.diag.message_primary}. Footnote needs the pgvector extension and a role that may create "
                    "tables: let an administrator run CREATE EXTENSION vector in this database, then run: "
                    "footnote migrate"
                ) from exc
            applied.append(f"{migration.version:04}_{migration.name}")
    return applied


def check_schema(dsn: str) -> None:
    """Raise `SchemaOutdatedError` where the database's schema is not exactly this release's."""
    with _connect(dsn) as connection:
        row = connection.execute("SELECT to_regclass('schema_migrations') IS NOT NULL").fetchone()
        exists = row is not None and row[0]
        pending = _pending(connection, load_migrations()) if exists else load_migrations()
    if pending:
        raise SchemaOutdatedError(
            f"the database's schema is older than this release: {len(pending)} migration(s) are missing. "
            "Make a backup, then run: footnote migrate"
        )


def _connect(dsn: str) -> psycopg.Connection[tuple[object, ...]]:
    try:
        return psycopg.connect(dsn, autocommit=True, connect_timeout=10, application_name="footnote migrate")
    except psycopg.OperationalError as exc:
        # libpq's message may hold host, port and role, never the password.
        reason = str(exc).strip().splitlines()[-1] if str(exc).strip() else "no reason given"
        raise DatabaseUnavailableError(
            f"the database cannot be reached: {reason}. Check that it runs and that database.dsn "
            "(FOOTNOTE_DATABASE__DSN) is right."
        ) from exc


def _pending(
    connection: psycopg.Connection[tuple[object, ...]], migrations: list[Migration]
) -> list[Migration]:
    rows = connection.execute("SELECT version, sha256 FROM schema_migrations ORDER BY version").fetchall()
    done = {int(str(version)): str(sha256) for version, sha256 in rows}
    known = {migration.version: migration for migration in migrations}
    if newer := sorted(done.keys() - known.keys()):
        raise SchemaOutdatedError(
            f"the database's schema (migration {newer[-1]:04}) is newer than this release, which knows "
            f"{len(known)}. Install the release that made it."
        )
    for version, sha256 in done.items():
        if known[version].sha256 != sha256:
            raise SchemaOutdatedError(
                f"migration {version:04}_{known[version].name} was applied with another content than this release has. "
                "The database was made by a build that was never released: ingest into a new one."
            )
    return [migration for migration in migrations if migration.version not in done]
