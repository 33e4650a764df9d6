"""Vectors in Postgres, one table of half-precision vectors per index.

Half precision changes cosines of unit vectors by less than 1e-3 and halves the memory that a scan reads. A table of
more than some 20,000 vectors gets an HNSW graph; where fewer than that may be looked at, each of them is compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector
from psycopg import sql
from psycopg.errors import UndefinedTable

from retrieval.database import Connection, Database
from retrieval.errors import IndexMissingError
from retrieval.filters import Selection
from retrieval.stores import HeldVector, Index, StoreKind
from retrieval.stores.graphs import END_WALK, EXACT_BELOW, LEAST_FOUND, begin_walk, build_where_it_pays

# Vectors of up to 8,000 bytes stay in the row, which has to fit a page: a scan that fetched each from TOAST would be
# many times slower.
_LONGEST_IN_ROW = 4_000


def _table(index: Index) -> sql.Identifier:
    return sql.Identifier(f"vectors_{index.id}")


def _nearest_by_graph(index: Index, selection: Selection) -> sql.Composed:
    allowed = sql.SQL(
        "JOIN chunk_terms AS t ON t.chunk_id = v.chunk_id JOIN documents AS d ON d.id = t.document_id WHERE {condition}"
    ).format(condition=selection.condition())
    return sql.SQL(
        "SELECT v.chunk_id, -(v.embedding <#> %(vector)s) AS cosine FROM {table} AS v {allowed}"
        " ORDER BY v.embedding <#> %(vector)s LIMIT %(limit)s"
    ).format(table=_table(index), allowed=sql.SQL("") if selection.is_everything else allowed)


def _nearest_of_all(index: Index, selection: Selection) -> sql.Composed:
    allowed = sql.SQL(
        "documents AS d JOIN chunk_terms AS t ON t.document_id = d.id JOIN {table} AS v ON v.chunk_id = t.chunk_id"
        " WHERE d.collection_id = %(collection_id)s AND {condition}"
    ).format(table=_table(index), condition=selection.condition())
    every = sql.SQL("{table} AS v").format(table=_table(index))
    # By an expression that no index has, so that a graph is not walked.
    return sql.SQL(
        "SELECT v.chunk_id, -(v.embedding <#> %(vector)s) AS cosine FROM {source}"
        " ORDER BY -(v.embedding <#> %(vector)s) DESC, v.chunk_id LIMIT %(limit)s"
    ).format(source=every if selection.is_everything else allowed)


def _missing(index: Index) -> IndexMissingError:
    return IndexMissingError(
        f"the database has lost the table 'vectors_{index.id}', which held the vectors of index {index.id}. "
        "Restore it from a backup, or build the index anew: footnote reindex."
    )


@contextmanager
def _reading(index: Index) -> Iterator[None]:
    """Turn a missing table into an error of Footnote's own."""
    try:
        yield
    except UndefinedTable as exc:
        raise _missing(index) from exc


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

    async def _check_exists(self, index: Index, connection: Connection) -> None:
        """To fail on a missing table would end the caller's transaction."""
        if not await self._exists(index, connection):
            raise _missing(index)

    async def drop(self, index: Index, connection: Connection) -> None:
        if await self._exists(index, connection):
            # Its foreign key makes the drop lock `chunks` in any case: now, so that a publisher who deletes chunks, and
            # with them their vectors, is not met half-way.
            await connection.execute("LOCK TABLE chunks IN ACCESS EXCLUSIVE MODE")
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
        self,
        index: Index,
        vector: NDArray[np.float32],
        *,
        limit: int,
        selection: Selection,
        visible: int,
        connection: Connection,
    ) -> list[tuple[int, float]]:
        index.check_dimension(vector)
        # A graph is no help where few of its vectors may be looked at: it is walked for long and finds too little.
        found = max(limit, LEAST_FOUND)
        walked = visible > EXACT_BELOW and await begin_walk(index, connection, found=found, visible=visible)
        statement = _nearest_by_graph(index, selection) if walked else _nearest_of_all(index, selection)
        parameters = {
            "vector": HalfVector(vector),
            "limit": found if walked else limit,
            "collection_id": index.collection_id,
            **selection.parameters(),
        }
        with _reading(index):
            async with connection.pipeline():  # two statements, one way there and back
                cursor = await connection.execute(statement, parameters)
                if walked:
                    await connection.execute(END_WALK)
                rows = await cursor.fetchall()
        pairs = [(row["chunk_id"], float(row["cosine"])) for row in rows]
        return sorted(pairs, key=lambda pair: (-pair[1], pair[0]))[:limit]

    async def word_candidates(
        self,
        index: Index,
        words: Mapping[int, int],
        *,
        limit: int,
        selection: Selection,
        connection: Connection,
    ) -> list[int] | None:
        """None: the segments of lexical search are beside the vectors."""
        return None

    async def optimize(self, index: Index, database: Database, *, wait: bool = False) -> bool:
        """Build the index's HNSW graph once there are enough vectors for one to pay (`retrieval.stores.graphs`)."""
        async with database.connection() as connection:
            if not await self._exists(index, connection):
                return False  # dropped since
        return await build_where_it_pays(index, _table(index), database, wait=wait)

    async def cosines(
        self, index: Index, vector: NDArray[np.float32], chunk_ids: Sequence[int], *, connection: Connection
    ) -> Mapping[int, float]:
        index.check_dimension(vector)
        statement = sql.SQL(
            "SELECT chunk_id, -(embedding <#> %(vector)s) AS cosine FROM {table} WHERE chunk_id = ANY(%(chunk_ids)s)"
        ).format(table=_table(index))
        with _reading(index):
            cursor = await connection.execute(
                statement, {"vector": HalfVector(vector), "chunk_ids": list(chunk_ids)}
            )
        return {row["chunk_id"]: float(row["cosine"]) for row in await cursor.fetchall()}

    async def likeness(
        self, index: Index, chunk_id: int, chunk_ids: Sequence[int], *, connection: Connection
    ) -> Mapping[int, float]:
        cursor = await connection.execute(
            sql.SQL(
                "SELECT v.chunk_id, -(v.embedding <#> l.embedding) AS cosine FROM {table} AS l, {table} AS v"
                " WHERE l.chunk_id = %(chunk_id)s AND v.chunk_id = ANY(%(chunk_ids)s)"
            ).format(table=_table(index)),
            {"chunk_id": chunk_id, "chunk_ids": list(chunk_ids)},
        )
        return {row["chunk_id"]: float(row["cosine"]) for row in await cursor.fetchall()}

    async def vectors(
        self, index: Index, chunk_ids: Sequence[int], connection: Connection
    ) -> Mapping[int, NDArray[np.float32]]:
        await self._check_exists(index, connection)
        cursor = await connection.execute(
            sql.SQL("SELECT chunk_id, embedding FROM {table} WHERE chunk_id = ANY(%(chunk_ids)s)").format(
                table=_table(index)
            ),
            {"chunk_ids": list(chunk_ids)},
        )
        return {
            row["chunk_id"]: row["embedding"].to_numpy().astype(np.float32) for row in await cursor.fetchall()
        }

    async def count(self, index: Index, connection: Connection) -> int:
        with _reading(index):
            cursor = await connection.execute(
                sql.SQL("SELECT count(*) AS n FROM {table}").format(table=_table(index))
            )
        row = await cursor.fetchone()
        return 0 if row is None else int(row["n"])

    async def holdings(
        self, index: Index, *, after: int, limit: int, measured: bool, connection: Connection
    ) -> list[HeldVector]:
        await self._check_exists(index, connection)
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
