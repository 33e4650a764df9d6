"""Sets of claims: known by their fields, their labels in our words, their claims in groups that share a text."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import pytest

from evaluation.jsonl import EvaluationDataError
from evaluation.support_files import find_support_files
from evaluation.support_sets import SupportSet, format_of, read_support_set
from tests.evaluation.claims_on_disk import (
    ON_EVIDENCE,
    ON_KNOWLEDGE,
    ON_SENTENCES,
    VOTED_ON,
    WITH_FLAGS,
    write_claims,
)
from tests.evaluation.folders_on_disk import Rows


def read(tmp_path: Path, rows: Rows) -> SupportSet:
    found = format_of(rows[0])
    assert found is not None
    return read_support_set(write_claims(tmp_path / "any.jsonl", rows), found, name="any")


@pytest.mark.parametrize(
    ("rows", "labels", "groups"),
    [
        (ON_SENTENCES, ["stated", "contradicted", "not stated"], 2),
        (ON_EVIDENCE, ["stated", "not stated", "not stated"], 2),
        (WITH_FLAGS, ["stated", "not stated"], 1),
        (ON_KNOWLEDGE, ["stated", "not stated", "not stated"], 2),
        (VOTED_ON, ["stated", "not stated"], 1),
    ],
)
def test_every_format_is_known_by_its_fields(
    tmp_path: Path, rows: Rows, labels: list[str], groups: int
) -> None:
    claims = read(tmp_path, rows).claims
    assert [claim.label for claim in claims] == labels
    assert len({claim.group for claim in claims}) == groups
    assert [claim.line for claim in claims] == [*range(1, len(labels) + 1)]


def test_what_annotators_point_to_is_kept_as_far_as_it_is_there(tmp_path: Path) -> None:
    assert [claim.reading for claim in read(tmp_path, ON_SENTENCES).claims] == [
        "Badgers dig tunnels below the garden.",
        "",
        "",
    ]
    assert read(tmp_path, ON_EVIDENCE).claims[0].reading == "Children pay two euros."
    past = {**ON_SENTENCES[0], "rationale_sentences": [1, 9, -1, "x"]}
    assert read(tmp_path, [past]).claims[0].reading == "They eat worms at night."


def test_texts_that_share_a_claim_are_one_group(tmp_path: Path) -> None:
    again = {**ON_SENTENCES[0], "doc_id": 8}
    assert len({claim.group for claim in read(tmp_path, [*ON_SENTENCES, again]).claims}) == 1


def test_a_set_of_ones_own_needs_no_more_than_claim_source_and_label(tmp_path: Path) -> None:
    rows = [
        {"claim": "Owls fly.", "sentences": ["Owls fly."], "label": "stated"},
        {"claim": "Owls swim.", "sentences": ["Owls fly."], "label": "Refutes"},
        {"claim": "Foxes run.", "sentences": ["Foxes sleep."], "label": "not enough info"},
    ]
    claims = read(tmp_path, rows).claims
    assert [claim.label for claim in claims] == ["stated", "contradicted", "not stated"]
    assert len({claim.group for claim in claims}) == 2


def test_what_has_no_source_is_left_out_and_counted(tmp_path: Path) -> None:
    voted = read(tmp_path, VOTED_ON)
    assert (len(voted.claims), voted.without_source) == (2, 1)
    assert all(claim.whole_answer for claim in voted.claims)
    with pytest.raises(EvaluationDataError, match="holds no claim with a source"):
        read(tmp_path, VOTED_ON[2:])


def test_a_smaller_sample_begins_a_larger_one(tmp_path: Path) -> None:
    whole = read(tmp_path, ON_SENTENCES)
    assert whole.sample(3, 5).claims[:2] == whole.sample(2, 5).claims
    assert {*whole.sample(9, 1).claims} == {*whole.claims}


@pytest.mark.parametrize(
    ("rows", "changed", "error"),
    [
        (ON_SENTENCES, {"label": "PERHAPS"}, "line 2 of .*'label' is 'PERHAPS'. Known are SUPPORT"),
        (ON_SENTENCES, {"label": None}, "'label' is missing. Known are"),
        (ON_SENTENCES, {"label": 3}, "'label' is 3. Known are"),
        (ON_SENTENCES, {"claim": 7}, "'claim' is missing or no text"),
        (ON_SENTENCES, {"sentences": "Owls fly."}, "'sentences' is missing or no list of texts"),
        (ON_EVIDENCE, {"evidence": [1]}, "'evidence' is missing or no list of texts"),
        (WITH_FLAGS, {"non_supported_spans": [0, 1]}, "'non_supported_spans' is no list of true and false"),
        (WITH_FLAGS, {"non_supported_spans": None}, "'non_supported_spans' is no list of true and false"),
        (ON_KNOWLEDGE, {"source": ["a"]}, "'source' is missing or no text"),
        (VOTED_ON, {"human": {}}, "no list of votes"),
        (VOTED_ON, {"human": None}, "no list of votes"),
        (VOTED_ON, {"human": {"faithfulness": [10**400]}}, "no list of votes .*from 1 to 4"),
        (VOTED_ON, {"human": {"faithfulness": [4, math.nan]}}, "no list of votes .*from 1 to 4"),
        (VOTED_ON, {"contexts": ["a"]}, "'contexts' is no list of objects"),
        (VOTED_ON, {"contexts": [{"title": "a"}]}, "'text' is missing or no text"),
    ],
)
def test_what_is_malformed_is_named_with_its_line(
    tmp_path: Path, rows: Rows, changed: dict[str, Any], error: str
) -> None:
    without = {name: value for name, value in {**rows[1], **changed}.items() if value is not None}
    with pytest.raises(EvaluationDataError, match=error):
        read(tmp_path, [rows[0], without])


def test_what_no_model_can_read_is_replaced(tmp_path: Path) -> None:
    row = {**ON_KNOWLEDGE[0], "response": "Owls\ud800 fly.", "source": "All owls\udfff fly."}
    (claim,) = read(tmp_path, [row]).claims
    assert (claim.claim, claim.source) == ("Owls\ufffd fly.", ("All owls\ufffd fly.",))


def test_the_groups_that_the_shipped_figures_were_cross_validated_by_stay(evaluation_data: Path) -> None:
    files = {file.name: file for file in find_support_files([evaluation_data / "grounding"]).sets}
    digest = hashlib.sha256()
    for name in ("scifact-claims", "wice-claims-dev", "begin-dev"):
        for claim in read_support_set(files[name].path, files[name].format, name=name).claims:
            digest.update(f"{claim.claim}\0{claim.label}\0{claim.group}\n".encode())
    assert digest.hexdigest()[:16] == "1fe9853523f5dd59"
