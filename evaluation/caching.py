"""Vectors and pair scores kept in an SQLite file by model and text, so that a second measurement costs little.

The wrappers stand where the product's own embedder and pair scorer stand. Texts are kept as sha256 only. Several
processes may use one file at once; what two of them compute at the same time is the same, and written once.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from retrieval.embedders import Embedder, EmbedderIdentity
from retrieval.errors import FootnoteError
from retrieval.reranking import PairScorer

Rows = NDArray[np.float32]
_WAIT_S = 600.0
_PARAMETERS = 500
_SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (
    model TEXT NOT NULL, kind TEXT NOT NULL, text_hash BLOB NOT NULL, vector BLOB NOT NULL,
    PRIMARY KEY (model, kind, text_hash)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS scores (
    reranker TEXT NOT NULL, pair_hash BLOB NOT NULL, score REAL NOT NULL,
    PRIMARY KEY (reranker, pair_hash)
) WITHOUT ROWID;
"""


class CacheUnusableError(FootnoteError):
    """The file of a cache cannot be opened, read or written."""


class ModelCache:
    """The file. To be entered with `with`; safe to use from several threads. Raises `CacheUnusableError`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._file: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        with self._told():
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = sqlite3.connect(self._path, timeout=_WAIT_S, check_same_thread=False)
            try:
                file.execute("PRAGMA journal_mode=WAL")
                file.executescript(_SCHEMA)
            except sqlite3.Error:
                file.close()
                raise
        self._file = file
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def vectors(
        self, model: str, kind: Literal["document", "query"], hashes: Sequence[bytes]
    ) -> dict[bytes, Rows]:
        """The vectors that are known, by hash."""
        found = self._known(
            "SELECT text_hash, vector FROM vectors WHERE model = ? AND kind = ?",
            "text_hash",
            (model, kind),
            hashes,
        )
        return {text_hash: np.frombuffer(vector, dtype=np.float32) for text_hash, vector in found}

    def keep_vectors(
        self, model: str, kind: Literal["document", "query"], vectors: Mapping[bytes, Rows]
    ) -> None:
        """Add vectors by hash; those that are known stay."""
        self._keep(
            "INSERT OR IGNORE INTO vectors (model, kind, text_hash, vector) VALUES (?, ?, ?, ?)",
            [
                (model, kind, text_hash, vector.astype(np.float32).tobytes())
                for text_hash, vector in vectors.items()
            ],
        )

    def scores(self, reranker: str, hashes: Sequence[bytes]) -> dict[bytes, float]:
        """The scores that are known, by hash."""
        return dict(
            self._known(
                "SELECT pair_hash, score FROM scores WHERE reranker = ?", "pair_hash", (reranker,), hashes
            )
        )

    def keep_scores(self, reranker: str, scores: Mapping[bytes, float]) -> None:
        """Add scores by hash; those that are known stay."""
        self._keep(
            "INSERT OR IGNORE INTO scores (reranker, pair_hash, score) VALUES (?, ?, ?)",
            [(reranker, pair_hash, score) for pair_hash, score in scores.items()],
        )

    def _known(
        self, statement: str, column: str, parameters: tuple[str, ...], hashes: Sequence[bytes]
    ) -> list[tuple[bytes, Any]]:
        unique = list(dict.fromkeys(hashes))
        rows: list[tuple[bytes, Any]] = []
        for start in range(0, len(unique), _PARAMETERS):
            part = unique[start : start + _PARAMETERS]
            places = ", ".join("?" * len(part))
            with self._told(), self._lock:
                rows += (
                    self._opened()
                    .execute(f"{statement} AND {column} IN ({places})", (*parameters, *part))
                    .fetchall()
                )
        return rows

    def _keep(self, statement: str, rows: Sequence[tuple[object, ...]]) -> None:
        with self._told(), self._lock, self._opened() as transaction:
            transaction.executemany(statement, rows)

    def _opened(self) -> sqlite3.Connection:
        assert self._file is not None, "a cache is used inside its `with` block"
        return self._file

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise CacheUnusableError(
                f"the cache '{self._path}' cannot be used: {error}. Remove the file, or name another one."
            ) from error


class CachingEmbedder:
    """An `Embedder` that asks `embedder` only for what the cache does not hold. Closing it closes `embedder`."""

    def __init__(self, embedder: Embedder, cache: ModelCache) -> None:
        self._embedder = embedder
        self._cache = cache
        self._model = embedder.identity.digest()

    @property
    def identity(self) -> EmbedderIdentity:
        return self._embedder.identity

    @property
    def cosine_bounds(self) -> tuple[float, float]:
        return self._embedder.cosine_bounds

    @property
    def max_tokens(self) -> int:
        return self._embedder.max_tokens

    @property
    def parallelism(self) -> int:
        return self._embedder.parallelism

    @property
    def batch_size(self) -> int:
        return self._embedder.batch_size

    def count_tokens(self, text: str) -> int:
        return self._embedder.count_tokens(text)

    def token_ends(self, text: str) -> Sequence[int]:
        return self._embedder.token_ends(text)

    def embed_documents(self, texts: Sequence[str]) -> Rows:
        """As the embedder's; every text that is not known is embedded once."""
        hashes = [_hash(text) for text in texts]
        known = self._cache.vectors(self._model, "document", hashes)
        missing = {key: text for key, text in zip(hashes, texts, strict=True) if key not in known}
        if missing:
            rows = self._embedder.embed_documents(list(missing.values()))
            made = dict(zip(missing, rows, strict=True))
            self._cache.keep_vectors(self._model, "document", made)
            known |= made
        if not hashes:
            return np.zeros((0, self.identity.dimension), dtype=np.float32)
        return np.stack([known[key] for key in hashes])

    def embed_query(self, text: str) -> Rows:
        """As the embedder's."""
        key = _hash(text)
        known = self._cache.vectors(self._model, "query", [key])
        if key not in known:
            known = {key: self._embedder.embed_query(text)}
            self._cache.keep_vectors(self._model, "query", known)
        return known[key].copy()

    def close(self) -> None:
        self._embedder.close()


class CachingScorer:
    """A `PairScorer` that asks `scorer` only for pairs that the cache does not hold.

    `reranker` is the model's name and how many tokens of a pair it reads: whatever decides a score.
    """

    def __init__(self, scorer: PairScorer, *, reranker: str, cache: ModelCache) -> None:
        self._scorer = scorer
        self._reranker = reranker
        self._cache = cache

    async def score(self, pairs: Sequence[tuple[str, str]]) -> Rows:
        """As the scorer's; every pair that is not known is scored once."""
        hashes = [_hash("\0".join(pair)) for pair in pairs]
        known = self._cache.scores(self._reranker, hashes)
        missing = {key: pair for key, pair in zip(hashes, pairs, strict=True) if key not in known}
        if missing:
            scored = await self._scorer.score(list(missing.values()))
            made = {key: float(score) for key, score in zip(missing, scored, strict=True)}
            self._cache.keep_scores(self._reranker, made)
            known |= made
        return np.array([known[key] for key in hashes], dtype=np.float32)


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
