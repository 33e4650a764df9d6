from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.units import units_apart


@pytest.mark.parametrize(
    ("claim", "source"),
    [
        ("The dose is 5 mg.", "The dose is 5 g."),
        ("The dose is 5mg.", "The dose is 5 kilograms."),
        ("It opens at 9 am.", "It opens at 9 p.m."),
        ("It is -5 degrees.", "It is 5 degrees."),
        ("It is 5 degrees.", "It is minus 5 degrees."),
        ("It is 20 °C.", "It is 20 degrees Fahrenheit."),
        ("It costs 5 dollars.", "It costs 5 euros."),
        ("A 16-week leave.", "The leave is 16 months."),
        ("The file has 20 GB.", "The file has 20 MB."),
    ],
)
def test_the_same_number_with_another_sign_or_unit_is_apart(claim: str, source: str) -> None:
    assert units_apart(claim, [source])
    assert units_apart(source, [claim])
    assert not units_apart(claim, [source, claim])


@pytest.mark.parametrize(
    ("claim", "source"),
    [
        ("The dose is 5 mg.", "Take 5 milligrams."),
        ("The dose is 5 mg.", "The dose is 5 to 10 mg."),
        ("It takes 24 hours.", "It takes 24 h."),
        ("Names have 4 to 30 signs.", "Names have 4 - 30 signs."),
        ("It took from 2019 to 2020.", "2019-2020, 2019 -2020"),
        ("Stay 3 days.", "Stay 3 working days, not 4 weeks."),
        ("It costs 7 euros.", "It costs seven euros, 8 dollars."),
        ("It has 5 pages.", "It has 5 g."),
        ("Wait 5 \u017fec.", "Wait 5 M\u0130N or 5 \u212aG."),
    ],
)
def test_what_agrees_or_cannot_be_compared_is_not_apart(claim: str, source: str) -> None:
    assert not units_apart(claim, [source])


@given(st.text(max_size=80), st.text(max_size=80))
def test_a_source_that_holds_the_claim_never_is_apart_from_it(claim: str, more: str) -> None:
    assert not units_apart(claim, [more, claim])
