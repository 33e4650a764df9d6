"""The tables of the queue: Procrastinate's own, brought up to date by the migrations that its package carries.

They lie beside Footnote's, under names that begin with `procrastinate_`: a schema of their own would take a right that
Footnote's role does not need otherwise. A ledger says which were applied, so that a newer Procrastinate brings what it
needs with the next `footnote migrate`. Its migrations come in two kinds, to be applied before and after its workers
are exchanged; both are applied here, so workers of the former release are to be stopped before (docs/jobs.md).
"""

from __future__ import annotations

from pathlib import Path

import psycopg
from procrastinate.schema import migrations_path

_CREATE_LEDGER = """
CREATE TABLE IF NOT EXISTS queue_migrations (
    name       text        PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


def pending_queue_migrations(connection: psycopg.Connection[tuple[object, ...]]) -> list[str]:
    """Names of those that the database lacks, in order."""
    row = connection.execute("SELECT to_regclass('queue_migrations') IS NOT NULL").fetchone()
    done: set[object] = set()
    if row is not None and row[0]:
        done = {name for (name,) in connection.execute("SELECT name FROM queue_migrations").fetchall()}
    return [path.stem for path in _files() if path.stem not in done]


def migrate_queue(connection: psycopg.Connection[tuple[object, ...]]) -> None:
    """Apply those that the database lacks, all or none. The caller holds the lock of migrations."""
    with connection.transaction():
        connection.execute("SET LOCAL client_min_messages = warning")
        connection.execute(_CREATE_LEDGER)
        for name in pending_queue_migrations(connection):
            text = (migrations_path / f"{name}.sql").read_text(encoding="utf-8")
            # The package's own statements, as safe as those of ours.
            connection.execute(text)
            connection.execute("INSERT INTO queue_migrations (name) VALUES (%s)", (name,))


def _files() -> list[Path]:
    return sorted(migrations_path.glob("*.sql"))
