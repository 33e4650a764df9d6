from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from retrieval.kept import Kept


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_what_was_used_longest_ago_goes_first() -> None:
    kept: Kept[str, str] = Kept(max_bytes=30, max_age_s=100, clock=Clock())
    for key in "abc":
        kept.put(key, key.upper(), size_bytes=10)
    assert kept.get("a") == "A"
    kept.put("d", "D", size_bytes=10)
    assert [kept.get(key) for key in "abcd"] == ["A", None, "C", "D"]


def test_nothing_is_given_out_that_is_too_old_however_often_it_is_used() -> None:
    clock = Clock()
    kept: Kept[str, str] = Kept(max_bytes=30, max_age_s=100, clock=clock)
    kept.put("a", "A", size_bytes=10)
    for clock.now in (50, 99.9):
        assert kept.get("a") == "A"
    clock.now = 100
    assert kept.get("a") is None


def test_what_is_too_old_is_forgotten_though_nobody_asks_for_it() -> None:
    clock = Clock()
    kept: Kept[str, str] = Kept(max_bytes=30, max_age_s=100, clock=clock)
    kept.put("a", "A", size_bytes=10)
    clock.now = 111
    kept.put("b", "B", size_bytes=10)
    assert (kept.figures().entries, kept.figures().size_bytes) == (1, 10)


def test_a_value_larger_than_all_that_may_be_kept_is_not_and_its_key_holds_no_older_one() -> None:
    kept: Kept[str, str] = Kept(max_bytes=30, max_age_s=100)
    kept.put("a", "A", size_bytes=10)
    kept.put("a", "B", size_bytes=31)
    assert kept.get("a") is None
    assert kept.figures().size_bytes == 0


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(0, 40)), max_size=60))
def test_the_size_is_that_of_what_is_kept_and_within_its_limit(puts: list[tuple[str, int]]) -> None:
    kept: Kept[str, int] = Kept(max_bytes=60, max_age_s=100)
    for key, size in puts:
        kept.put(key, size, size_bytes=size)
        figures = kept.figures()
        assert figures.size_bytes <= 60
        if size <= 60:
            assert kept.get(key) == size
    sizes = [value for key in "abcdef" if (value := kept.get(key)) is not None]
    assert sum(sizes) == kept.figures().size_bytes
    assert len(sizes) == kept.figures().entries
