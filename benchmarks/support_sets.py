"""The claims that the support check is measured on, with their sources, labels and groups."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

from evaluation.support_files import find_support_files
from evaluation.support_sets import Claim, Label, read_support_set

__all__ = ["DATA", "Claim", "Label", "grouped_claims", "rows"]

DATA = Path(os.environ.get("FOOTNOTE_TEST_DATA", "../shared/data"))
_GROUNDING = ("scifact-claims", "wice-claims-dev", "begin-dev")


def rows(path: Path) -> list[dict[str, Any]]:
    """The JSON lines of a file, or of its .gz."""
    found = next(path.parent.glob(f"{path.name}*"))
    with gzip.open(found, "rt") if found.suffix == ".gz" else found.open() as lines:
        return [json.loads(line) for line in lines]


def grouped_claims() -> list[Claim]:
    """All three grounding sets."""
    files = {file.name: file for file in find_support_files([DATA / "grounding"]).sets}
    return [
        claim
        for file in (files[name] for name in _GROUNDING)
        for claim in read_support_set(file.path, file.format, name=file.name).claims
    ]
