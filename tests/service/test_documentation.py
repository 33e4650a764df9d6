from __future__ import annotations

import re
from pathlib import Path
from typing import get_args

from retrieval.stages import StageName
from service.http.metrics.counters import Metrics
from service.settings import Settings

ROOT = Path(__file__).resolve().parents[2]


def test_every_setting_is_documented() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()
    for name, field in Settings.model_fields.items():
        section = field.annotation
        parts = getattr(section, "model_fields", None)
        for part in parts if parts is not None else [""]:
            variable = f"FOOTNOTE_{name}__{part}" if part else f"FOOTNOTE_{name}"
            written = variable.upper() in page or (
                f"FOOTNOTE_{name}__".upper() in page and f"…__{part.upper()}" in page
            )
            assert written, f"docs/settings.md does not name {variable.upper()}"


def test_every_path_that_the_architecture_names_exists() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    for path in set(re.findall(r"`((?:ingest|retrieval|generation|service|sql)/[\w./]*)", page)):
        assert (ROOT / path.rstrip(".")).exists(), f"docs/architecture.md names {path}, which does not exist"


def test_every_metric_and_every_stage_is_documented() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    exposed = Metrics().expose("", with_index=True)[0].decode()
    names = {
        f"{name}_total" if kind == "counter" and not name.endswith("_total") else name
        for name, kind in re.findall(r"^# TYPE (footnote_\w+) (\w+)$", exposed, re.MULTILINE)
        if not name.endswith("_created")
    }
    assert len(names) > 20
    rows = [
        line
        for line in page.splitlines()
        if line.startswith("| `footnote_") and "footnote_source_overdue_seconds > " not in line
    ]
    written = set(re.findall(r"`(footnote_\w+)`", "".join(rows)))
    assert names == written
    assert all(f"`{stage}`" in page for stage in get_args(StageName))
