"""Passages: which of the hits found make up a result, once copies, neighbours and long documents are seen to.

All of it only takes away or joins, so whoever calls has more hits at hand than are wanted, and hands in further ones
where a result falls short.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from retrieval.copies import without_copies
from retrieval.neighbours import NO_GAPS, GapTexts, merge_neighbours
from retrieval.records import Hit


@dataclass(frozen=True, slots=True, kw_only=True)
class PassagePolicy:
    """How hits become a result.

    drop_copies: whether what repeats a better hit word by word becomes another place of that hit (`retrieval.copies`).
    max_per_document: how many hits of one document are taken before all others have had their turn; None for no limit.
    merge: whether neighbouring chunks become one passage. For reading on, not for scoring: a cross-encoder reads the
        beginning of a long passage only.
    longest: of a merged passage, in code points.
    """

    drop_copies: bool = True
    max_per_document: int | None = None
    merge: bool = False
    longest: int = 4_000

    def handed_in(self, k: int) -> int:
        """How many hits to begin with for a result of `k`: more where documents take turns or neighbours join.

        Copies are seldom: further hits are fetched when there are some.
        """
        return k if self.takes_the_first else 4 * k

    @property
    def takes_the_first(self) -> bool:
        """Whether the result is the first of the hits, whatever comes after them."""
        return self.max_per_document is None and not self.merge


def select(hits: Sequence[Hit], k: int, policy: PassagePolicy, *, gap_texts: GapTexts = NO_GAPS) -> list[Hit]:
    """The best `k` of `hits`, which come best first, in their order; fewer only where no more are left.

    Pure, and the same whenever it is done again. What is kept has its own score, or the best member's where several
    became one; `rerank`, too, is then the best member's. `gap_texts` is needed for merging across white space.
    """
    if policy.drop_copies:
        hits = without_copies(hits)
    ranks = _by_turns(hits, policy.max_per_document)
    if not policy.merge:
        return [hits[rank] for rank in sorted(ranks[:k])]
    return _merged(hits, ranks, k, policy, gap_texts)


def _by_turns(hits: Sequence[Hit], limit: int | None) -> list[int]:
    """Ranks of the hits in the order in which they are taken: up to `limit` of every document, then all others."""
    within, beyond = list[int](), list[int]()
    taken: Counter[object] = Counter()
    for rank, hit in enumerate(hits):
        document = hit.passage.document_id
        (within if limit is None or taken[document] < limit else beyond).append(rank)
        taken[document] += 1
    return [*within, *beyond]


def _merged(
    hits: Sequence[Hit], ranks: Sequence[int], k: int, policy: PassagePolicy, gap_texts: GapTexts
) -> list[Hit]:
    """Hits joined with their neighbours, taken in the order of `ranks` for as long as it takes to have `k` of them."""
    taken = min(k, len(ranks))
    while True:
        chosen = [hits[rank] for rank in sorted(ranks[:taken])]
        passages = [hit.passage for hit in chosen]
        groups = merge_neighbours(passages, gap_texts=gap_texts, longest=policy.longest)
        if len(groups) >= k or taken == len(ranks):
            break
        taken = min(taken + k - len(groups), len(ranks))
    return [
        replace(
            chosen[group.members[0]],
            passage=group.passage,
            also_at=tuple(place for member in group.members for place in chosen[member].also_at),
        )
        for group in groups
    ]
