"""Whether an embedder still makes the vectors that an index holds, seen by a few chunks of that index.

An index belongs to an embedder's identity. Of a model behind a server the identity is little more than its name, under
which somebody may start another one. Its vectors would be as good as noise beside those that are stored. So what stands
in the index is embedded once more, and compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from retrieval.database import Database, query
from retrieval.errors import IndexMismatchError
from retrieval.records import contextual_text
from retrieval.stores import Index, VectorStore

SAME_VECTORS = 0.99
"""The cosine of a text's vectors by one model, at least. Models in 16 bits differ from themselves in 32 by less than
.0001, dynamically quantized ones that are batched with other texts by up to .003 (both measured), what a store keeps in
16 bits by less than that. Two models give one text vectors of about any cosine."""

_CHUNKS = 3


class DocumentEmbedder(Protocol):
    """Embeds texts, in order, as unit rows: float32 of shape (len(texts), dimension)."""

    async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


async def check_same_model(
    database: Database, store: VectorStore, index: Index, collection: str, embedder: DocumentEmbedder
) -> None:
    """Raise `IndexMismatchError` where none of a few chunks gets the vector that the index holds of it.

    An index without vectors fits every model. Raises `ModelError` and what the store raises, too.
    """
    async with database.snapshot() as connection:
        cursor = await connection.execute(
            query("indexes.chunk_ids_after"),
            {"collection_id": index.collection_id, "after": 0, "limit": _CHUNKS},
        )
        chunk_ids = [row["id"] for row in await cursor.fetchall()]
        stored = await store.vectors(index, chunk_ids, connection)
        cursor = await connection.execute(
            query("reconciling.texts_to_embed"),
            {"collection_id": index.collection_id, "chunk_ids": sorted(stored)},
        )
        rows = await cursor.fetchall()
    if not rows:
        return
    texts = [contextual_text(row["title"], row["headings"], row["text"]) for row in rows]
    made = await embedder.embed_documents(texts)
    # The best of them counts: a text that was cut elsewhere then, or changed just now, proves nothing.
    cosine = max(float(vector @ _unit(stored[row["id"]])) for row, vector in zip(rows, made, strict=True))
    if cosine < SAME_VECTORS:
        raise IndexMismatchError(
            f"index '{collection}' was built with {index.embedder}, but the model of that name gives its texts other "
            f"vectors now (cosine {cosine:.3f}): another model runs behind the name. Start the former one there, or "
            "set embedder.revision to what runs there now and run `footnote reindex`."
        )


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    unit: NDArray[np.float32] = vector / max(float(np.linalg.norm(vector)), 1e-9)
    return unit
