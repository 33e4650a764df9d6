"""The chunkers: a parsed document in, chunks with exact offsets out. Pure, but for what `sentence` asks the embedder.

A family with one contract (`tests/ingest/test_chunking.py`); `docs/chunking.md` has the figures behind the defaults.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ingest.parsers import ParsedDocument
from retrieval.records import ChunkDraft

ChunkMethod = Literal["recursive", "fixed", "sentence", "page"]

VERSIONS: Mapping[ChunkMethod, str] = {
    "recursive": "recursive/2",
    "fixed": "fixed/1",
    "sentence": "sentence/1",
    "page": "page/1",
}
"""Name and version of every way of cutting. A version is raised when the same document would be cut otherwise."""

TokenEnds = Callable[[str], Sequence[int]]
"""Where each token of a text ends, as `retrieval.embedders.Embedder.token_ends`."""

EmbedTexts = Callable[[Sequence[str]], NDArray[np.float32]]
"""Embeds texts, in order, as unit rows, as `retrieval.embedders.Embedder.embed_documents`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChunkPolicy:
    """How to cut. What it is printed as says all that decides the cut, so that documents cut otherwise can be told.

    method: recursive: sections, packed with whole blocks, large ones cut at paragraphs, sentences, lines, words;
        sentence: sections, cut where neighbouring sentences are least alike; page: one chunk a page, cut if too long;
        fixed: windows of `max_tokens`.
    max_tokens: longest chunk, in the embedder's tokens, without title, headings and special tokens.
    overlap_tokens: how much of the text before it a chunk repeats at most (recursive, fixed); less than half of
        `max_tokens`.
    even_out: whether a chunk much smaller than the limit is merged with its neighbour in the section (or on the page),
        or takes a share of it (recursive, page).
    max_headings: how many headings a chunk carries, the innermost if there are more.
    max_heading_characters: where a longer heading (a paragraph styled as one) is cut; its whole is then a chunk too.
    """

    method: ChunkMethod = "recursive"
    max_tokens: int = 256
    overlap_tokens: int = 0
    even_out: bool = True
    max_headings: int = 6
    max_heading_characters: int = 200

    def __post_init__(self) -> None:
        if not 0 <= 2 * self.overlap_tokens < self.max_tokens:
            raise ValueError(
                f"an overlap of {self.overlap_tokens} tokens is not less than half of a chunk of {self.max_tokens}"
            )

    @property
    def asks_embedder(self) -> bool:
        """Whether the embedder is asked where to cut."""
        return self.method == "sentence"

    def __str__(self) -> str:
        return (
            f"{VERSIONS[self.method]} max_tokens={self.max_tokens} overlap_tokens={self.overlap_tokens} "
            f"even_out={self.even_out} headings={self.max_headings}x{self.max_heading_characters}"
        )


def chunk_document(
    parsed: ParsedDocument,
    *,
    policy: ChunkPolicy,
    token_ends: TokenEnds,
    embed: EmbedTexts | None = None,
) -> tuple[ChunkDraft, ...]:
    """Cut a document into chunks, ascending, none blank, none longer than the policy allows; disjoint without overlap.

    Together they cover all text but the headings that stand above them. A token counts for the chunk in which it ends
    when the whole document is tokenised, which is done once. `embed` is needed by the method `sentence`.
    """
    match policy.method:
        case "recursive":
            from ingest.chunking.recursive import recursive_chunks

            return tuple(recursive_chunks(parsed, policy, token_ends))
        case "fixed":
            from ingest.chunking.fixed import fixed_chunks

            return tuple(fixed_chunks(parsed, policy, token_ends))
        case "sentence":
            from ingest.chunking.semantic import semantic_chunks

            assert embed is not None, "the method 'sentence' needs an embedder"
            return tuple(semantic_chunks(parsed, policy, token_ends, embed))
        case "page":
            from ingest.chunking.page import page_chunks

            return tuple(page_chunks(parsed, policy, token_ends))
