"""The JSON shapes that the command line and the HTTP API share."""

from __future__ import annotations

from typing import Any

from retrieval.records import Document, Hit


def hit_as_json(hit: Hit) -> dict[str, Any]:
    """A hit as `footnote search --json` and `POST /v1/search` show it."""
    passage = hit.passage
    return {
        "document": str(passage.document_id),
        "path": passage.path,
        "page": passage.page,
        "char_start": passage.char_start,
        "char_end": passage.char_end,
        "text": passage.text,
        "score": round(float(hit.score), 6),
    }


def document_as_json(document: Document) -> dict[str, Any]:
    """A document as its readers may see it: who else may read it is not theirs to know."""
    return {
        "id": str(document.id),
        "collection": document.collection,
        "path": document.path,
        "title": document.title,
        "media_type": document.media_type,
        "revision": document.revision,
        "chunks": document.chunk_count,
        "metadata": dict(document.metadata),
        "updated_at": document.updated_at.isoformat(),
        "removed_at": None if document.removed_at is None else document.removed_at.isoformat(),
    }
