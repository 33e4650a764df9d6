"""One graph of vectors against the same vectors in partitions with a graph each, and vectors of other dimensions.

    python -m benchmarks.scale_partitions --corpus DIR --cache DIR [--vectors 200000] [--parts 1 4 16]

Vectors are the first of a corpus that `scale --keep` has made (DIR/1000000/corpus), in an embedded Postgres of this
benchmark's own; for a higher dimension they are turned into it by an orthonormal map, so that the neighbours stay what
they were and only the bytes and the time to compare them grow. Nothing in Footnote makes partitions: this is what they
would cost. Each question's 200 nearest are asked for as `retrieval.stores.graphs` asks; the truth is numpy's.
Reads FOOTNOTE_TEST_DATA and FOOTNOTE_WEIGHTS_DIR.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pgvector import HalfVector
from psycopg import sql

from benchmarks.scale_sample import load_sample
from retrieval.database import Connection, Database
from retrieval.embedders import load_embedder
from service.embedded_postgres import EmbeddedPostgres
from service.migrations import migrate
from service.settings import Settings
from service.specs import embedder_spec

Vectors = NDArray[np.float32]
_K, _WANTED = 10, 200
_WARM_UP = 20
# What a search sets before it walks (`retrieval.stores.graphs`).
_WALK = """
SELECT set_config('hnsw.ef_search', %(breadth)s, true), set_config('hnsw.iterative_scan', 'relaxed_order', true),
       set_config('hnsw.max_scan_tuples', '100000', true), set_config('hnsw.scan_mem_multiplier', '8', true),
       set_config('enable_seqscan', 'off', true), set_config('enable_sort', 'off', true)
"""


def turned(vectors: Vectors, dimension: int) -> Vectors:
    """The vectors in so many dimensions, with the dot products that they had."""
    if dimension == vectors.shape[1]:
        return vectors
    chance = np.random.default_rng(5)
    basis, _ = np.linalg.qr(chance.standard_normal((dimension, vectors.shape[1])))
    return np.asarray(vectors @ basis.T.astype(np.float32))


def true_neighbours(vectors: Vectors, questions: Vectors) -> list[set[int]]:
    """The ids (from 1) of the nearest of each question."""
    best = np.argpartition(-(questions @ vectors.T), _K, axis=1)[:, :_K]
    return [set((row + 1).tolist()) for row in best]


async def fill(connection: Connection, vectors: Vectors, parts: int) -> list[str]:
    """A table of so many partitions with all vectors; the names of the tables that hold them."""
    await connection.execute("DROP TABLE IF EXISTS v")
    by = sql.SQL("PARTITION BY HASH (chunk_id)" if parts > 1 else "")
    await connection.execute(
        sql.SQL("CREATE TABLE v (chunk_id bigint PRIMARY KEY, embedding halfvec({}) NOT NULL) {}").format(
            sql.Literal(vectors.shape[1]), by
        )
    )
    await connection.execute("ALTER TABLE v ALTER COLUMN embedding SET STORAGE PLAIN")
    names = ["v"] if parts == 1 else [f"v_{n}" for n in range(parts)]
    for n, name in enumerate(names if parts > 1 else []):
        await connection.execute(
            sql.SQL("CREATE TABLE {} PARTITION OF v FOR VALUES WITH (MODULUS {}, REMAINDER {})").format(
                sql.Identifier(name), sql.Literal(parts), sql.Literal(n)
            )
        )
    copy = "COPY v (chunk_id, embedding) FROM STDIN WITH (FORMAT BINARY)"
    async with connection.cursor() as cursor, cursor.copy(copy) as rows:
        rows.set_types(["int8", "halfvec"])
        for number, vector in enumerate(vectors, start=1):
            await rows.write_row((number, HalfVector(vector)))
    return names


async def build(connection: Connection, names: Sequence[str], vectors: Vectors) -> float:
    """Build the graphs one after the other; the seconds it took."""
    megabytes = 64 + len(vectors) // len(names) * (2 * vectors.shape[1] + 1_300) // 2**20
    await connection.execute("SELECT set_config('maintenance_work_mem', %s, false)", [f"{megabytes}MB"])
    started = time.perf_counter()
    for name in names:
        await connection.execute(
            sql.SQL("CREATE INDEX {} ON {} USING hnsw (embedding halfvec_ip_ops)").format(
                sql.Identifier(f"{name}_hnsw"), sql.Identifier(name)
            )
        )
    seconds = time.perf_counter() - started
    await connection.execute("VACUUM (ANALYZE) v")
    return seconds


async def sizes(connection: Connection, names: Sequence[str], count: int) -> dict[str, int]:
    """Bytes a vector of the graphs, and of the tables with their primary keys."""
    cursor = await connection.execute(
        "SELECT sum(pg_relation_size(to_regclass(n || '_hnsw')))::bigint AS graph,"
        " sum(pg_total_relation_size(to_regclass(n)))::bigint AS whole FROM unnest(%s::text[]) AS n",
        [list(names)],
    )
    row = await cursor.fetchone()
    assert row is not None, "an aggregate returns a row"
    return {"graph": round(row["graph"] / count), "table": round((row["whole"] - row["graph"]) / count)}


async def ask(
    connection: Connection, questions: Vectors, truth: Sequence[set[int]], breadth: int
) -> dict[str, float]:
    """Milliseconds and recall of walks that keep so many in view in each graph."""
    seconds, found = [], []
    for number in (*range(_WARM_UP), *range(len(questions))):
        async with connection.transaction():
            await connection.execute(_WALK, {"breadth": str(breadth)})
            started = time.perf_counter()
            cursor = await connection.execute(
                "SELECT chunk_id, -(embedding <#> %(vector)s) AS cosine FROM v"
                " ORDER BY embedding <#> %(vector)s LIMIT %(limit)s",
                {"vector": HalfVector(questions[number]), "limit": _WANTED},
            )
            rows = await cursor.fetchall()
            seconds.append(time.perf_counter() - started)
        best = sorted(rows, key=lambda row: (-row["cosine"], row["chunk_id"]))[:_K]
        found.append(len({row["chunk_id"] for row in best} & truth[number]) / _K)
    measured = np.array(seconds[_WARM_UP:]) * 1e3
    return {
        "breadth": breadth,
        "p50": round(float(np.quantile(measured, 0.5)), 1),
        "p95": round(float(np.quantile(measured, 0.95)), 1),
        "recall": round(float(np.mean(found[_WARM_UP:])), 4),
    }


async def measure(dsn: str, vectors: Vectors, questions: Vectors, parts: int) -> dict[str, Any]:
    """One layout."""
    truth = true_neighbours(vectors, questions)
    async with Database(dsn, max_connections=2) as database, database.connection() as connection:
        names = await fill(connection, vectors, parts)
        seconds = await build(connection, names, vectors)
        breadths = sorted({2 * _WANTED, max(2 * _WANTED // parts, 40)}, reverse=True)
        return {
            "vectors": len(vectors),
            "dimension": vectors.shape[1],
            "parts": parts,
            "build_s": round(seconds, 1),
            "bytes": await sizes(connection, names, len(vectors)),
            "walks": [await ask(connection, questions, truth, breadth) for breadth in breadths],
            "load": [round(x, 1) for x in os.getloadavg()],
        }


def main() -> None:
    """Measure each layout and print a JSON object a line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--corpus", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--vectors", type=int, default=200_000)
    parser.add_argument("--parts", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--dimensions", type=int, nargs="+", default=[384])
    parser.add_argument("--questions", type=int, default=100)
    given = parser.parse_args()
    weights = os.environ.get("FOOTNOTE_WEIGHTS_DIR")
    settings = Settings(home=given.cache, weights_dir=None if weights is None else Path(weights))
    embedder = load_embedder(embedder_spec(settings, lambda line: print(line, file=sys.stderr)))
    sample = load_sample(given.cache, embedder, chunks=20_000, questions=200, seed=0)
    embedder.close()
    stored = np.load(given.corpus / "vectors.npy", mmap_mode="r")[: given.vectors]
    home = Path(tempfile.mkdtemp(prefix="footnote-partitions-"))
    home.chmod(0o711)  # Postgres, which never runs as root, has to be able to reach its data
    try:
        with EmbeddedPostgres(home / "postgres", report=lambda line: None) as server:
            migrate(server.dsn)
            for dimension in given.dimensions:
                vectors = turned(np.asarray(stored), dimension)
                questions = turned(sample.question_vectors[: given.questions], dimension)
                for parts in given.parts:
                    found = asyncio.run(measure(server.dsn, vectors, questions, parts))
                    print(json.dumps(found), flush=True)
        server.destroy()
    finally:
        shutil.rmtree(home, ignore_errors=True)


if __name__ == "__main__":
    main()
