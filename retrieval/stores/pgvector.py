"""Vectors in Postgres, one table of half-precision vectors per index, searched exactly.

Half precision changes cosines of unit vectors by less than 1e-3 and halves the memory that a scan reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector
from psycopg import sql

from retrieval.database import Connection
from retrieval.errors import IndexMissingError
from retrieval.records import Scope
from retrieval.stores import HeldVector, Index, StoreKind

# Vectors of up to 8,000 bytes stay in the row, which has to fit a page: a scan that fetched each from TOAST would be
# many times slower.
_LONGEST_IN_ROW = 4_000


def _table(index: Index) -> sql.Identifier:
    return sql.Identifier(f"vectors_{index.id}")


class PgvectorStore:
    """Rows go with their chunks (foreign key), inside the transaction that publishes or removes them."""

    kind: StoreKind = "pgvector"

    async def create(self, index: Index, connection: Connection) -> None:
        if await self._exists(index, connection):
            return
        await connection.execute(
            sql.SQL(
                "CREATE TABLE {table} ("
                " chunk_id bigint PRIMARY KEY REFERENCES chunks ON DELETE CASCADE,"
                " embedding halfvec({dimension}) NOT NULL)"
            ).format(table=_table(index), dimension=sql.Literal(index.dimension))
        )
        if index.dimension <= _LONGEST_IN_ROW:
            await connection.execute(
                sql.SQL("ALTER TABLE {table} ALTER COLUMN embedding SET STORAGE PLAIN").format(
                    table=_table(index)
                )
            )

    async def _exists(self, index: Index, connection: Connection) -> bool:
        cursor = await connection.execute(
            "SELECT to_regclass(%(name)s) AS found", {"name": f"vectors_{index.id}"}
        )
        row = await cursor.fetchone()
        return row is not None and row["found"] is not None

    async def drop(self, index: Index, connection: Connection) -> None:
        await connection.execute(sql.SQL("DROP TABLE IF EXISTS {table}").format(table=_table(index)))

    async def write(
        self,
        index: Index,
        chunk_ids: Sequence[int],
        vectors: NDArray[np.float32],
        *,
        document_id: UUID,
        readers: Sequence[str],
        connection: Connection,
    ) -> None:
        index.check_dimension(vectors)
        copy = sql.SQL("COPY {table} (chunk_id, embedding) FROM STDIN WITH (FORMAT BINARY)").format(
            table=_table(index)
        )
        async with connection.cursor() as cursor, cursor.copy(copy) as rows:
            rows.set_types(["int8", "halfvec"])
            for chunk_id, vector in zip(chunk_ids, vectors, strict=True):
                await rows.write_row((chunk_id, HalfVector(vector)))

    async def forget(self, index: Index, chunk_ids: Sequence[int]) -> None:
        """Nothing to do: the rows went with their chunks."""

    async def set_readers(self, index: Index, document_id: UUID, readers: Sequence[str]) -> None:
        """Nothing to do: readers are joined from `documents`."""

    async def nearest(
        self, index: Index, vector: NDArray[np.float32], *, limit: int, scope: Scope, connection: Connection
    ) -> list[tuple[int, float]]:
        index.check_dimension(vector)
        visible = sql.SQL(
            "JOIN chunks AS c ON c.id = v.chunk_id JOIN documents AS d ON d.id = c.document_id"
            " WHERE d.readers && %(principals)s::text[]"
        )
        cursor = await connection.execute(
            sql.SQL(
                "SELECT v.chunk_id, -(v.embedding <#> %(vector)s) AS cosine FROM {table} AS v {visible}"
                " ORDER BY v.embedding <#> %(vector)s, v.chunk_id LIMIT %(limit)s"
            ).format(table=_table(index), visible=sql.SQL("") if scope.principals is None else visible),
            {
                "vector": HalfVector(vector),
                "limit": limit,
                "principals": None if scope.principals is None else sorted(scope.principals),
            },
        )
        return [(row["chunk_id"], float(row["cosine"])) for row in await cursor.fetchall()]

    async def cosines(
        self, index: Index, vector: NDArray[np.float32], chunk_ids: Sequence[int], *, connection: Connection
    ) -> Mapping[int, float]:
        index.check_dimension(vector)
        cursor = await connection.execute(
            sql.SQL(
                "SELECT chunk_id, -(embedding <#> %(vector)s) AS cosine FROM {table}"
                " WHERE chunk_id = ANY(%(chunk_ids)s)"
            ).format(table=_table(index)),
            {"vector": HalfVector(vector), "chunk_ids": list(chunk_ids)},
        )
        return {row["chunk_id"]: float(row["cosine"]) for row in await cursor.fetchall()}

    async def count(self, index: Index, connection: Connection) -> int:
        cursor = await connection.execute(
            sql.SQL("SELECT count(*) AS n FROM {table}").format(table=_table(index))
        )
        row = await cursor.fetchone()
        return 0 if row is None else int(row["n"])

    async def holdings(
        self, index: Index, *, after: int, limit: int, measured: bool, connection: Connection
    ) -> list[HeldVector]:
        # Asked first: to fail on a missing table would end the caller's transaction.
        if not await self._exists(index, connection):
            raise IndexMissingError(
                f"the database has lost the table 'vectors_{index.id}', which held the vectors of index {index.id}. "
                "Restore it from a backup, or build the index anew: footnote reindex."
            )
        # Always measured: the server does it, and what a vector may not be is refused by its type, save in a table
        # that was made for another dimension.
        cursor = await connection.execute(
            sql.SQL(
                "SELECT chunk_id, CASE WHEN vector_dims(embedding) = {dimension} THEN l2_norm(embedding)"
                " ELSE 'nan' END AS norm FROM {table}"
                " WHERE chunk_id > %(after)s ORDER BY chunk_id LIMIT %(limit)s"
            ).format(table=_table(index), dimension=sql.Literal(index.dimension)),
            {"after": after, "limit": limit},
        )
        return [
            HeldVector(chunk_id=row["chunk_id"], norm=float(row["norm"])) for row in await cursor.fetchall()
        ]

    async def discard(self, index: Index, chunk_ids: Sequence[int], connection: Connection) -> None:
        await connection.execute(
            sql.SQL("DELETE FROM {table} WHERE chunk_id = ANY(%(chunk_ids)s)").format(table=_table(index)),
            {"chunk_ids": list(chunk_ids)},
        )

    async def close(self) -> None:
        """Nothing to close: connections belong to the caller."""
