from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.granting import interim_readers
from retrieval.records import PUBLIC, Scope

principals = st.sampled_from(["user:ann", "user:bob", "group:hr", PUBLIC])
readers = st.lists(principals, unique=True, max_size=4).map(tuple)


@given(readers, readers, st.frozensets(principals))
def test_what_is_behind_the_times_is_for_nobody_who_could_not_read_it_before_or_may_not_after(
    before: tuple[str, ...], after: tuple[str, ...], caller: frozenset[str]
) -> None:
    seen_by = Scope.of([*caller]).principals or frozenset()
    if seen_by & {*interim_readers(before, after)}:
        assert seen_by & {*before}
        assert seen_by & {*after}


@given(readers, readers, principals)
def test_whoever_is_named_before_and_after_keeps_reading(
    before: tuple[str, ...], after: tuple[str, ...], caller: str
) -> None:
    if caller in before and caller in after:
        assert caller in interim_readers(before, after)
