from __future__ import annotations

from pathlib import Path

import pytest

from evaluation.folders import find_set_folders
from retrieval.errors import InvalidRequestError
from tests.evaluation.folders_on_disk import write, write_beir, write_qa


def test_a_folder_is_a_set_or_holds_some(tmp_path: Path) -> None:
    beir = write_beir(tmp_path / "all" / "beir", zipped=True)
    pairs = write_qa(tmp_path / "all" / "pairs", docs=[], questions=[])
    papers = tmp_path / "all" / "papers"
    papers.mkdir()
    write_beir(tmp_path / "all" / ".hidden")
    write_beir(papers / "too deep")
    write(tmp_path / "all" / "notes.txt", "nothing")
    found = find_set_folders([tmp_path / "all"])
    assert (found.sets, found.skipped) == ((beir, pairs), (papers,))
    assert find_set_folders([beir]).sets == (beir,)


def test_each_set_is_found_once_however_often_it_is_named(tmp_path: Path) -> None:
    first, second = write_beir(tmp_path / "a"), write_beir(tmp_path / "b")
    link = tmp_path / "c"
    link.symlink_to(first)
    found = find_set_folders([second, tmp_path, first, link])
    assert found.sets == (second, first)


def test_a_set_is_not_looked_into(tmp_path: Path) -> None:
    outer = write_beir(tmp_path / "outer")
    write_beir(outer / "inner")
    assert find_set_folders([outer]).sets == (outer,)


def test_what_holds_no_set_is_refused_with_what_one_is(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    empty = tmp_path / "empty"
    empty.mkdir()
    for named, message in (
        (tmp_path / "nowhere", "there is no folder"),
        (file, "is not a folder"),
        (empty, r"corpus\.jsonl .* or a docs\.jsonl"),
    ):
        with pytest.raises(InvalidRequestError, match=message):
            find_set_folders([write_beir(tmp_path / "good"), named])


def test_a_name_that_no_folder_can_have_is_told() -> None:
    with pytest.raises(InvalidRequestError, match="cannot be listed: File name too long"):
        find_set_folders([Path("a" * 300)])
