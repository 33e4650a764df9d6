"""Jobs that overlap are counted once by the clock and each by its items."""

from __future__ import annotations

import pytest

from retrieval.throughput import Done, Throughput


class Clock:
    def __init__(self) -> None:
        self.now = 5.0

    def __call__(self) -> float:
        return self.now


def test_overlapping_jobs_take_the_time_in_which_any_of_them_ran() -> None:
    clock = Clock()
    counted = Throughput(clock)
    with counted.job(4):
        clock.now += 1
        with counted.job(2):
            clock.now += 2
        clock.now += 1
    clock.now += 100  # nothing to do
    assert counted.done() == Done(items=6, seconds=4)
    assert counted.done().per_second == 1.5


def test_a_job_that_still_runs_counts_by_its_time_and_not_by_its_items() -> None:
    clock = Clock()
    counted = Throughput(clock)
    with counted.job(4):
        clock.now += 2
        assert counted.done() == Done(items=0, seconds=2)


def test_items_of_a_job_that_fails_do_not_count() -> None:
    clock = Clock()
    counted = Throughput(clock)
    with pytest.raises(ZeroDivisionError), counted.job(4):
        clock.now /= 0
    assert counted.done().items == 0


def test_nothing_done_has_no_speed() -> None:
    assert Throughput().done().per_second == 0
