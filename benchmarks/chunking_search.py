"""The product's search over one way of cutting, in memory: the same vectors, lexemes, candidates and fusion."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
import sqlite3
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
import psycopg
from numpy.typing import NDArray

from retrieval.embedders import Embedder
from retrieval.fusion import FusionPolicy, fuse
from retrieval.lexical import Bm25Policy
from retrieval.search import SearchPolicy
from service.embedded_postgres import EmbeddedPostgres
from service.migrations import migrate

Item = TypeVar("Item")
Rows = NDArray[np.float32]
Lexemes = Mapping[str, int]
"""How often a text has each lexeme."""


class Models:
    """Vectors of the embedder and lexemes of Postgres, kept in a file by model and text."""

    def __init__(self, embedder: Embedder, postgres: psycopg.Connection, cache: sqlite3.Connection) -> None:
        self.embedder = embedder
        self._postgres = postgres
        self._cache = cache
        self._model = embedder.identity.digest()
        self.embedded_tokens = 0
        self.embedding_s = 0.0

    def vectors(self, texts: Sequence[str]) -> Rows:
        """Document vectors, float32 of shape (len(texts), dimension)."""
        keys = [_key(self._model, text) for text in texts]
        known = self._read("vectors", keys)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        started, tokens = time.perf_counter(), 0
        with ThreadPoolExecutor(self.embedder.parallelism) as threads:
            for number, batch in enumerate(_batched(list(missing.items()), 64)):
                halves = [batch[:32], batch[32:]]
                rows = np.concatenate(
                    list(
                        threads.map(
                            self.embedder.embed_documents, [[text for _, text in half] for half in halves]
                        )
                    )
                )
                tokens += sum(self.embedder.count_tokens(text) for _, text in batch)
                self._write(
                    "vectors", {key: row.tobytes() for (key, _), row in zip(batch, rows, strict=True)}
                )
                known |= {key: row.tobytes() for (key, _), row in zip(batch, rows, strict=True)}
                rate = tokens / (time.perf_counter() - started)
                if number % 8 == 0:
                    print(f"  {64 * number} of {len(missing)} texts, {rate:.0f} tokens/s", file=sys.stderr)
        return np.stack([np.frombuffer(known[key], dtype=np.float32) for key in keys])

    def question_vector(self, question: str) -> Rows:
        key = _key(f"{self._model} question", question)
        known = self._read("vectors", [key])
        if key not in known:
            known = {key: self.embedder.embed_query(question).tobytes()}
            self._write("vectors", known)
        return np.frombuffer(known[key], dtype=np.float32)

    def lexemes(self, texts: Sequence[str]) -> list[Lexemes]:
        """The lexemes of texts, as `chunks.lexemes` and `postings` have them."""
        keys = [_key("lexemes english", text) for text in texts]
        known = self._read("lexemes", keys)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
        for batch in _batched(list(missing.items()), 500):
            rows = self._postgres.execute(
                "SELECT (SELECT jsonb_object_agg(u.lexeme, cardinality(u.positions))"
                "  FROM unnest(lexical_vector('english', t.body)) AS u)::text"
                " FROM unnest(%s::text[]) WITH ORDINALITY AS t(body, n) ORDER BY n",
                ([text for _, text in batch],),
            ).fetchall()
            new = {key: (row[0] or "{}").encode() for (key, _), row in zip(batch, rows, strict=True)}
            self._write("lexemes", new)
            known |= new
        return [json.loads(known[key]) for key in keys]

    def _read(self, table: str, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        for batch in _batched(keys, 500):
            marks = ",".join("?" * len(batch))
            found |= dict(
                self._cache.execute(f"SELECT key, value FROM {table} WHERE key IN ({marks})", batch)
            )
        return found

    def _write(self, table: str, rows: Mapping[bytes, bytes]) -> None:
        with self._cache:
            self._cache.executemany(f"INSERT OR REPLACE INTO {table} VALUES (?, ?)", rows.items())


@contextmanager
def open_models(embedder: Embedder, cache: Path) -> Iterator[Models]:
    """The embedder beside a Postgres of this benchmark's own, and the file in the folder `cache`."""
    cache.mkdir(parents=True, exist_ok=True)
    home = Path(tempfile.mkdtemp(prefix="footnote-benchmark-"))
    home.chmod(0o711)  # Postgres, which never runs as root, has to be able to reach its data
    try:
        with EmbeddedPostgres(
            home / "postgres", settings={}, report=lambda line: print(line, file=sys.stderr)
        ) as server:
            migrate(server.dsn)
            with (
                psycopg.connect(server.dsn) as postgres,
                sqlite3.connect(cache / "chunks.sqlite", timeout=600) as kept,
            ):
                kept.execute("PRAGMA journal_mode=WAL")
                for table in ("vectors", "lexemes"):
                    kept.execute(f"CREATE TABLE IF NOT EXISTS {table} (key BLOB PRIMARY KEY, value BLOB)")
                yield Models(embedder, postgres, kept)
    finally:
        shutil.rmtree(home)


class MemoryIndex:
    """Chunks in memory; `ranked` is what `retrieval.search.Searcher` does without its reranker."""

    def __init__(self, models: Models, texts: Sequence[str]) -> None:
        self._models = models
        self._vectors = models.vectors(texts)
        lexemes = models.lexemes(texts)
        self._lengths = np.array([sum(each.values()) for each in lexemes], dtype=np.float64)
        postings: dict[str, list[tuple[int, int]]] = defaultdict(list)
        for index, each in enumerate(lexemes):
            for lexeme, frequency in each.items():
                postings[lexeme].append((index, frequency))
        self._postings = {lexeme: np.array(rows) for lexeme, rows in postings.items()}

    def ranked(self, question: str, *, limit: int) -> list[int]:
        """The best chunks, by their place among the texts, best first."""
        policy = SearchPolicy()
        cosines = self._vectors @ self._models.question_vector(question)
        bm25 = self._bm25(question, policy.bm25)
        count = min(len(cosines), max(policy.candidates, limit))
        lexical = np.argsort(-bm25, kind="stable")[:count]
        candidates = {
            *np.argsort(-cosines, kind="stable")[:count].tolist(),
            *lexical[bm25[lexical] > 0].tolist(),
        }
        fused = fuse(
            {index: float(cosines[index]) for index in candidates},
            {index: float(bm25[index]) for index in candidates},
            attainable=float(bm25.max()),
            cosine_bounds=self._models.embedder.cosine_bounds,
            policy=FusionPolicy(),
        )
        return [index for index, _ in fused[:limit]]

    def _bm25(self, question: str, policy: Bm25Policy) -> NDArray[np.float64]:
        scores = np.zeros(len(self._lengths))
        norms = policy.k1 * (1 - policy.b + policy.b * self._lengths / max(1.0, self._lengths.mean()))
        for lexeme in self._models.lexemes([question])[0]:
            if lexeme in self._postings:
                indexes, frequencies = self._postings[lexeme].T
                idf = math.log(1 + (len(scores) - len(indexes) + 0.5) / (len(indexes) + 0.5))
                scores[indexes] += idf * frequencies * (policy.k1 + 1) / (frequencies + norms[indexes])
        return scores


def _key(kind: str, text: str) -> bytes:
    return hashlib.sha256(f"{kind}\n{text}".encode()).digest()


def _batched(items: Sequence[Item], size: int) -> Iterator[list[Item]]:
    for start in range(0, len(items), size):
        yield list(items[start : start + size])
