from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.errors import InvalidRequestError
from service.moments import read_begin, read_end, read_time


def test_a_day_begins_and_ends_in_utc() -> None:
    assert read_begin("2026-01-31") == datetime(2026, 1, 31, tzinfo=UTC)
    assert read_end("2026-01-31") == datetime(2026, 2, 1, tzinfo=UTC)
    assert read_end("9999-12-31") == datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_a_time_is_meant_to_the_second_and_its_zone_counts() -> None:
    at = datetime(2026, 1, 31, 9, 30, tzinfo=timezone(timedelta(hours=2)))
    for read in (read_time, read_begin, read_end):
        assert read("2026-01-31T09:30:00+02:00") == at
        assert read("2026-01-31t07:30z") == at
        assert read("2026-01-31 07:30:00.000Z") == at
    assert read_end("2026-01-31T07:30") == at


@pytest.mark.parametrize(
    "text",
    [
        "",
        "today",
        "31.01.2026",
        "20260131",
        "2026-W05",
        "2026-02-30",
        "2026-01-31T25:00Z",
        "1769817600",
        "٢٠٢٦-01-31",
    ],
)
def test_what_is_no_date_is_refused_with_the_forms_that_are(text: str) -> None:
    for read in (read_begin, read_end):
        with pytest.raises(InvalidRequestError, match="Write a date as in 2026-01-31"):
            read(text)


def test_a_time_without_a_zone_could_be_any() -> None:
    for text in ("2026-01-31T09:30:00", "2026-01-31"):
        with pytest.raises(InvalidRequestError, match="is not a time with its zone"):
            read_time(text)


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_refused(text: str) -> None:
    for read in (read_time, read_begin, read_end):
        with suppress(InvalidRequestError):
            assert read(text).utcoffset() is not None
