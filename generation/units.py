"""Numbers with their signs and units: "5 mg" does not state "5 g", nor "9 am" "9 pm", nor "-5" "5".

A cross-encoder hardly sees such a difference, and the number itself is held by both.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# fmt: off
_SPELLINGS: dict[str, tuple[str, ...]] = {  # "kind unit": how it is written, with a plural's s or without
    "mass µg": ("µg", "μg", "mcg", "microgram"), "mass mg": ("mg", "milligram"), "mass g": ("g", "gram"),
    "mass kg": ("kg", "kilogram", "kilo"),
    "volume ml": ("ml", "millilitre", "milliliter"), "volume cl": ("cl", "centilitre", "centiliter"),
    "volume l": ("l", "litre", "liter"),
    "length mm": ("mm", "millimetre", "millimeter"), "length cm": ("cm", "centimetre", "centimeter"),
    "length m": ("metre", "meter"), "length km": ("km", "kilometre", "kilometer"), "length mi": ("mile",),
    "length ft": ("ft", "feet", "foot"), "length in": ("inch", "inche"),
    "time s": ("second", "sec"), "time min": ("minute", "min"), "time h": ("hour", "h"), "time d": ("day",),
    "time w": ("week",), "time mo": ("month",), "time y": ("year",),
    "clock am": ("am", "a.m."), "clock pm": ("pm", "p.m."),
    "money $": ("dollar", "usd"), "money €": ("euro", "eur", "€"), "money £": ("gbp", "£"),
    "heat °C": ("°c", "degrees celsius"), "heat °F": ("°f", "degrees fahrenheit"),
    "bytes k": ("kb", "kilobyte"), "bytes M": ("mb", "megabyte"), "bytes G": ("gb", "gigabyte"),
    "bytes T": ("tb", "terabyte"),
}
# fmt: on
_UNITS = {spelling: unit for unit, spellings in _SPELLINGS.items() for spelling in spellings}
_WRITTEN = "|".join(re.escape(spelling) for spelling in sorted(_UNITS, key=len, reverse=True))
_QUANTITY = re.compile(
    r"(?P<sign>(?<![^\s(])(?<!\d\s)[-−]|\bminus\s)?(?<![\w.,])(?P<number>\d+(?:[.,]\d+)*)"
    rf"(?:[\s-]?(?P<unit>{_WRITTEN})s?(?!\w))?",
    re.IGNORECASE,
)
"""A minus that stands apart from its number is a dash, as in "4 - 30"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Quantity:
    """A number as it is written, and what of it must agree: its sign, and the unit among those of its kind."""

    number: str
    kind: str
    unit: str


def units_apart(claim: str, sources: Sequence[str]) -> bool:
    """Whether a claim has a number with another sign, or another unit of the same kind, than all of its sources."""
    stated: dict[tuple[str, str], set[str]] = {}
    for source in sources:
        for quantity in _quantities(source):
            stated.setdefault((quantity.number, quantity.kind), set()).add(quantity.unit)
    return any(
        quantity.unit not in stated.get((quantity.number, quantity.kind), {quantity.unit})
        for quantity in _quantities(claim)
    )


def _quantities(text: str) -> Iterator[_Quantity]:
    for found in _QUANTITY.finditer(text):
        number = found["number"]
        yield _Quantity(number=number, kind="sign", unit="negative" if found["sign"] else "")
        kind, _, unit = _UNITS.get((found["unit"] or "").lower(), "").partition(" ")
        if unit:
            yield _Quantity(number=number, kind=kind, unit=unit)
