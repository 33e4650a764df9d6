"""What a caller may take: the limits, what is left of them, and how it is told that one is reached.

Two kinds of time count. A **minute** begins with a caller's first request after the minute before has ended: so many
requests and no more come through within it, and callers do not all begin anew at the same second. **Days** and
**months** are those of UTC, as in the list of usage, so that the figures are the same. All are fixed windows: what
counts is one number in one row, which one statement can check and raise at once, whichever process sends it. Around
the end of a window a caller may take up to twice its limit in a short time; over any number of windows never more
than the limit in each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Literal

from retrieval.errors import FootnoteError

LimitName = Literal[
    "requests_per_minute", "requests_per_day", "tokens_per_day", "money_per_month", "answers_at_once"
]

LIMIT_NAMES: tuple[LimitName, ...] = (
    "requests_per_minute",
    "requests_per_day",
    "tokens_per_day",
    "money_per_month",
    "answers_at_once",
)

_WORDS: Mapping[LimitName, str] = {
    "requests_per_minute": "requests a minute",
    "requests_per_day": "requests a day (UTC)",
    "tokens_per_day": "tokens a day (UTC)",
    "money_per_month": "money a month (UTC)",
    "answers_at_once": "answers at once",
}
_PLACE_RETRY_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What everybody may take, where nothing else was said of their key; 0 is no limit."""

    requests_per_minute: int = 0
    requests_per_day: int = 0
    tokens_per_day: int = 0
    money_per_month: Decimal = Decimal(0)
    answers_at_once: int = 0

    def as_parameters(self) -> dict[str, Any]:
        """By their names, as the queries take them."""
        return {name: getattr(self, name) for name in LIMIT_NAMES}


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnLimits:
    """What was said of one key; None leaves it to the settings, 0 is no limit."""

    requests_per_minute: int | None = None
    requests_per_day: int | None = None
    tokens_per_day: int | None = None
    money_per_month: Decimal | None = None
    answers_at_once: int | None = None

    def as_parameters(self) -> dict[str, Any]:
        """By their names, as the queries take them."""
        return {name: getattr(self, name) for name in LIMIT_NAMES}

    def as_json(self) -> dict[str, Any]:
        """The limits that were set; money as a number."""
        said = {name: value for name, value in self.as_parameters().items() if value is not None}
        return {name: float(value) if isinstance(value, Decimal) else value for name, value in said.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A limit on requests, and what is left of it until the window ends. `seconds` is how long it lasts in all."""

    name: Literal["minute", "day"]
    limit: int
    left: int
    ends_in_s: int
    seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The limits on requests that hold for a caller; none where there are none."""

    windows: tuple[Window, ...] = ()

    def headers(self) -> dict[str, str]:
        """What a response tells of them: the fields of draft-ietf-httpapi-ratelimit-headers-11, and those of its early
        versions (-03), which more clients know, for the window that has least left."""
        if not self.windows:
            return {}
        tightest = min(self.windows, key=lambda window: (window.left, -window.ends_in_s))
        return {
            "RateLimit-Policy": ", ".join(f'"{w.name}";q={w.limit};w={w.seconds}' for w in self.windows),
            "RateLimit": ", ".join(f'"{w.name}";r={w.left};t={w.ends_in_s}' for w in self.windows),
            "RateLimit-Limit": str(tightest.limit),
            "RateLimit-Remaining": str(tightest.left),
            "RateLimit-Reset": str(tightest.ends_in_s),
        }


class LimitReachedError(FootnoteError):
    """A caller has taken what they may: which limit, how much of it, and when there is more."""

    retryable = True

    def __init__(
        self,
        name: LimitName,
        *,
        limit: int | Decimal,
        used: int | Decimal,
        needed: int | Decimal,
        retry_after_s: float,
        standing: Standing,
    ) -> None:
        self.name = name
        self.limit = limit
        self.used = used
        self.retry_after_s = max(1, math.ceil(retry_after_s))
        self.standing = standing
        super().__init__(_message(name, limit, used, needed, self.retry_after_s))

    def as_json(self) -> dict[str, Any]:
        """For programs: what a problem says of it beside its words."""
        return {
            "name": self.name,
            "limit": _number(self.limit),
            "used": _number(self.used),
            "retry_after_s": self.retry_after_s,
        }


def place_retry_s(next_ends_s: float | None) -> float:
    """When to ask again for a place among those that are answered at once. One may be given back at any moment; the
    time at which the next is over in any case is no more than a bound."""
    return _PLACE_RETRY_S if next_ends_s is None else min(_PLACE_RETRY_S, next_ends_s)


def _message(
    name: LimitName, limit: int | Decimal, used: int | Decimal, needed: int | Decimal, retry_after_s: int
) -> str:
    said = f"the key may take {_shown(limit)} {_WORDS[name]} and has taken {_shown(used)}"
    match name:
        case "answers_at_once":
            return f"{said}. Wait for one of them to end."
        case "tokens_per_day" | "money_per_month":
            said += f"; an answer may take up to {_shown(needed)}, which is reserved until it is known"
            if needed > limit:
                return f"{said}. That is more than the limit: an operator has to raise it, or lift it for this key."
    return f"{said}. There is more in {retry_after_s:,} s."


def _shown(value: int | Decimal) -> str:
    return f"{value:,.4f}".rstrip("0").rstrip(".") if isinstance(value, Decimal) else f"{value:,}"


def _number(value: int | Decimal) -> int | float:
    return float(value) if isinstance(value, Decimal) else value
