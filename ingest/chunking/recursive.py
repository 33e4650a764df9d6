"""The method `recursive`: sections, packed with whole blocks or the pieces of those that are too large."""

from __future__ import annotations

from collections.abc import Iterator

from ingest.chunking import ChunkPolicy, TokenEnds
from ingest.chunking.boundaries import unit_starts
from ingest.chunking.drafting import draft
from ingest.chunking.measuring import MeasuredText
from ingest.chunking.outline import sections
from ingest.chunking.packing import Packer
from ingest.chunking.splitting import BlockSplitter, Piece
from ingest.parsers import ParsedDocument
from retrieval.records import ChunkDraft


def recursive_chunks(
    parsed: ParsedDocument, policy: ChunkPolicy, token_ends: TokenEnds
) -> Iterator[ChunkDraft]:
    """Chunks that never cross a heading."""
    measured = MeasuredText(parsed.text, token_ends)
    limit = policy.max_tokens - policy.overlap_tokens
    splitter, packer = BlockSplitter(measured, limit), Packer(measured, limit, policy)
    for section in sections(parsed, policy):
        pieces = [piece for block in section.blocks for piece in splitter.pieces(block)]
        before: list[Piece] = []
        for pack in packer.packs(pieces):
            start = _repeated_from(measured, policy, before, pack[0]) if before else pack[0].char_start
            yield draft(measured, policy, section.headings, pack, start)
            before = pack


def _repeated_from(measured: MeasuredText, policy: ChunkPolicy, before: list[Piece], first: Piece) -> int:
    """Where a chunk begins that repeats the end of the pack before it: with a whole sentence, row or piece of it, as
    many as the overlap allows; none where the last alone is too long."""
    if not policy.overlap_tokens:
        return first.char_start
    earliest = max(before[0].char_start + 1, measured.before(first.char_start, policy.overlap_tokens))
    starts = (
        start
        for piece in before
        if piece.char_end > earliest
        for start in (
            piece.char_start,
            *unit_starts(measured.text, piece.kind, piece.char_start, piece.char_end),
        )
        if start >= earliest and measured.fits(start, first.char_start, policy.overlap_tokens)
    )
    return min(starts, default=first.char_start)
