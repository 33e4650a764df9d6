from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from generation.facts import content_words, facts_of


@pytest.mark.parametrize(
    ("sentence", "evidence"),
    [
        ("The leave is 16 weeks.", "sixteen weeks of leave"),
        ("The leave is sixteen weeks.", "16 weeks of leave"),
        ("Twenty-five days in May.", "25 days in May"),
        ("It costs €1,500.", "it costs 1500 euro"),
        ("It costs €1.5 million.", "it costs 1,500,000 euro"),
        ("It costs 1.500 Euro.", "1,500 euro"),
        ("It began on 15 January 2024.", "since 2024-01-15"),
        ("Open from 06:00 to 22:00.", "from 6 to 22"),
        ("HR decides with Maeve Corrigan.", "Human Resources decides; Maeve Corrigan signs"),
        ("Staff get one day on the second try.", "a day"),
        ("Press Ctrl-C in the U.S. at 3.5%.", "press ctrl-c u.s. 3,5 %"),
        ("Version 1.2.3 runs on 10.0.0.1.", "version 1.2.3, 10.0.0.1"),
        ("Mitarbeiter des Werks Galway.", "das Werk in Galway, alle Mitarbeitern"),
        ("It began on 15.01.2024.", "since 15 January 2024"),
        ("Ireland's rule.", "a rule of Ireland"),
        ("It had seventy six ships.", "76 ships"),
        ("It had 5 thouſand men and ſeventy ſix ſhips.", "5,000 men, 76 ships"),
        ("It had 5,000 men and 60 ships.", "5 THOUſAND men, ſixty ships"),
        ("It costs 5 MİLLİON.", "5,000,000: MİLLİON"),
    ],
)
def test_facts_agree_however_they_are_written(sentence: str, evidence: str) -> None:
    assert len(facts_of(sentence).missing_from(evidence)) == 0


@pytest.mark.parametrize(
    ("sentence", "evidence"),
    [
        ("The leave is 18 weeks.", "16 weeks of leave"),
        ("The leave is eighteen weeks.", "16 weeks of leave"),
        ("It costs €15.", "it costs €1.50"),
        ("It costs 1.5 million.", "it costs 1.5 billion"),
        ("It began on 16 January 2024.", "since 2024-01-15"),
        ("It began on 15 March 2024.", "since 2024-01-15"),
        ("It began on 16.01.2024.", "since 15.01.2024"),
        ("Version 1.2.4 is out.", "version 1.2.3 is out"),
        ("Marie Curie won.", "Pierre Curie won."),
        ("It is made in Australia.", "It is made in Austria."),
        ("Ask NASA first.", "Ask the agency first."),
        ("In Galway, ask first.", "ask first in Göttingen"),
        (f"The number is {'7' * 30}1.", f"the number is {'7' * 30}2"),
    ],
)
def test_a_changed_number_or_name_is_missing(sentence: str, evidence: str) -> None:
    assert len(facts_of(sentence).missing_from(evidence)) > 0


def test_a_title_may_name_what_its_text_does_not() -> None:
    missing = facts_of("At Ardfallen it is 16 weeks.").missing_from("It is 12 weeks.")
    assert missing.names == {"ardfallen"}
    left = missing.unless_named_in("Leave at Ardfallen, 16 pages")
    assert not left.names
    assert len(left.numbers) == 1


@given(st.text(max_size=200))
def test_every_text_agrees_with_itself(text: str) -> None:
    assert len(facts_of(text).missing_from(text)) == 0


@given(st.text(max_size=100), st.text(max_size=100))
def test_more_evidence_never_states_less(text: str, more: str) -> None:
    facts = facts_of(text)
    assert facts.missing_from(f"{text}\n{more}").names <= facts.missing_from(more).names
    assert content_words(text) <= content_words(f"{text} {more}")
