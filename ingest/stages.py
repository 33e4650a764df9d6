"""The stages that a file passes through on its way into the index, each by itself.

read_file    fetch → compare → parse
draft_file   chunk
embed_draft  embed what the index has no vector of

What publishes is `retrieval.publishing`. An engine (`ingest.engines`) decides where and when each of them runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ingest.catalog import KnownDocument, SourceRecord
from ingest.chunking import ChunkPolicy, EmbedTexts, TokenEnds, chunk_document
from ingest.parsers import ParsedDocument
from ingest.reading import in_thread
from ingest.sources import FoundFile, Source
from ingest.titles import title_of
from retrieval.database import Database
from retrieval.publishing import RevisionDraft, hash_text, texts_to_embed


class DocumentParser(Protocol):
    """Parses a file's content away from this process. Raises `ParseError`."""

    async def parse(self, content: bytes, *, file_name: str) -> ParsedDocument: ...


class DocumentEmbedder(Protocol):
    """Embeds texts, in order, as unit rows: float32 of shape (len(texts), dimension)."""

    async def embed_documents(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFile:
    """A file as it was read.

    parsed: None where the content is the very one that the index has.
    """

    found: FoundFile
    content_hash: bytes
    recipe: str
    parsed: ParsedDocument | None


async def read_file(
    source: Source,
    found: FoundFile,
    known: KnownDocument | None,
    *,
    recipe: Callable[[str], str | None],
    parser: DocumentParser,
    max_bytes: int,
) -> ReadFile:
    """Read and parse a file, unless it is what is known. Raises `ParseError`, `FileTooLargeError`,
    `FileUnreadableError` (and as such `FileReplacedError`)."""
    content = await in_thread(source.fetch, found, max_bytes=max_bytes)
    content_hash = hashlib.sha256(content).digest()
    made_by = recipe(found.path)
    assert made_by is not None, "files without a parser are skipped by the plan"
    is_known = known is not None and (known.content_hash, known.recipe) == (content_hash, made_by)
    return ReadFile(
        found=found,
        content_hash=content_hash,
        recipe=made_by,
        parsed=None if is_known else await parser.parse(content, file_name=PurePosixPath(found.path).name),
    )


def draft_file(
    record: SourceRecord,
    read: ReadFile,
    *,
    policy: ChunkPolicy,
    token_ends: TokenEnds,
    embed: EmbedTexts | None,
) -> RevisionDraft:
    """Cut what was parsed of a file. `embed` is needed where `policy.asks_embedder`; raises `ModelError` then."""
    parsed = read.parsed
    assert parsed is not None, "what the index has is not made anew"
    chunks = chunk_document(parsed, policy=policy, token_ends=token_ends, embed=embed)
    title = title_of(parsed.title, read.found.path)
    return RevisionDraft(
        source_id=record.id,
        path=read.found.path,
        media_type=parsed.media_type,
        title=title,
        text=parsed.text,
        page_starts=parsed.page_starts,
        line_boxes=parsed.line_boxes,
        chunks=chunks,
        text_hashes=tuple(hash_text(chunk.embedding_text(title)) for chunk in chunks),
        content_hash=read.content_hash,
        size_bytes=read.found.size_bytes,
        mtime_ns=read.found.mtime_ns,
        recipe=read.recipe,
        readers=record.readers,
        metadata=record.metadata,
    )


async def embed_draft(
    database: Database, draft: RevisionDraft, embedder: DocumentEmbedder
) -> dict[bytes, NDArray[np.float32]]:
    """A unit vector for every text of the draft that the index has none of, by its hash."""
    missing = await texts_to_embed(database, draft)
    embedded = await embedder.embed_documents(list(missing.values()))
    return dict(zip(missing, embedded, strict=True))
