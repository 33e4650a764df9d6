"""Numbers of spreadsheets as their cells show them: "12,553", "5.3%", "2023-06-30" for a value and a format code.

Format codes are those of ECMA-376 part 1, 18.8.31. Dates and times come out as ISO 8601 writes them, whatever order the
format has, since a reader far from the sheet cannot tell 4/5 from 5/4.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import lru_cache
from types import MappingProxyType
from typing import Literal

GENERAL = "General"
_ACCOUNTING = '_(* #,##0{0}_);_(* \\(#,##0{0}\\);_(* "-"_);_(@_)'
_DATE = "yyyy-mm-dd"
_CODES: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        1: ("0", "0.00", "#,##0", "#,##0.00"),
        9: ("0%", "0.00%", "0.00E+00"),
        14: (_DATE, "d-mmm-yy", "d-mmm", "mmm-yy", "h:mm", "h:mm:ss", "h:mm", "h:mm:ss", f"{_DATE} h:mm"),
        27: (_DATE,) * 5,
        36: (_DATE, "#,##0;(#,##0)", "#,##0;(#,##0)", "#,##0.00;(#,##0.00)", "#,##0.00;(#,##0.00)"),
        41: (*[_ACCOUNTING.format("")] * 2, *[_ACCOUNTING.format(".00")] * 2),
        45: ("mm:ss", "[h]:mm:ss", "mm:ss", "0.0E+0"),
        50: (_DATE,) * 9,
    }
)
BUILT_IN: Mapping[int, str] = MappingProxyType(
    {number: code for first, codes in _CODES.items() for number, code in enumerate(codes, start=first)}
)
"""The codes of formats that a file names by number alone."""

_PIECE = re.compile(
    r'"([^"]*)"?|\\(.)|_.|\*.|\[\$([^\]-]*)[^\]]*\]|\[([^\]]*)\]|(General)|(.)', re.IGNORECASE | re.DOTALL
)
_CONDITION = re.compile(r"[<>=]")
_EXPONENT = re.compile(r"[0#?]e[+-]")
_PLAIN_NUMBER = re.compile(r"([0#?,]*)(?:\.([0#?]*))?(?:([eE][+-])[0#?]+)?")
_DIGITS = frozenset("0#?")
_DATE_LETTERS = frozenset("ymdhs")
_TIME_LETTERS = frozenset("hms")
_LARGEST_DATE = 2_958_466
"""The day after 9999-12-31, the last one that spreadsheets know."""
_1904 = datetime(1904, 1, 1)  # noqa: DTZ001 (a cell has no time zone)
_1900 = datetime(1899, 12, 30)  # noqa: DTZ001
_LONGEST_CODE = 256
_MOST_DECIMALS = 30
_MOST_DIGITS = 25

Kind = Literal["general", "number", "scientific", "date", "text"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Section:
    """One of a code's parts, for positive, negative and zero values.

    before, after: what is written around the number.
    hundreds: how often the value is taken times a hundred, for "%". thousands: how often it is divided by a thousand.
    shows: which of "y", "m", "d" (of the date), "t" (time), "s" (its seconds) and "e" (elapsed time) a date shows.
    """

    kind: Kind
    before: str = ""
    after: str = ""
    least_digits: int = 0
    decimals: int = 0
    optional_decimals: int = 0
    is_grouped: bool = False
    hundreds: int = 0
    thousands: int = 0
    shows: frozenset[str] = frozenset()


_Piece = tuple[Literal["text", "code", "elapsed", "general"], str]


def shown(value: float, code: str, *, since_1904: bool = False) -> str:
    """`value` as a cell of format `code` shows it.

    since_1904: whether the workbook counts days from 1904 rather than from 1900.
    """
    sections = _sections(code) if len(code) < _LONGEST_CODE else ()
    if not sections or not math.isfinite(value):
        return general(value)
    section, sign = _chosen(sections, value)
    if section.kind == "date":
        return _date(value, section.shows, since_1904=since_1904)
    figures = _figures(abs(value), section)
    sign = sign if section.kind != "number" or figures.strip("0.,") else ""
    return f"{sign}{section.before}{figures}{section.after}".strip()


def general(value: float) -> str:
    """`value` without the noise of binary fractions: 1 for 1.0, 0.3 for 0.30000000000000004."""
    if math.isfinite(value) and value == int(value) and abs(value) < 1e15:
        return str(int(value))
    written = f"{value:.15g}"
    return f"{Decimal(written):f}" if 1e-9 < abs(value) < 1e21 else written


def _chosen(sections: tuple[_Section, ...], value: float) -> tuple[_Section, str]:
    """The section for a value, and the sign to write before it."""
    if value < 0:
        return (sections[1], "") if len(sections) > 1 else (sections[0], "-")
    return (sections[2] if value == 0 and len(sections) > 2 else sections[0]), ""


@lru_cache(maxsize=1024)
def _sections(code: str) -> tuple[_Section, ...]:
    """A code's sections; none for one that is not understood."""
    parts: list[list[_Piece]] = [[]]
    for quoted, escaped, currency, bracket, word, other in _PIECE.findall(code):
        if _CONDITION.search(bracket):
            return ()
        if other == ";":
            parts.append([])
        elif other:
            parts[-1].append(("code", other))
        elif bracket:
            parts[-1].append(("elapsed" if set(bracket.lower()) <= _TIME_LETTERS else "text", ""))
        elif word:
            parts[-1].append(("general", ""))
        else:
            parts[-1].append(("text", quoted or escaped or currency))
    found = tuple(_section(part) for part in parts[:3])
    return tuple(section for section in found if section is not None) if None not in found else ()


def _section(pieces: list[_Piece]) -> _Section | None:
    codes = "".join(text.lower() for kind, text in pieces if kind == "code")
    is_elapsed = any(kind == "elapsed" for kind, _ in pieces)
    if is_elapsed or (_DATE_LETTERS & set(codes) and not _EXPONENT.search(codes)):
        return _Section(kind="date", shows=_what_is_shown(codes, is_elapsed=is_elapsed))
    places = [
        place
        for place, (kind, text) in enumerate(pieces)
        if kind == "general" or (kind == "code" and text in _DIGITS)
    ]
    if not places:
        return _Section(kind="text", before=_words(pieces))
    first, last = places[0], places[-1]
    if pieces[first][0] == "general":
        return _Section(kind="general", before=_words(pieces[:first]), after=_words(pieces[last + 1 :]))
    if first and pieces[first - 1] == ("code", "."):
        first -= 1
    if any(kind != "code" for kind, _ in pieces[first : last + 1]):
        return None
    digits = "".join(text for _, text in pieces[first : last + 1])
    rest = pieces[last + 1 :]
    thousands = 0
    while thousands < len(rest) and rest[thousands] == ("code", ","):
        thousands += 1
    return _number_section(digits, _words(pieces[:first]), _words(rest[thousands:]), thousands)


def _number_section(digits: str, before: str, after: str, thousands: int) -> _Section | None:
    """The section of a code whose digits stand thus ("#,##0.00"); None for fractions and the like."""
    number = _PLAIN_NUMBER.fullmatch(digits)
    if number is None:
        return None
    whole, decimals, exponent = number[1], number[2] or "", number[3]
    return _Section(
        kind="number" if exponent is None else "scientific",
        before=before,
        after=after,
        least_digits=whole.count("0"),
        decimals=len(decimals),
        optional_decimals=len(decimals) - len(decimals.rstrip("#?")),
        is_grouped="," in whole,
        hundreds=(before + after).count("%"),
        thousands=thousands,
    )


def _words(pieces: list[_Piece]) -> str:
    return "".join(text for _, text in pieces if text != "@")


def _what_is_shown(codes: str, *, is_elapsed: bool) -> frozenset[str]:
    has_time = "h" in codes or "s" in codes
    found = set("yd") & set(codes)
    if "m" in codes and ("d" in codes or "y" in codes or not has_time):
        found.add("m")
    if has_time and not is_elapsed:
        found.add("t")
    if is_elapsed:
        found.add("e")
    return frozenset(found | ({"s"} & set(codes)))


def _figures(value: float, section: _Section) -> str:
    """The figures of a number that is not negative, without what stands around them."""
    if section.kind == "text":
        return ""
    if section.kind == "general":
        return general(value)
    if section.kind == "scientific":
        return f"{value:.{min(section.decimals, _MOST_DECIMALS)}E}"
    exact = Decimal(f"{value:.15g}").scaleb(2 * section.hundreds - 3 * section.thousands)
    if exact.adjusted() > _MOST_DIGITS:
        return general(value)
    decimals = min(section.decimals, _MOST_DECIMALS)
    written = f"{exact.quantize(Decimal(1).scaleb(-decimals), ROUND_HALF_UP):f}"
    whole, _, fraction = written.partition(".")
    kept = len(fraction.rstrip("0"))
    fraction = fraction[: max(kept, decimals - section.optional_decimals)]
    whole = whole.lstrip("0").rjust(min(section.least_digits, _MOST_DECIMALS), "0")
    whole = f"{int(whole):,}".rjust(len(whole), "0") if section.is_grouped and whole else whole
    return f"{whole}.{fraction}" if fraction else whole or "0"


def _date(value: float, shows: frozenset[str], *, since_1904: bool) -> str:
    """A count of days as an ISO 8601 date, time, both, or a span of hours."""
    if "e" in shows:
        minutes, seconds = divmod(round(value * 86400), 60)
        sign = "-" if minutes < 0 else ""
        return f"{sign}{abs(minutes) // 60}:{abs(minutes) % 60:02d}:{seconds:02d}"
    if not 0 <= value < _LARGEST_DATE:
        return general(value)
    # Day 60 since 1900 is a 29th of February that never was.
    start = _1904 if since_1904 else _1900 + timedelta(days=value < 60)
    try:
        moment = start + timedelta(seconds=round(value * 86400))
    except OverflowError:
        return general(value)
    time = f"{moment:%H:%M:%S}" if "s" in shows and moment.second else f"{moment:%H:%M}"
    if not shows & {"y", "m", "d"} or (value < 1 and "t" in shows):
        return time
    date = f"{moment.year:04d}"
    if shows & {"m", "d"}:
        date += f"-{moment.month:02d}"
    if "d" in shows or "y" not in shows:
        date += f"-{moment.day:02d}"
    return f"{date} {time}" if "t" in shows else date
