"""Confirming: what Qdrant found, as far as Postgres agrees, with as much more asked for as that takes.

Qdrant may hold points of chunks that are gone or were never published, of documents whose readers have just changed,
and of documents that do not fit filters it knows nothing of. A list that lost those would be shorter than it has to
be, so Qdrant is asked again for a longer one until there is enough or it has nothing more to give.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

Ask = Callable[[int, bool], Awaitable[list[tuple[int, float]]]]
"""Asks for so many chunks, best first; exactly, or by walking a graph."""
Confirm = Callable[[Sequence[int]], Awaitable[set[int]]]
"""Which of some chunks count."""

# How many times longer each list is than the one before.
_GROWTH = 4
# A walk that keeps more than this in view takes longer than looking at every vector.
_LONGEST_WALK = 10_000
# How many chunks beyond the limit are looked at to put chunks of equal score into the order of their ids. Among more
# equals than this (the same text in a thousand documents) it is Qdrant that chooses.
_MOST_TIES = 1_000


async def best_confirmed(
    ask: Ask, confirm: Confirm, *, limit: int, exact: bool, ties: bool
) -> list[tuple[int, float]]:
    """The `limit` best chunks that are confirmed, best first, ties by chunk id; fewer only where there are fewer.

    ties: those at the end of the list are told apart, too; else it is Qdrant that chooses among them.
    """
    wanted = limit + 1  # one more tells whether the last has equals
    while True:
        found = await ask(wanted, exact)
        confirmed = await confirm([chunk_id for chunk_id, _ in found])
        kept = sorted((pair for pair in found if pair[0] in confirmed), key=lambda pair: (-pair[1], pair[0]))
        if _is_enough(kept, limit, ties=ties) or (exact and len(found) < wanted):
            return kept[:limit]
        if len(found) < wanted:
            exact = True  # the walk came to an end; whether that was all, only looking at every vector tells
        else:
            wanted *= _GROWTH
            exact = exact or wanted > _LONGEST_WALK


def _is_enough(kept: Sequence[tuple[int, float]], limit: int, *, ties: bool) -> bool:
    if not ties:
        return len(kept) >= limit
    return len(kept) > limit and (kept[limit][1] < kept[limit - 1][1] or len(kept) > limit + _MOST_TIES)
