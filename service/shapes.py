"""The JSON shapes that the command line and the HTTP API share."""

from __future__ import annotations

from typing import Any

from retrieval.records import Document, Hit, Passage
from service.footnote import Found


def found_as_json(found: Found) -> dict[str, Any]:
    """The shape of `footnote search --json` and `POST /v1/search`; "searched" is there only where there is any."""
    shape: dict[str, Any] = {"hits": [_hit_as_json(hit) for hit in found.hits]}
    return shape if found.searched is None else shape | {"searched": found.searched.as_json()}


def _hit_as_json(hit: Hit) -> dict[str, Any]:
    return {
        **_place_as_json(hit.passage),
        "text": hit.passage.text,
        "score": round(float(hit.score), 6),
        "also_at": [_place_as_json(place) for place in hit.also_at],
    }


def _place_as_json(passage: Passage) -> dict[str, Any]:
    return {
        "document": str(passage.document_id),
        "path": passage.path,
        "page": passage.page,
        "char_start": passage.char_start,
        "char_end": passage.char_end,
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
