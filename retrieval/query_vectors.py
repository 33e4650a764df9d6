"""Vectors of questions that were embedded before: the same question costs the embedder nothing a second time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from retrieval.embedders import EmbedderIdentity
from retrieval.kept import Kept
from retrieval.search import QueryEmbedder

KeptVectors: TypeAlias = Kept[tuple[EmbedderIdentity, str], NDArray[np.float32]]

_ENTRY_BYTES = 400
"""What an entry takes beside its text and its vector, about."""


class RememberingEmbedder:
    """A `QueryEmbedder` that keeps what `embedder` made of questions, as vectors that cannot be written to."""

    def __init__(self, embedder: QueryEmbedder, identity: EmbedderIdentity, kept: KeptVectors) -> None:
        self._embedder = embedder
        self._identity = identity
        self._kept = kept

    async def embed_query(self, text: str) -> NDArray[np.float32]:
        """The unit vector of a question, of shape (dimension,). Raises `ModelError`."""
        key = (self._identity, text)
        if (known := self._kept.get(key)) is not None:
            return known
        vector = (await self._embedder.embed_query(text)).copy()
        vector.flags.writeable = False
        self._kept.put(key, vector, size_bytes=vector.nbytes + 4 * len(text) + _ENTRY_BYTES)
        return vector

    async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Made-up passages are new every time: they are embedded, and not kept."""
        return await self._embedder.embed_documents(texts)
