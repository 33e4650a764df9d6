"""Dates and times as people and programs write them: 2026-01-31, 2026-01-31T09:30, 2026-01-31T09:30:00+02:00."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

from retrieval.errors import InvalidRequestError

# RFC 3339, but that seconds and the zone may be left out. `fromisoformat` takes a good deal more.
_TIME = re.compile(
    r"\d{4}-\d{2}-\d{2}[Tt ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:[Zz]|[+-]\d{2}:\d{2})?", re.ASCII
)
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_SPAN = re.compile(r"([1-9]\d{0,8})([hdw])", re.ASCII)
_UNITS = MappingProxyType({"h": "hours", "d": "days", "w": "weeks"})
_FORMS = "Write a date as in 2026-01-31, or a time as in 2026-01-31T09:30:00Z."


def read_time(text: str) -> datetime:
    """A time of a zone. Raises `InvalidRequestError`."""
    moment = _read(text) if _TIME.fullmatch(text) else None
    if moment is None or moment.utcoffset() is None:
        raise InvalidRequestError(f"{text[:40]!r} is not a time with its zone, as in 2026-01-31T09:30:00Z.")
    return moment


def read_begin(text: str) -> datetime:
    """The time, or the beginning of the day; what has no zone is UTC. Raises `InvalidRequestError`."""
    moment = _read(text) if _TIME.fullmatch(text) or _DATE.fullmatch(text) else None
    if moment is None:
        raise InvalidRequestError(f"{text[:40]!r} is not a date or time. {_FORMS}")
    return moment.replace(tzinfo=UTC) if moment.utcoffset() is None else moment


def read_end(text: str) -> datetime:
    """The time, or the end of the day, which is the beginning of the next one. Raises `InvalidRequestError`."""
    moment = read_begin(text)
    if not _DATE.fullmatch(text):
        return moment
    try:
        return moment + timedelta(days=1)
    except OverflowError:  # no day follows the last one that there is
        return moment.replace(hour=23, minute=59, second=59)


def read_deadline(text: str, *, now: datetime) -> datetime:
    """A time to come: a date or time, or how far off it is, as in 90d, 12h or 2w. Raises `InvalidRequestError`."""
    if off := _SPAN.fullmatch(text.strip()):
        try:
            return now + timedelta(**{_UNITS[off[2]]: int(off[1])})
        except OverflowError as exc:
            raise InvalidRequestError(f"{text[:40]!r} lies beyond all times that can be written.") from exc
    try:
        return read_end(text.strip())
    except InvalidRequestError as exc:
        raise InvalidRequestError(
            f"{text[:40]!r} is neither a date or time nor a span of time. Write 90d, 12h or 2w, or a date as in "
            "2026-01-31."
        ) from exc


def read_past(text: str, *, now: datetime) -> datetime:
    """A time gone by: a date or time, or how long ago, as in 7d, 12h or 2w. Raises `InvalidRequestError`."""
    if ago := _SPAN.fullmatch(text.strip()):
        try:
            return now - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        except OverflowError:  # before all times that can be written is before everything that was noted
            return datetime.min.replace(tzinfo=UTC)
    return read_begin(text.strip())


def _read(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        return None
