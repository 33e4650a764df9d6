"""A database whose client can be killed between any two uses of it: what is committed by then stays, no more."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from typing import Self

from retrieval.database import Connection, Database


class Killed(BaseException):
    """The process is no more; nothing may catch this."""


class MortalDatabase(Database):
    """A transaction that is cut short is undone, so to be killed in mid-transaction is to be killed before it."""

    uses_left: int | None = None

    async def __aenter__(self) -> Self:
        await super().__aenter__()
        return self

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        if self.uses_left is not None:
            if self.uses_left <= 0:
                raise Killed
            self.uses_left -= 1
        async with super().connection() as connection:
            yield connection

    async def kill_after(self, uses: int, work: Awaitable[object]) -> bool:
        """Do the work, and be killed after so many uses; False where it was done by then."""
        self.uses_left = uses
        try:
            await work
        except BaseException as exc:
            if not _is_killed(exc):
                raise
            return True
        finally:
            self.uses_left = None
        return False


def _is_killed(error: BaseException) -> bool:
    if isinstance(error, BaseExceptionGroup):
        return all(_is_killed(inner) for inner in error.exceptions)
    return isinstance(error, Killed)
