from __future__ import annotations

import os
from datetime import UTC, datetime

import pytest

from retrieval.errors import InvalidRequestError
from retrieval.filters import NO_FILTERS, Filters
from service.cli.narrowing import filters_of
from service.cli.options import metadata_said


def test_options_become_filters() -> None:
    filters = filters_of(
        ["docs/", "*.md"], ["text/*"], "2026-01-01", "2026-01-31", ["team=hr", "note=a = b, c"]
    )
    assert filters == Filters(
        paths=("docs/", "*.md"),
        media_types=("text/*",),
        modified_from=datetime(2026, 1, 1, tzinfo=UTC),
        modified_before=datetime(2026, 2, 1, tzinfo=UTC),
        metadata={"team": "hr", "note": "a = b, c"},
    )
    assert filters_of(None, None, None, None, None) == NO_FILTERS


def test_the_first_day_may_be_the_last() -> None:
    filters = filters_of(None, None, "2026-01-31", "2026-01-31", None)
    assert (filters.modified_from, filters.modified_before) == (
        datetime(2026, 1, 31, tzinfo=UTC),
        datetime(2026, 2, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"paths": [""]}, "must have between 1 and 1,000"),
        ({"paths": ["/etc"]}, "leave it out"),
        ({"paths": [os.fsdecode(b"caf\xe9*")]}, "control character or half of one"),
        ({"paths": ["a"] * 51}, "at most 50"),
        ({"types": ["pdf"]}, "Give one as in application/pdf"),
        ({"since": "yesterday"}, "Write a date as in 2026-01-31"),
        ({"until": "2026-13-01"}, "Write a date as in 2026-01-31"),
        ({"since": "2026-02-01", "until": "2026-01-01"}, "the first has to come before the second"),
        ({"meta": [""]}, "Write NAME=VALUE"),
        ({"meta": ["team"]}, "Write NAME=VALUE"),
        ({"meta": ["=hr"]}, "'' is not a name of metadata"),
        ({"meta": ["team="]}, "must have between 1 and 500"),
        ({"meta": ["Team=hr"]}, "'Team' is not a name of metadata"),
        ({"meta": ["team=hr", "team=it"]}, "a name has one value"),
        ({"meta": [os.fsdecode(b"team=\xff")]}, "half of one"),
        ({"meta": [f"n{number}=x" for number in range(33)]}, "at most 32"),
    ],
)
def test_what_cannot_narrow_a_search_is_refused(options: dict[str, object], said: str) -> None:
    given: dict[str, object] = dict.fromkeys(("paths", "types", "since", "until", "meta"))
    with pytest.raises(InvalidRequestError, match=said):
        filters_of(**(given | options))  # type: ignore[arg-type]


def test_metadata_are_kept_replaced_or_forgotten() -> None:
    assert metadata_said(None, forget=False) is None
    assert metadata_said(["team=hr"], forget=False) == {"team": "hr"}
    assert metadata_said(None, forget=True) == {}
    with pytest.raises(InvalidRequestError, match="give one of them"):
        metadata_said(["team=hr"], forget=True)
