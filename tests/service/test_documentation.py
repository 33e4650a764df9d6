from __future__ import annotations

import re
from pathlib import Path

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
