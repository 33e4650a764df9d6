"""The method `page`: one chunk a page, or the fewest that a page too long takes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from ingest.chunking import ChunkPolicy, TokenEnds
from ingest.chunking.boundaries import after_space
from ingest.chunking.drafting import draft
from ingest.chunking.measuring import MeasuredText
from ingest.chunking.outline import HeadingPaths
from ingest.chunking.packing import Packer
from ingest.chunking.recursive import recursive_chunks
from ingest.chunking.splitting import BlockSplitter
from ingest.parsers import Block, ParsedDocument
from ingest.parsers.text import trimmed
from retrieval.records import ChunkDraft


def page_chunks(parsed: ParsedDocument, policy: ChunkPolicy, token_ends: TokenEnds) -> Iterator[ChunkDraft]:
    """Chunks that never cross a page; headings are part of them. A document without pages is cut by sections."""
    if not parsed.page_starts:
        yield from recursive_chunks(parsed, replace(policy, overlap_tokens=0), token_ends)
        return
    measured = MeasuredText(parsed.text, token_ends)
    splitter, packer = BlockSplitter(measured, policy.max_tokens), Packer(measured, policy.max_tokens, policy)
    paths = HeadingPaths(parsed, policy)
    for blocks in _pages(parsed):
        pieces = [piece for block in blocks for piece in splitter.pieces(block)]
        for pack in packer.packs(pieces):
            yield draft(measured, policy, paths.at(pack[0].char_start), pack)


def _pages(parsed: ParsedDocument) -> Iterator[list[Block]]:
    """The blocks of every page, those that go over its end cut there."""
    blocks = iter(parsed.blocks)
    block = next(blocks, None)
    for _, page_end in pairwise((*parsed.page_starts, len(parsed.text))):
        page: list[Block] = []
        while block is not None and block.char_start < page_end:
            start, end = trimmed(parsed.text, block.char_start, min(block.char_end, page_end))
            page.append(replace(block, char_start=start, char_end=end))
            if block.char_end > page_end:
                block = replace(block, char_start=after_space(parsed.text, page_end, block.char_end))
                break
            block = next(blocks, None)
        yield page
