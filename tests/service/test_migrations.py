from __future__ import annotations

import threading
import traceback
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from psycopg import sql
from psycopg.conninfo import make_conninfo

from retrieval.errors import ConfigurationError, DatabaseUnavailableError, SchemaOutdatedError
from service.migrations import _ADVISORY_LOCK, check_schema, load_migrations, migrate

ALL = [f"{migration.version:04}_{migration.name}" for migration in load_migrations()]
PASSWORD = "kX9zQ7vW"


@pytest.fixture
def empty_dsn(postgres_dsn: str) -> Iterator[str]:
    """An empty database of this test's own, without any schema."""
    name = f"test_{uuid.uuid4().hex}"
    with psycopg.connect(postgres_dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        yield make_conninfo(postgres_dsn, dbname=name)
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def plain_role(empty_dsn: str) -> Iterator[str]:
    """A role that may connect to the empty database and nothing else."""
    role = f"test_{uuid.uuid4().hex}"
    execute(empty_dsn, f"CREATE ROLE {role} LOGIN")
    yield role
    execute(empty_dsn, f"DROP OWNED BY {role}; DROP ROLE {role}")


def as_role(dsn: str, role: str) -> str:
    return make_conninfo(dsn, options=f"-c role={role}")


def execute(dsn: str, statement: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(statement.encode())


def test_migrating_twice_does_it_once(empty_dsn: str) -> None:
    assert migrate(empty_dsn) == ALL
    assert migrate(empty_dsn) == []
    check_schema(empty_dsn)


def test_of_several_at_once_one_migrates_and_the_others_find_it_done(empty_dsn: str) -> None:
    start = threading.Barrier(4)

    def run(_: int) -> list[str]:
        start.wait()
        return migrate(empty_dsn)

    with ThreadPoolExecutor(4) as threads:
        results = list(threads.map(run, range(4)))
    assert sorted(results) == [[], [], [], ALL]


def test_an_empty_database_is_told_to_be_migrated(empty_dsn: str) -> None:
    with pytest.raises(SchemaOutdatedError, match=r"run: footnote migrate$"):
        check_schema(empty_dsn)


def test_an_older_schema_is_told_to_be_migrated(empty_dsn: str) -> None:
    migrate(empty_dsn)
    execute(empty_dsn, f"DELETE FROM schema_migrations WHERE version = {len(ALL)}")
    with pytest.raises(SchemaOutdatedError, match=r"older .* 1 in number.*run: footnote migrate$"):
        check_schema(empty_dsn)


def test_a_newer_schema_is_refused_and_left_alone(dsn: str) -> None:
    execute(dsn, f"INSERT INTO schema_migrations (version, name, sha256) VALUES ({len(ALL) + 1}, 'new', 'x')")
    for refuse in (migrate, check_schema):
        with pytest.raises(SchemaOutdatedError, match=rf"\(migration {len(ALL) + 1:04}\) is newer than"):
            refuse(dsn)


def test_a_migration_applied_with_other_content_is_refused(dsn: str) -> None:
    execute(dsn, "UPDATE schema_migrations SET sha256 = 'other' WHERE version = 1")
    for refuse in (migrate, check_schema):
        with pytest.raises(SchemaOutdatedError, match="migration 0001_house was applied with another"):
            refuse(dsn)


def test_a_role_that_may_not_create_tables_is_told_what_it_needs(empty_dsn: str, plain_role: str) -> None:
    with pytest.raises(SchemaOutdatedError, match=r"permission denied.*grant.*run: footnote migrate"):
        migrate(as_role(empty_dsn, plain_role))


def test_a_refused_migration_leaves_nothing_behind(empty_dsn: str, plain_role: str) -> None:
    execute(empty_dsn, f"GRANT CREATE ON SCHEMA public TO {plain_role}")
    with pytest.raises(SchemaOutdatedError, match=r'extension "vector".*CREATE EXTENSION'):
        migrate(as_role(empty_dsn, plain_role))
    with psycopg.connect(empty_dsn) as connection:
        rows = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
        assert rows == [("schema_migrations",)]
        assert connection.execute("SELECT count(*) FROM schema_migrations").fetchone() == (0,)


def test_a_migration_that_hangs_does_not_hang_the_next_for_ever(empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn, autocommit=True) as other:
        other.execute("SELECT pg_advisory_lock(%s)", (_ADVISORY_LOCK,))
        with pytest.raises(DatabaseUnavailableError, match="perhaps another migration"):
            migrate(empty_dsn, lock_timeout_s=0.2)
    assert migrate(empty_dsn) == ALL


@pytest.mark.parametrize(
    ("dsn", "reason"),
    [
        (f"postgresql://u:{PASSWORD}@127.0.0.1:1/db", "port 1 failed: Connection refused."),
        (f"host=/no/such password={PASSWORD}", "No such file or directory."),
        (f"postgresql://u:{PASSWORD}@nosuchhost.invalid/db", "failed to resolve host 'nosuchhost.invalid'"),
        (f"postgresql://u:{PASSWORD}@127.0.0.1:1,127.0.0.1:2/db", "Connection refused."),
    ],
)
def test_an_unreachable_database_is_named_without_its_password(dsn: str, reason: str) -> None:
    for run in (migrate, check_schema):
        with pytest.raises(DatabaseUnavailableError) as failed:
            run(dsn)
        message = str(failed.value)
        assert message.startswith("the database cannot be reached: ")
        assert reason in message
        assert "FOOTNOTE_DATABASE__DSN" in message
        assert "Is the server running" not in message
        assert PASSWORD not in "".join(traceback.format_exception(failed.value))


def test_a_database_that_does_not_exist_is_named(postgres_dsn: str) -> None:
    with pytest.raises(DatabaseUnavailableError, match='FATAL: database "no_such" does not exist'):
        check_schema(make_conninfo(postgres_dsn, dbname="no_such"))


@pytest.mark.parametrize(
    "dsn",
    [
        PASSWORD,
        f"postgresql://u:{PASSWORD}@{PASSWORD}@127.0.0.1/db",
        f"postgresql://u:{PASSWORD}/{PASSWORD}@127.0.0.1/db",
        f"postgresql://u:12/{PASSWORD}@127.0.0.1/db",
        f"postgresql://u:{PASSWORD}%@127.0.0.1/db",
        f"host=x password={PASSWORD} {PASSWORD}",
        f"postgresql://[{PASSWORD}",
    ],
)
def test_a_connection_string_that_is_none_is_explained_without_repeating_it(dsn: str) -> None:
    for run in (migrate, check_schema):
        with pytest.raises(ConfigurationError, match=r"looks like postgresql://user:password@") as refused:
            run(dsn)
        assert PASSWORD not in "".join(traceback.format_exception(refused.value))
