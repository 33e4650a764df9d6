"""Paths of uploads: what is taken lies inside of the folder, and is what a listing of the folder calls it."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.sources.patterns import printable_path
from retrieval.errors import InvalidRequestError
from service.upload_paths import MAX_PATH_BYTES, check_upload_path

_ROOT = Path("/uploads/default/0")
_ODD = st.text(alphabet="ab./\\~$ \x00\n\x7f\ud800é́%", max_size=12)


@given(path=st.one_of(st.text(max_size=40), _ODD, st.lists(_ODD, max_size=5).map("/".join)))
def test_whatever_is_taken_stays_inside_and_is_neither_hidden_nor_too_long(path: str) -> None:
    try:
        kept = check_upload_path(path)
    except InvalidRequestError:
        return
    where = _ROOT / kept
    assert Path(os.path.normpath(where)) == where
    assert where.is_relative_to(_ROOT)
    assert where != _ROOT
    assert len(kept.encode()) <= MAX_PATH_BYTES
    assert not any(part.startswith((".", "~$")) for part in PurePosixPath(kept).parts)
    assert printable_path(kept) == kept
    assert unicodedata.is_normalized("NFC", kept)
    assert check_upload_path(kept) == kept


@pytest.mark.parametrize(
    "path", ["a.md", "people/parental leave.docx", "süß/Ü.md", "a...b.md", "100%.md", "con-man.md"]
)
def test_ordinary_paths_are_taken(path: str) -> None:
    assert check_upload_path(path) == path


def test_letters_are_composed() -> None:
    assert check_upload_path("u\u0308.md") == "ü.md"
