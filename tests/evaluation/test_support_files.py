"""Which files hold a set of claims, whatever they are called, and what is said of the others."""

from __future__ import annotations

from pathlib import Path

import pytest

from evaluation.jsonl import EvaluationDataError
from evaluation.support_files import find_support_files
from retrieval.errors import InvalidRequestError
from tests.evaluation.claims_on_disk import ON_EVIDENCE, ON_KNOWLEDGE, ON_SENTENCES, write_claims
from tests.evaluation.folders_on_disk import write, write_qa


def test_sets_are_found_in_files_and_below_folders_each_once(tmp_path: Path) -> None:
    first = write_claims(tmp_path / "grounding" / "one.jsonl", ON_SENTENCES, zipped=True)
    second = write_claims(tmp_path / "grounding" / "deep" / "er" / "one.json", ON_KNOWLEDGE)
    third = write_claims(tmp_path / "three.txt", ON_EVIDENCE)
    write_claims(tmp_path / "grounding" / ".hidden" / "four.jsonl", ON_EVIDENCE)
    found = find_support_files([tmp_path / "grounding", first, third])
    assert [(file.path, file.name) for file in found.sets] == [
        (second, "er/one"),
        (first, "grounding/one"),
        (third, "three.txt"),
    ]
    assert found.passed_over == ()


def test_what_is_no_set_is_passed_over_with_its_reason(tmp_path: Path) -> None:
    write_claims(tmp_path / "claims.jsonl", ON_SENTENCES)
    write_qa(tmp_path / "qa", docs=[{"doc_id": "1", "text": ""}], questions=[{"qid": "1", "question": "?"}])
    write(tmp_path / "empty.jsonl", "\n\n")
    write(tmp_path / "broken.jsonl", "{\n")
    write(tmp_path / "readme.md", "nothing")
    found = find_support_files([tmp_path])
    assert [file.name for file in found.sets] == ["claims"]
    why = {each.path.name: each.why for each in found.passed_over}
    assert why.keys() == {"docs.jsonl", "questions.jsonl", "empty.jsonl", "broken.jsonl"}
    assert why["empty.jsonl"] == "it is empty."
    assert "fields" in why["docs.jsonl"]
    assert "it is not JSON" in why["broken.jsonl"]


def test_where_there_is_no_set_the_expected_fields_are_said(tmp_path: Path) -> None:
    write(tmp_path / "empty.jsonl", "")
    with pytest.raises(
        InvalidRequestError, match=r"fields .*claim, sentences, label; or claim, evidence, label"
    ):
        find_support_files([tmp_path])
    (tmp_path / "nothing").mkdir()
    with pytest.raises(InvalidRequestError, match=r"holds no file that ends in \.jsonl"):
        find_support_files([tmp_path / "nothing"])
    with pytest.raises(InvalidRequestError, match="there is no file or folder"):
        find_support_files([tmp_path / "nowhere"])


def test_a_file_that_is_named_itself_is_not_passed_over_when_broken(tmp_path: Path) -> None:
    write(tmp_path / "broken.jsonl", "[1]\n")
    with pytest.raises(EvaluationDataError, match=r"line 1 of .*but no object"):
        find_support_files([tmp_path / "broken.jsonl"])


def test_a_name_that_no_file_can_have_is_told() -> None:
    with pytest.raises(InvalidRequestError, match="cannot be listed: File name too long"):
        find_support_files([Path("a" * 300)])


def test_every_set_has_a_name_of_its_own(tmp_path: Path) -> None:
    files = [
        tmp_path / place for place in ("a/x/s.jsonl", "a/x/s.json", "b/x/s.jsonl", "c/s.jsonl", "d.jsonl")
    ]
    for file in files:
        write_claims(file, ON_SENTENCES)
    names = [file.name for file in find_support_files(files).sets]
    assert names == [*map(str, files[:3]), "c/s", "d"]
