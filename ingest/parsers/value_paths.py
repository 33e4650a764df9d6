"""Paths by which the values of structured files are told: "address.city"."""

from __future__ import annotations

from ingest.parsers.text import one_line

_LONGEST = 120


def value_path(around: str, name: str) -> str:
    """The path of what has this name inside of what has the path `around`; only its end where it is long, since every
    value is written behind its path."""
    name = name if name.isidentifier() else one_line(name)
    path = f"{around}.{name}" if around else name
    return path if len(path) <= _LONGEST else f"…{path[1 - _LONGEST :]}"
