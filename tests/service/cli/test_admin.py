from __future__ import annotations

import json
from pathlib import Path

import psycopg
import pytest

from service.cli import run
from service.keys import METRICS


def test_a_key_for_metrics_counts_as_nobody_else(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FOOTNOTE_HOME", str(tmp_path))
    monkeypatch.setenv("FOOTNOTE_DATABASE__DSN", dsn)
    assert run(["keys", "create", "prometheus", "--metrics", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "prometheus"
    assert run(["keys", "create", "ann", "--as", "user:ann"]) == 0
    assert run(["keys", "create", "eve", "--as", METRICS]) == 2
    with psycopg.connect(dsn) as connection:
        rows = connection.execute("SELECT name, principals FROM api_keys ORDER BY name").fetchall()
    assert rows == [("ann", ["user:ann"]), ("prometheus", [METRICS])]
