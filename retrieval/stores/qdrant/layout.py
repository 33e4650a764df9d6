"""What a collection of Qdrant consists of: the vectors `dense`, by wish also `words`, and what filters read.

`dense` holds unit vectors, whose dot product is the cosine, in an HNSW graph that the server builds by itself. `words`
holds what a chunk's words weigh, without idf, which the server computes (`words.py`). Where vectors, graphs and payload
lie (memory or disk), and whether they are quantised, is left to the server's own settings.
"""

from __future__ import annotations

from qdrant_client import models

from retrieval.errors import ConfigurationError
from retrieval.stores import Index
from retrieval.stores.qdrant.connecting import Qdrant
from retrieval.stores.qdrant.refusals import asking, collection_name

DENSE = "dense"
WORDS = "words"

# Links of a vector, and how many neighbours are looked at to choose them. Written down, so that an index is what it
# was measured to be whatever a server's defaults are.
_GRAPH = models.HnswConfigDiff(m=16, ef_construct=100)

_INDEXED = {
    "document_id": models.PayloadSchemaType.UUID,
    "readers": models.PayloadSchemaType.KEYWORD,
}


async def make_collection(qdrant: Qdrant, index: Index, *, words: bool) -> None:
    """Make an index's collection, if it is not there. Raises `ConfigurationError` where another one has its name."""
    client, name = qdrant.client, collection_name(index)
    async with asking(qdrant, index):
        if await client.collection_exists(name):
            await _check_vacant(qdrant, index)
        else:
            await client.create_collection(
                name,
                vectors_config={
                    DENSE: models.VectorParams(
                        size=index.dimension, distance=models.Distance.DOT, hnsw_config=_GRAPH
                    )
                },
                sparse_vectors_config=(
                    {WORDS: models.SparseVectorParams(modifier=models.Modifier.IDF)} if words else None
                ),
            )
        if qdrant.is_server:
            # Before there are points: graphs get links by what is indexed only when they are built.
            for field, schema in _INDEXED.items():
                await client.create_payload_index(name, field, schema, wait=True)


async def _check_vacant(qdrant: Qdrant, index: Index) -> None:
    name = collection_name(index)
    config = (await qdrant.client.get_collection(name)).config.params.vectors
    held = (await qdrant.client.count(name, exact=True)).count
    dense = config.get(DENSE) if isinstance(config, dict) else None
    if held or dense is None or dense.size != index.dimension:
        raise ConfigurationError(
            f"{qdrant.where} already has a collection '{name}' (vectors: {held:,}) that this database does "
            "not know of: another Footnote uses it, or an earlier database did. Give each Footnote a Qdrant of its "
            "own, or delete that collection if nobody needs it."
        )


async def lists_words(qdrant: Qdrant, index: Index) -> bool:
    """Whether an index's collection was made to hold the words of its chunks."""
    async with asking(qdrant, index):
        params = (await qdrant.client.get_collection(collection_name(index))).config.params
    return WORDS in (params.sparse_vectors or {})
