"""The connection to Postgres: a bounded pool, transactions, snapshots, and the named queries of `sql/queries`."""

from __future__ import annotations

import asyncio
import math
import select
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import cache
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from pgvector.psycopg import register_vector_async
from psycopg import AsyncConnection, IsolationLevel
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from retrieval.errors import (
    ConfigurationError,
    ContentRejectedError,
    DatabaseUnavailableError,
    QueryTimeoutError,
)
from retrieval.postings import register_postings
from retrieval.term_weights import register_term_weights

SQL_DIRECTORY = Path(__file__).resolve().parent.parent / "sql"

Connection = AsyncConnection[DictRow]

_LIMIT_STATEMENTS = "SELECT set_config('statement_timeout', %s, true)"
_PROGRAM_LIMIT = "54"
"""Class of SQLSTATE: a limit of Postgres, such as a text's or an array's greatest size."""


@cache
def _room(room: str) -> dict[str, LiteralString]:
    text = (SQL_DIRECTORY / "queries" / f"{room}.sql").read_text(encoding="utf-8")
    queries: dict[str, LiteralString] = {}
    for part in text.split("-- name: ")[1:]:
        name, _, body = part.partition("\n")
        queries[name.strip()] = body.strip()
    return queries


def query(name: LiteralString) -> LiteralString:
    """Return the named query "room.name" from `sql/queries/room.sql`."""
    room, _, short = name.partition(".")
    return _room(room)[short]


class Database:
    """A pool of connections. Rows are dictionaries; vectors travel in pgvector's binary form.

    Raises `DatabaseUnavailableError` where the server cannot be reached, also in mid-work.
    """

    def __init__(self, dsn: str, *, max_connections: int = 8, connect_timeout_s: float = 10.0) -> None:
        self._where = _describe(dsn)
        self.dsn = dsn
        self._timeout_s = connect_timeout_s
        self._pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            dsn,
            min_size=1,
            max_size=max_connections,
            timeout=connect_timeout_s,
            connection_class=AsyncConnection[DictRow],
            kwargs={"row_factory": dict_row, "autocommit": True, "application_name": "footnote"},
            configure=_prepare,
            check=_check,
            reconnect_timeout=connect_timeout_s,
            open=False,
            name="footnote",
        )

    async def __aenter__(self) -> Database:
        try:
            await self._pool.open(wait=True, timeout=self._timeout_s)
        except (PoolTimeout, psycopg.OperationalError) as exc:
            await self._pool.close()
            raise self._unavailable(exc) from exc
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._pool.close()

    def _unavailable(self, cause: Exception | None = None) -> DatabaseUnavailableError:
        sqlstate = getattr(cause, "sqlstate", None)
        if (
            isinstance(cause, psycopg.Error)
            and sqlstate is not None
            and not sqlstate.startswith(("08", "57"))
        ):
            # The server answered and refused: full disk, no more connections, deadlock. Its own words are the reason.
            return DatabaseUnavailableError(
                f"the database ({self._where}) could not do its work: {cause.diag.message_primary} "
                f"(SQLSTATE {sqlstate})."
            )
        return DatabaseUnavailableError(
            f"the database ({self._where}) cannot be reached or went away. "
            "Nothing that was reported as done is lost; start it and try again."
        )

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection in autocommit mode."""
        heed_cancellation = _cancellation_check()
        try:
            async with self._pool.connection() as connection:
                heed_cancellation()
                yield connection
        except psycopg.Error as exc:
            if isinstance(exc, psycopg.DataError) or (exc.sqlstate or "").startswith(_PROGRAM_LIMIT):
                raise ContentRejectedError(f"the database does not take it: {_reason(exc)}") from exc
            if isinstance(exc, psycopg.OperationalError | psycopg.InterfaceError):
                raise self._unavailable(exc) from exc
            raise

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction: everything in it happens, or nothing."""
        async with self.connection() as connection, connection.transaction():
            yield connection

    @asynccontextmanager
    async def snapshot(self, *, timeout_s: float | None = None) -> AsyncIterator[Connection]:
        """A read-only transaction that sees one state of the index throughout, whatever is published meanwhile.

        Raises `QueryTimeoutError` where one statement takes longer than `timeout_s`: Postgres ends it then.
        """
        async with self.connection() as connection:
            await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
            await connection.set_read_only(True)
            try:
                async with connection.transaction():
                    if timeout_s is not None:
                        await connection.execute(_LIMIT_STATEMENTS, (f"{math.ceil(timeout_s * 1000)}ms",))
                    yield connection
            except psycopg.errors.QueryCanceled as exc:
                if timeout_s is None:
                    raise
                raise QueryTimeoutError(
                    f"a statement took longer than the {timeout_s:g} s that it may, and was ended. The database is "
                    "overloaded, or the search asks for too much at once; try again."
                ) from exc
            finally:
                if not connection.closed:
                    await connection.set_isolation_level(None)
                    await connection.set_read_only(None)

    async def fetch_all(
        self, statement: LiteralString, parameters: dict[str, Any] | None = None
    ) -> list[DictRow]:
        """Run one statement by itself and return all of its rows."""
        async with self.connection() as connection:
            cursor = await connection.execute(statement, parameters)
            return await cursor.fetchall()

    async def fetch_one(
        self, statement: LiteralString, parameters: dict[str, Any] | None = None
    ) -> DictRow | None:
        """Run one statement by itself and return its first row, or None."""
        async with self.connection() as connection:
            cursor = await connection.execute(statement, parameters)
            return await cursor.fetchone()

    async def execute(self, statement: LiteralString, parameters: dict[str, Any] | None = None) -> int:
        """Run one statement by itself and return how many rows it touched."""
        async with self.connection() as connection:
            cursor = await connection.execute(statement, parameters)
            return cursor.rowcount


def _cancellation_check() -> Callable[[], None]:
    """A function that raises `CancelledError` where the current task has been cancelled since this call.

    For what forgets a cancellation: the pool waits for a free connection by `asyncio.wait_for`, and that of Python 3.11
    returns what it waits for, as if nothing had been said, when it is cancelled in the moment when that comes about.
    """
    task = asyncio.current_task()
    assert task is not None, "a coroutine that waits for a pool runs in a task"
    before = task.cancelling()

    def check() -> None:
        if task.cancelling() > before:
            raise asyncio.CancelledError

    return check


def _reason(error: psycopg.Error) -> str:
    """What the server said, or the driver, which refuses some things by itself and gives them no number."""
    if error.sqlstate is None:
        return str(error)
    return f"{error.diag.message_primary} (SQLSTATE {error.sqlstate})"


async def _check(connection: Connection) -> None:
    """A connection that its server has left has something to read, and only then is it asked: that takes a while."""
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    if waiting.poll(0):
        await AsyncConnectionPool.check_connection(connection)


async def _prepare(connection: Connection) -> None:
    """Vectors, term weights and postings travel in binary form. No query here is worth compiling."""
    await register_vector_async(connection)
    await register_term_weights(connection)
    register_postings(connection)
    await connection.execute("SET jit = off")


def _describe(dsn: str) -> str:
    """Host and database of a connection string, without user or password."""
    try:
        parts = psycopg.conninfo.conninfo_to_dict(dsn)
    except psycopg.ProgrammingError as exc:
        raise ConfigurationError(
            "database.dsn (FOOTNOTE_DATABASE__DSN) is not a connection string that Postgres understands. "
            "It looks like postgresql://user:password@host:5432/database."
        ) from exc
    host = parts.get("host") or "local socket"
    return f"'{parts.get('dbname') or 'default'}' at {host}"
