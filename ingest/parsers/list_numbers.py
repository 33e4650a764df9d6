"""How office programs write the number of a list item: 3, c, iii."""

from __future__ import annotations

_ROMAN = (
    *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"), (40, "xl")),
    *((10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
)
_LARGEST_ROMAN = 4999


def roman(count: int) -> str:
    """Small letters; figures where no Roman number is in use."""
    if not 0 < count <= _LARGEST_ROMAN:
        return str(count)
    written = ""
    for worth, letters in _ROMAN:
        written += letters * (count // worth)
        count %= worth
    return written


def letter(count: int) -> str:
    """a … z, aa … zz, aaa …, as Word counts; figures where there is no letter."""
    repeats, place = divmod(count - 1, 26)
    return chr(ord("a") + place) * min(repeats + 1, 10) if count > 0 else str(count)
