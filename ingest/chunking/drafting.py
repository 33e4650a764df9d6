"""From a pack of pieces to a chunk."""

from __future__ import annotations

from collections.abc import Sequence

from ingest.chunking import ChunkPolicy
from ingest.chunking.measuring import MeasuredText
from ingest.chunking.outline import Headings, with_header_row
from ingest.chunking.splitting import Piece
from retrieval.records import ChunkDraft


def draft(
    measured: MeasuredText,
    policy: ChunkPolicy,
    headings: Headings,
    pack: Sequence[Piece],
    start: int | None = None,
) -> ChunkDraft:
    """The chunk of a pack, from its beginning or from `start` before it."""
    start, end = pack[0].char_start if start is None else start, pack[-1].char_end
    if pack[0].continues and pack[0].header:
        headings = with_header_row(headings, pack[0].header, policy)
    return ChunkDraft(
        char_start=start,
        char_end=end,
        text=measured.text[start:end],
        headings=headings,
        token_count=max(1, measured.tokens(start, end)),  # a part of one endless word may end no token
    )
