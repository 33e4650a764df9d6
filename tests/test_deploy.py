"""The servers that deploy/compose.yaml starts: pinned, and without a secret that everybody knows."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COMPOSE = (ROOT / "deploy" / "compose.yaml").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "deploy" / "llm.Dockerfile").read_text(encoding="utf-8")


def test_images_are_pinned_to_a_release() -> None:
    images = re.findall(r"image: (\S+)", COMPOSE) + re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(images) == 3
    for image in images:
        assert re.fullmatch(r"[\w/-]+:v?\d+\.\d+\.\d+(-[\w.-]+)?", image), image


def test_no_secret_has_a_default() -> None:
    secrets = re.findall(r"\$\{(\w*(?:PASSWORD|KEY)\w*)(:?[-?])([^}]*)\}", COMPOSE)
    assert {name for name, _, _ in secrets} == {
        "POSTGRES_PASSWORD",
        "QDRANT_API_KEY",
        "QDRANT__SERVICE__API_KEY",
        "LLM_API_KEY",
        "FOOTNOTE_LLM__API_KEY",
    }
    # Where Compose cannot insist, because the service may not be wanted, its container does.
    assert {name for name, kind, _ in secrets if kind == ":?"} == {
        "POSTGRES_PASSWORD",
        "QDRANT__SERVICE__API_KEY",
        "FOOTNOTE_LLM__API_KEY",
    }
    assert all(not default for _, kind, default in secrets if kind == "-")


def test_ports_are_those_of_this_machine_alone() -> None:
    ports = re.findall(r'- "([^"]*:\d+)"', COMPOSE)
    assert len(ports) == 3
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_server_is_of_the_release_that_the_client_was_tested_with() -> None:
    (server,) = re.findall(r"qdrant/qdrant:v(\d+\.\d+)\.", COMPOSE)
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert re.findall(r"qdrant-client==(\d+\.\d+)\.", constraints) == [server]
