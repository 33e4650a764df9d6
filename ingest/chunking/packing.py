"""Packing the pieces of a section into as few chunks as fit, none much smaller than its neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ingest.chunking import ChunkPolicy
from ingest.chunking.boundaries import unit_starts
from ingest.chunking.measuring import MeasuredText
from ingest.chunking.splitting import Piece

_SMALL = 4
"""A pack is small below this part of the limit."""


class Packer:
    """Packs pieces of one text, in order. A pack's span, with the white space in it, has a size within `limit`."""

    def __init__(self, measured: MeasuredText, limit: int, policy: ChunkPolicy) -> None:
        self._measured = measured
        self._limit = limit
        self._even_out = policy.even_out

    def packs(self, pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
        """Greedily packed, then small packs evened out with a neighbour, where the policy says so."""
        packs = list(self._greedy(pieces))
        return iter(self._evened(packs) if self._even_out else packs)

    def _greedy(self, pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
        pack: list[Piece] = []
        for group in self._groups(pieces):
            if pack and not self._fits(pack[0], group[-1]):
                yield pack
                pack = []
            pack += group
        if pack:
            yield pack

    def _groups(self, pieces: Sequence[Piece]) -> Iterator[Sequence[Piece]]:
        """Pieces that stay together: a line that introduces a list, a table or code, and what it introduces."""
        index = 0
        while index < len(pieces):
            end = self._introduced_end(pieces, index)
            yield pieces[index:end]
            index = end

    def _introduced_end(self, pieces: Sequence[Piece], index: int) -> int:
        end = index + 1
        if end == len(pieces) or not self._introduces(pieces[index], pieces[end]):
            return end
        if not self._fits(pieces[index], pieces[end]):
            return end
        end += 1
        whole = end
        while whole < len(pieces) and pieces[whole].kind == pieces[index + 1].kind == "list_item":
            whole += 1
            if not self._fits(pieces[index], pieces[whole - 1]):
                return end
        return whole

    def _introduces(self, first: Piece, second: Piece) -> bool:
        return (
            first.kind == "paragraph"
            and second.kind in {"list_item", "table", "code"}
            and self._measured.text[first.char_end - 1] in ":："
        )

    def _evened(self, packs: list[list[Piece]]) -> list[list[Piece]]:
        """A small pack is merged with the one before it (the first with the second), or takes a share of it."""
        done: list[list[Piece]] = []
        for pack in packs:
            done.append(pack)
            if len(done) > 1 and (self._is_small(pack) or (len(done) == 2 and self._is_small(done[0]))):
                second, first = done.pop(), done.pop()
                done += self._share(first, second)
        return done

    def _share(self, first: list[Piece], second: list[Piece]) -> list[list[Piece]]:
        """The pieces of two packs as one pack, as two of about one size, or as they were."""
        pieces = first + second
        if self._fits(pieces[0], pieces[-1]):
            return [pieces]
        between_pieces = [piece.char_start for piece in pieces[1:]]
        cut = self._best_cut(pieces, between_pieces)
        if cut is None:
            within = (
                start
                for piece in pieces
                for start in unit_starts(self._measured.text, piece.kind, piece.char_start, piece.char_end)
            )
            cut = self._best_cut(pieces, within)
        return [first, second] if cut is None else self._cut(pieces, cut)

    def _best_cut(self, pieces: Sequence[Piece], cuts: Iterator[int] | Sequence[int]) -> int | None:
        """The cut that leaves the most to the smaller side; None if that is small, or a side too large."""
        start, end = pieces[0].char_start, pieces[-1].char_end
        best, most = None, self._limit // _SMALL - 1
        for cut in cuts:
            sizes = self._measured.size(start, cut), self._measured.size(cut, end)
            if min(sizes) > most and max(sizes) <= self._limit:
                best, most = cut, min(sizes)
        return best

    def _cut(self, pieces: Sequence[Piece], cut: int) -> list[list[Piece]]:
        sides: list[list[Piece]] = [[], []]
        for piece in pieces:
            if piece.char_start < cut < piece.char_end:
                for side, part in zip(sides, piece.cut(self._measured.text, cut), strict=True):
                    side.append(part)
            else:
                sides[piece.char_start >= cut].append(piece)
        return sides

    def _is_small(self, pack: Sequence[Piece]) -> bool:
        return self._measured.size(pack[0].char_start, pack[-1].char_end) < self._limit // _SMALL

    def _fits(self, first: Piece, last: Piece) -> bool:
        return self._measured.fits(first.char_start, last.char_end, self._limit)
