"""Equations of office documents (OMML) on one line, much as Word itself writes them there: "(-b ± √(b^2 - 4ac))/2a"."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_ONE_TERM = re.compile(r"\d+|[^\W\d_]+|.|", re.DOTALL)
_IN_BRACKETS = re.compile(r"\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}|\|[^|]*\|")
_DEEPEST = 60
_INTEGRAL = "∫"


def equation_text(equation: Any) -> str:
    """An equation (`m:oMath`, or any element around some) as one line of text."""
    return _written(equation, 0).strip()


def _written(element: Any, depth: int) -> str:
    if depth > _DEEPEST or not isinstance(element.tag, str):
        return ""
    name = element.tag.removeprefix(M)
    if name == "t":
        return element.text or ""
    if name.endswith("Pr"):
        return ""
    write = _WAYS.get(name)
    return write(element, depth) if write is not None else _inside(element, depth)


def _inside(element: Any, depth: int) -> str:
    return "".join(_written(inner, depth + 1) for inner in element)


def _part(element: Any, name: str, depth: int) -> str:
    part = element.find(f"{M}{name}")
    return "" if part is None else _inside(part, depth + 1).strip()


def _setting(element: Any, name: str, default: str) -> str:
    setting = element.find(f"{M}{element.tag.removeprefix(M)}Pr/{M}{name}")
    found = default if setting is None else setting.get(f"{M}val", default)
    return found if isinstance(found, str) else default


def _term(text: str) -> str:
    """`text` in brackets, unless it is one term already."""
    return text if _ONE_TERM.fullmatch(text) or _IN_BRACKETS.fullmatch(text) else f"({text})"


def _fraction(element: Any, depth: int) -> str:
    above, below = _part(element, "num", depth), _part(element, "den", depth)
    if _setting(element, "type", "bar") == "noBar":
        return f"{above} ¦ {below}"
    return f"{_term(above)}/{_term(below)}"


def _with_scripts(element: Any, depth: int) -> str:
    return _part(element, "e", depth) + _scripts(element, depth)


def _scripts(element: Any, depth: int) -> str:
    below, above = _part(element, "sub", depth), _part(element, "sup", depth)
    return (f"_{_term(below)}" if below else "") + (f"^{_term(above)}" if above else "")


def _scripts_before(element: Any, depth: int) -> str:
    return f"{_scripts(element, depth)} {_part(element, 'e', depth)}".strip()


def _root(element: Any, depth: int) -> str:
    degree, under = _part(element, "deg", depth), _term(_part(element, "e", depth))
    return f"√({degree}&{under.removeprefix('(').removesuffix(')')})" if degree else f"√{under}"


def _operator(element: Any, depth: int) -> str:
    sign = _setting(element, "chr", _INTEGRAL)
    return f"{sign}{_scripts(element, depth)} {_part(element, 'e', depth)}"


def _brackets(element: Any, depth: int) -> str:
    parts = [_inside(part, depth + 1).strip() for part in element.iterchildren(f"{M}e")]
    between = _setting(element, "sepChr", "|").join(parts)
    return f"{_setting(element, 'begChr', '(')}{between}{_setting(element, 'endChr', ')')}"


def _function(element: Any, depth: int) -> str:
    argument = _part(element, "e", depth)
    return f"{_part(element, 'fName', depth)}{'' if _IN_BRACKETS.fullmatch(argument) else ' '}{argument}"


def _matrix(element: Any, depth: int) -> str:
    rows = (
        " & ".join(_inside(cell, depth + 1).strip() for cell in row.iterchildren(f"{M}e"))
        for row in element.iterchildren(f"{M}mr")
    )
    return "; ".join(rows)


def _lines(element: Any, depth: int) -> str:
    return "; ".join(_inside(line, depth + 1).strip() for line in element.iterchildren(f"{M}e"))


def _limit_below(element: Any, depth: int) -> str:
    return f"{_part(element, 'e', depth)}_{_term(_part(element, 'lim', depth))}"


def _limit_above(element: Any, depth: int) -> str:
    return f"{_part(element, 'e', depth)}^{_term(_part(element, 'lim', depth))}"


_WAYS: Mapping[str, Callable[[Any, int], str]] = MappingProxyType(
    {
        "f": _fraction,
        "sSub": _with_scripts,
        "sSup": _with_scripts,
        "sSubSup": _with_scripts,
        "sPre": _scripts_before,
        "rad": _root,
        "nary": _operator,
        "d": _brackets,
        "func": _function,
        "m": _matrix,
        "eqArr": _lines,
        "limLow": _limit_below,
        "limUpp": _limit_above,
    }
)
