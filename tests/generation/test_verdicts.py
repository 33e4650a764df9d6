from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np

from generation.verdicts import FEATURES, PARAMETERS_FILE, Read, features, judge


def read(claim: str, source: str, *logits: float) -> Read:
    """A claim and one source sentence with its readings."""
    return Read(
        claim=claim,
        singles=[source],
        together=source,
        readings=np.array([logits, logits], dtype=np.float32),
        around=[""],
        everything=[source],
    )


def under(claim: str, source: str, title: str) -> Read:
    """A claim and one source sentence below a title."""
    return replace(read(claim, source, 5.0, 1.0, 0.0, 0.0), around=[title])


def test_a_title_names_what_its_sentences_call_otherwise() -> None:
    claim = "The Amazon rainforest produces soybeans."
    assert not under(claim, "The forest produces soybeans.", "Amazon rainforest").lacking.names
    assert not under(claim, "It produces soybeans.", "Amazon rainforest").lacking.names


def test_a_title_does_not_speak_for_a_sentence_that_begins_with_another_name() -> None:
    claim = "The Amazon rainforest produces soybeans."
    about = under(claim, "Currently, Brazil produces soybeans.", "Amazon rainforest")
    assert about.lacking.names == {"amazon"}


def test_the_parameters_that_ship_belong_to_the_features_of_this_version() -> None:
    shape = json.loads(PARAMETERS_FILE.read_text("utf-8"))
    assert tuple(shape["features"]) == FEATURES
    for name in ("stated", "contradicted"):
        for key in ("means", "scales", "weights"):
            assert len(shape[name][key]) == len(FEATURES)
            assert all(math.isfinite(value) for value in shape[name][key])
        assert all(scale > 0 for scale in shape[name]["scales"])


def test_every_feature_has_a_finite_value() -> None:
    row = features(read("It is 5.", "It is 6 in Rome.", -11.0, -50.0, 50.0, 0.0))
    assert row.shape == (len(FEATURES),)
    assert np.isfinite(row).all()


def test_what_is_read_as_stated_is_likelier_stated_than_what_is_read_as_contradicted() -> None:
    claim = "The leave of the other parent is six weeks."
    stated = judge(read(claim, claim, 9.0, 3.0, -2.0, -2.0))
    contradicted = judge(read(claim, claim, 9.0, -2.0, 3.0, -2.0))
    assert stated.stated > contradicted.stated
    assert stated.contradicted < contradicted.contradicted


def test_a_number_that_no_source_has_makes_a_claim_less_likely() -> None:
    source = "The leave of the other parent is 6 weeks."
    right = judge(read("The leave is 6 weeks.", source, 6.0, 1.0, 0.0, 0.0))
    wrong = judge(read("The leave is 8 weeks.", source, 6.0, 1.0, 0.0, 0.0))
    assert wrong.stated < right.stated


def test_nearly_the_same_words_with_another_name_or_a_negation_clash() -> None:
    source = "The head of people, Tomás Brennan, confirms the dates within ten working days."
    for claim in (
        "The head of people, Tomás Keane, confirms the dates within ten working days.",
        "The head of people, Tomás Brennan, does not confirm the dates within ten working days.",
        "The head of people, Tomás Brennan, confirms the dates within twelve working days.",
    ):
        assert judge(read(claim, source, 8.0, 2.0, 0.0, 0.0)).clashes
    assert not judge(read(source, source, 9.0, 2.0, 0.0, 0.0)).clashes
