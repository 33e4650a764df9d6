"""`footnote config show` and `config check`: what is set, where it was said, and never a secret."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from service.cli import run
from service.configuration import MASK
from service.settings import Settings, parts_of

SECRET = "hunter2-and-more"
FILE = f"""
[database]
dsn = "postgresql://footnote:{SECRET}@db/footnote"
[llm]
base_url = "https://ann:{SECRET}@models.example/v1?key={SECRET}"
model = "from-the-file"
[[llm.fallbacks]]
kind = "anthropic_api"
model = "second"
api_key = "{SECRET}"
"""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.delenv("FOOTNOTE_WEIGHTS_DIR", raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def show(capfd: pytest.CaptureFixture[str], *options: str) -> dict[str, dict[str, Any]]:
    assert run(["config", "show", "--json", *options]) == 0
    return {setting["name"]: setting for setting in json.loads(capfd.readouterr().out)["settings"]}


def test_every_setting_is_shown_with_its_value_and_where_that_comes_from(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "footnote.toml").write_text(FILE)
    monkeypatch.setenv("FOOTNOTE_LLM__MODEL", "from-the-environment")
    monkeypatch.setenv("FOOTNOTE_EMBEDDER__MODEL", "")
    shown = show(capfd)
    assert len(shown) == sum(len(parts_of(name)) or 1 for name in Settings.model_fields)
    assert shown["llm.model"] == {
        "name": "llm.model",
        "variable": "FOOTNOTE_LLM__MODEL",
        "value": "from-the-environment",
        "origin": "environment",
    }
    assert shown["database.dsn"]["origin"] == "file"
    assert shown["chunking.max_tokens"]["value"] == 256
    assert shown["chunking.max_tokens"]["origin"] == shown["embedder.model"]["origin"] == "default"
    assert {*show(capfd, "--changed")} == {"database.dsn", "llm.base_url", "llm.model", "llm.fallbacks"}


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_no_secret_is_shown_wherever_it_was_written(
    options: tuple[str, ...], folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "footnote.toml").write_text(FILE)
    assert run(["config", "show", *options]) == 0
    printed = "".join(capfd.readouterr())
    assert SECRET not in printed
    assert f"https://{MASK}@models.example/v1?{MASK}" in printed
    assert "second" in printed


def test_settings_in_order_are_counted_by_where_they_come_from(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "footnote.toml").write_text("[chunking]\nmax_tokens = 100\n")
    assert run(["config", "check", "--json"]) == 0
    checked = json.loads(capfd.readouterr().out)
    assert (checked["ok"], checked["file"]) == (True, str(folder / "footnote.toml"))
    assert checked["settings"]["file"] == 1


def test_all_that_is_wrong_is_told_at_once_with_status_2(
    folder: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "footnote.toml").write_text(
        '[embedder]\nkind = "word2vec"\n[lmm]\nmodel = "x"\n[llm]\nfallbacks = [{ modle = "x" }]\n'
    )
    monkeypatch.setenv("FOOTNOTE_LLM__API_KY", SECRET)
    monkeypatch.setenv("FOOTNOTE_HOEM", SECRET)
    assert run(["config", "check", "--json"]) == 2
    error = json.loads(capfd.readouterr().out)["error"]
    assert SECRET not in error
    for told in (
        "there is no setting FOOTNOTE_HOEM. Did you mean FOOTNOTE_HOME?",
        "there is no setting FOOTNOTE_LLM__API_KY. Did you mean FOOTNOTE_LLM__API_KEY?",
        "there is no setting lmm in",
        "there is no setting llm.fallbacks[0].modle. Did you mean model?",
        "embedder.kind (FOOTNOTE_EMBEDDER__KIND) is wrong: Input should be 'onnx', 'sentence_transformer' or 'remote'",
    ):
        assert told in error
