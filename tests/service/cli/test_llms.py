"""`footnote llm check` on the command line, against a real server on 127.0.0.1."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from service.cli import run
from tests.generation.llms.dialects import KEY, OPENAI, whole
from tests.generation.llms.llm_server import Reply, Seen, llm_server, problem

ROOT = Path(__file__).resolve().parents[3]


async def check(seen: Seen, home: Path, *arguments: str) -> tuple[int, str, str]:
    """Run it for a model that is there and one that is not."""
    fallback = {"base_url": seen.base_url.replace("/v1", "/nothing"), "model": "other", "api_key": KEY}
    settings = {
        "FOOTNOTE_HOME": str(home),
        "FOOTNOTE_LLM__BASE_URL": seen.base_url,
        "FOOTNOTE_LLM__MODEL": "tiny",
        "FOOTNOTE_LLM__API_KEY": KEY,
        "FOOTNOTE_LLM__LOCATION": "inside",
        "FOOTNOTE_LLM__FALLBACKS": json.dumps([fallback] if "--both" in arguments else []),
        "PYTHONPATH": str(ROOT),
    }
    command = ["-c", "from service.command import main; main()", "llm", "check"]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        *(argument for argument in arguments if argument != "--both"),
        env=os.environ | settings,
        cwd=home,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert KEY not in (out + err).decode()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


def missing() -> Reply:
    return problem(404, "Not Found")


ROUTES = {
    "/v1/models": lambda: Reply(content_type="application/json", steps=[b'{"data": [{"id": "tiny"}]}']),
    "/nothing/models": missing,
    "/nothing/chat/completions": missing,
    "/metrics": missing,
    "/tokenize": missing,
}


async def test_a_model_that_can_be_used_is_told_of_line_by_line(tmp_path: Path) -> None:
    async with llm_server(whole(OPENAI, "One, ", "two"), routes=ROUTES) as seen:
        status, out, _ = await check(seen, tmp_path)
    assert status == 0
    assert out.splitlines()[0] == "llm: 'tiny' (openai_api, inside) can be used:"
    assert "  models           tiny (this one among them)" in out
    assert "  streams          yes" in out


async def test_one_that_cannot_be_used_makes_it_fail_and_json_is_all_there_is(tmp_path: Path) -> None:
    async with llm_server(whole(OPENAI, "One, ", "two"), routes=ROUTES) as seen:
        status, out, _ = await check(seen, tmp_path, "--both", "--json")
    told = json.loads(out)["models"]
    assert status == 1
    assert [(found["model"], found["fallback"], found["usable"]) for found in told] == [
        ("tiny", 0, True),
        ("other", 1, False),
    ]
    assert "llm.fallbacks[0].model" in told[1]["error"]


def test_without_a_model_there_is_nothing_to_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FOOTNOTE_HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    assert run(["llm", "check"]) == 2
    assert "no language model is set" in capsys.readouterr().err


def test_a_slip_of_the_pen_is_not_handed_on_to_vllm(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["llm", "serve", "some/model", "--contxt", "5"]) == 2
    assert "--contxt" in capsys.readouterr().err
