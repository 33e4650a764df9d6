from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
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


def test_a_key_is_made_with_role_collections_and_end_and_listed_with_them(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FOOTNOTE_HOME", str(tmp_path))
    monkeypatch.setenv("FOOTNOTE_DATABASE__DSN", dsn)
    made = [
        "keys",
        "create",
        "ann",
        "--role",
        "editor",
        "--expires",
        "90d",
        "--collections",
        "hr, law",
        "--json",
    ]
    assert run(made) == 0
    told = json.loads(capsys.readouterr().out)
    end = datetime.fromisoformat(told["expires_at"])
    assert timedelta(days=89) < end - datetime.now(UTC) < timedelta(days=91)
    assert (told["role"], told["collections"]) == ("editor", ["hr", "law"])
    assert run(["keys", "create", "bob"]) == 0
    assert run(["keys", "list", "--json"]) == 0
    keys = json.loads(capsys.readouterr().out.partition("\n")[2])["keys"]
    assert [(key["role"], key["collections"]) for key in keys] == [
        ("editor", ["hr", "law"]),
        ("reader", None),
    ]
    for wrong in (
        ["--role", "chief"],
        ["--expires", "soon"],
        ["--expires", "2020-01-01"],
        ["--collections", "No!"],
    ):
        assert run(["keys", "create", "eve", *wrong]) == 2
    with psycopg.connect(dsn) as connection:
        connection.execute("UPDATE api_keys SET expires_at = now() - interval '1 day' WHERE name = 'ann'")
    capsys.readouterr()
    assert run(["keys", "list"]) == 0
    ann, bob = capsys.readouterr().out.splitlines()
    assert "\tended " in ann
    assert bob.endswith("\tyes")


def test_the_audit_is_listed_by_time_and_key(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FOOTNOTE_HOME", str(tmp_path))
    monkeypatch.setenv("FOOTNOTE_DATABASE__DSN", dsn)
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO api_keys (name, prefix, secret_hash)"
            " VALUES ('ann', 'fn_annannan', 'a'), ('bob', 'fn_bobbobbo', 'b')"
        )
        connection.execute(
            "INSERT INTO audit (at, caller_id, caller_kind, caller, kind, question, status)"
            " SELECT now() - interval '1 day' * n, id, 'key', name, 'ask', 'q' || n, 'answered'"
            " FROM api_keys CROSS JOIN (VALUES (20), (1)) AS n (n) ORDER BY n DESC, name"
        )

    def listed(*options: str) -> list[tuple[str, str]]:
        assert run(["audit", "list", "--json", *options]) == 0
        told = json.loads(capsys.readouterr().out)
        return [(entry["caller"]["name"], entry["question"]) for entry in told["entries"]]

    assert listed() == [("bob", "q1"), ("ann", "q1"), ("bob", "q20"), ("ann", "q20")]
    assert listed("--since", "7d") == [("bob", "q1"), ("ann", "q1")]
    assert listed("--key", "fn_annannan") == [("ann", "q1"), ("ann", "q20")]
    assert listed("--limit", "1") == [("bob", "q1")]
    assert run(["audit", "list", "--since", "lately"]) == 2


def test_a_key_gets_limits_of_its_own_which_can_be_changed_and_lifted(
    dsn: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FOOTNOTE_HOME", str(tmp_path))
    monkeypatch.setenv("FOOTNOTE_DATABASE__DSN", dsn)
    said = ["--per-minute", "60", "--money-per-month", "12.50", "--concurrent", "none"]
    assert run(["keys", "create", "ann", *said, "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    limits = {"requests_per_minute": 60, "money_per_month": 12.5, "answers_at_once": 0}
    assert made["limits"] == limits
    assert (
        run(["keys", "limits", made["id"], "--per-minute", "default", "--tokens-per-day", "1000", "--json"])
        == 0
    )
    changed = {"tokens_per_day": 1000, "money_per_month": 12.5, "answers_at_once": 0}
    assert json.loads(capsys.readouterr().out)["limits"] == changed
    assert run(["keys", "list", "--json"]) == 0
    assert [key["limits"] for key in json.loads(capsys.readouterr().out)["keys"]] == [changed]
    assert run(["usage", "--since", "2020-01-01", "--key", made["id"], "--json"]) == 0
    nothing = {"requests": 0, "prompt_tokens": 0, "completion_tokens": 0, "money": 0}
    assert json.loads(capsys.readouterr().out) == {"usage": [], "total": nothing}
    for wrong in ("0", "-1", "1.5", "many", "NaN"):
        assert run(["keys", "create", "bob", "--per-minute", wrong]) == 2


def test_a_role_that_there_is_not_is_told_with_those_that_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["keys", "create", "Ann's", "--role", "boss"]) == 2
    said = capsys.readouterr().err
    assert "'boss' is not one of 'reader', 'editor', 'admin'" in said
    assert "Value error" not in said
