from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retrieval.errors import InvalidRequestError
from service.moments import read_begin, read_deadline, read_end, read_past, read_time


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


@pytest.mark.parametrize(
    ("text", "then"),
    [
        ("90d", datetime(2026, 4, 1, tzinfo=UTC)),
        ("12h", datetime(2026, 1, 1, 12, tzinfo=UTC)),
        (" 2w ", datetime(2026, 1, 15, tzinfo=UTC)),
        ("2026-01-31", datetime(2026, 2, 1, tzinfo=UTC)),
        ("2026-01-31T09:30Z", datetime(2026, 1, 31, 9, 30, tzinfo=UTC)),
    ],
)
def test_a_deadline_is_a_time_or_how_far_off_it_is(text: str, then: datetime) -> None:
    assert read_deadline(text, now=datetime(2026, 1, 1, tzinfo=UTC)) == then


@pytest.mark.parametrize("text", ["", "d", "0d", "-1d", "1.5d", "90", "90 days", "١d", "999999999d"])
def test_what_is_no_deadline_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequestError):
        read_deadline(text, now=datetime(2026, 1, 1, tzinfo=UTC))


def test_a_past_time_may_be_how_long_ago_it_was() -> None:
    now = datetime(2026, 1, 31, tzinfo=UTC)
    assert read_past("7d", now=now) == datetime(2026, 1, 24, tzinfo=UTC)
    assert read_past("2026-01-01", now=now) == datetime(2026, 1, 1, tzinfo=UTC)
    assert read_past("999999999w", now=now) == datetime.min.replace(tzinfo=UTC)
