"""In which order a person reads shapes that lie anywhere on a slide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

_MOST_SHAPES = 400
"""Above so many the order given is kept: cutting takes quadratic time, and nobody reads such a slide in order."""
_OVERLAP = 0.1
"""By which part of the smaller one two neighbours may overlap and still lie beside each other."""


@dataclass(frozen=True, slots=True)
class Box:
    """Where a shape lies, in any unit; y runs downwards."""

    left: float
    top: float
    right: float
    bottom: float


def reading_order(boxes: Sequence[Box | None]) -> list[int]:
    """The places of `boxes` in the order of reading: columns where an empty line runs from top to bottom between them,
    else rows, and so on within each (recursive XY-cut, Nagy and Seth 1984). Those without a place come first.
    """
    unplaced = [place for place, box in enumerate(boxes) if box is None]
    placed = [(place, box) for place, box in enumerate(boxes) if box is not None]
    if len(placed) > _MOST_SHAPES:
        return list(range(len(boxes)))
    ordered: list[int] = []
    waiting = [placed]
    while waiting:
        group = waiting.pop()
        parts = _cut(group, across=True) if len(group) > 1 else [group]
        parts = parts if len(parts) > 1 or len(group) < 2 else _cut(group, across=False)
        if len(parts) > 1:
            waiting.extend(reversed(parts))
        else:
            ordered.extend(place for place, _ in sorted(group, key=lambda one: (one[1].top, one[1].left)))
    return unplaced + ordered


def _cut(group: Sequence[tuple[int, Box]], *, across: bool) -> list[list[tuple[int, Box]]]:
    """Cut a group wherever no shape reaches over: into columns if `across`, else into rows."""

    def span(box: Box) -> tuple[float, float]:
        return (box.left, box.right) if across else (box.top, box.bottom)

    parts: list[list[tuple[int, Box]]] = []
    reached = 0.0
    smallest = 0.0
    for place, box in sorted(group, key=lambda one: span(one[1])):
        start, end = span(box)
        if parts and start < reached - _OVERLAP * min(smallest, end - start):
            parts[-1].append((place, box))
            reached = max(reached, end)
            smallest = min(smallest, end - start)
        else:
            parts.append([(place, box)])
            reached, smallest = end, end - start
    return parts
