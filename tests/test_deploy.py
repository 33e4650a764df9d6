"""What deploy/ would start: pinned, without a secret that everybody knows, and with nothing in it that is not there."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.core import TyperGroup

from service.cli import app
from service.settings import PREFIX, Settings, parts_of

ROOT = Path(__file__).resolve().parents[1]
DEPLOY = ROOT / "deploy"
COMPOSE_TEXT = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
COMPOSE: dict[str, Any] = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
DOCKERFILES = {path.name: path.read_text(encoding="utf-8") for path in DEPLOY.glob("*ockerfile")}
OURS = ("service", "worker", "migration")
# Variables of vLLM's container that its own command reads, not Footnote.
OF_THE_CONTAINER = {"LLM_MODEL", "HF_TOKEN"}


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile with what they are given, lines joined."""
    lines = [line for line in dockerfile.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in joined.splitlines()) if name]


def stages(dockerfile: str) -> dict[str, str]:
    """The stages by name, with what each is made from."""
    found = re.findall(r"^FROM (\S+) AS (\S+)$", dockerfile, re.MULTILINE)
    return {name: base for base, name in found}


def variables() -> set[str]:
    names = {f"{PREFIX}CONFIG"}
    for section in Settings.model_fields:
        for part in parts_of(section) or [""]:
            names.add(f"{PREFIX}{section}__{part}".upper() if part else f"{PREFIX}{section}".upper())
    return names


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command line of ours that is in deploy/, with where it is."""
    for name in OURS:
        yield f"compose.yaml: {name}", SERVICES[name]["command"]
    for name, text in DOCKERFILES.items():
        given = dict(instructions(text))
        entry = yaml.safe_load(given["ENTRYPOINT"])[1:]
        yield name, [*entry, *yaml.safe_load(given.get("CMD", "[]"))]
    vllm = SERVICES["llm"]["entrypoint"][-1].partition("exec footnote ")[2]
    yield "compose.yaml: llm", shlex.split(vllm.replace("$$", "$"))
    for line in re.findall(
        r"footnote ((?:keys|sources|migrate|config)[^\n]*?)(?:  |$)", COMPOSE_TEXT, re.MULTILINE
    ):
        yield "compose.yaml: comment", shlex.split(line)


def test_images_are_pinned_to_a_release() -> None:
    images = [
        service["image"] for name, service in SERVICES.items() if name not in OURS and "image" in service
    ]
    for text in DOCKERFILES.values():
        made = stages(text)
        images += [base for base in re.findall(r"^FROM (\S+)", text, re.MULTILINE) if base not in made]
    assert len(images) == 4
    for image in images:
        assert re.fullmatch(r"[\w/-]+:v?\d+\.\d+\.\d+(-[\w.-]+)?", image), image


def test_no_secret_has_a_default() -> None:
    secrets = re.findall(r"\$\{(\w*(?:PASSWORD|KEY)\w*)(:?[-?])([^}]*)\}", COMPOSE_TEXT)
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
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert len(ports) == 4
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_server_is_of_the_release_that_the_client_was_tested_with() -> None:
    (server,) = re.findall(r"qdrant/qdrant:v(\d+\.\d+)\.", COMPOSE_TEXT)
    constraints = (ROOT / "constraints.txt").read_text(encoding="utf-8")
    assert re.findall(r"qdrant-client==(\d+\.\d+)\.", constraints) == [server]


def test_every_setting_that_is_named_exists() -> None:
    known = variables()
    named = {
        name for service in SERVICES.values() for name in service["environment"] if name.startswith(PREFIX)
    }
    for text in DOCKERFILES.values():
        named |= set(re.findall(rf"\b({PREFIX}\w+)=", text))
    assert f"{PREFIX}DATABASE__DSN" in named
    assert f"{PREFIX}HOME" in named
    assert named <= known


@pytest.mark.parametrize(("where", "words"), [*commands()])
def test_every_command_that_is_named_exists_with_its_options(where: str, words: list[str]) -> None:
    command = typer.main.get_command(app)
    words = [*words]
    while isinstance(command, TyperGroup):
        assert words[0] in command.commands, f"{where}: footnote {words[0]}"
        command = command.commands[words.pop(0)]
    known = {option for parameter in command.params for option in parameter.opts}
    given = {word.partition("=")[0] for word in words if word.startswith("--")}
    assert given <= known, where


def test_what_a_service_waits_for_and_mounts_is_there() -> None:
    for name, service in SERVICES.items():
        for needed, how in service.get("depends_on", {}).items():
            assert needed in SERVICES
            # One that is only there by its profile is not insisted on.
            assert how.get("required", True) != bool(SERVICES[needed].get("profiles")), (name, needed)
            if how["condition"] == "service_healthy":
                assert SERVICES[needed]["healthcheck"]["test"]
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert source in COMPOSE["volumes"] or source.startswith("${")
    assert SERVICES["worker"]["depends_on"]["migration"]["condition"] == "service_completed_successfully"
    assert SERVICES["migration"]["restart"] == "no"


def test_every_variable_that_compose_reads_is_in_the_example_or_has_a_default() -> None:
    example = (DEPLOY / "example.env").read_text(encoding="utf-8")
    offered = set(re.findall(r"^#?(\w+)=", example, re.MULTILINE))
    read = set(re.findall(r"(?<!\$)\$\{(\w+)", COMPOSE_TEXT))
    assert offered <= read
    insisted_on = set(re.findall(r"(?<!\$)\$\{(\w+):?\?", COMPOSE_TEXT))
    assert insisted_on <= offered
    assert not re.findall(r"^\w*(?:PASSWORD|KEY)=\S+", example, re.MULTILINE)
    assert "deploy/.env" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("name", OURS)
def test_our_containers_may_do_nothing_that_they_need_not(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    documents = next(volume for volume in service["volumes"] if "/documents" in volume)
    assert documents.endswith(":ro")


def test_our_image_runs_as_nobody_in_particular_and_leaves_no_cache() -> None:
    text = DOCKERFILES["Dockerfile"]
    made = stages(text)
    assert {"cpu", "gpu"} <= {*made}
    assert made["cpu"] == made["gpu"] == "runtime"
    given = instructions(text)
    (user,) = [rest for name, rest in given if name == "USER"]
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user)
    assert [rest for name, rest in given if name == "HEALTHCHECK"]
    for name, rest in given:
        if name == "RUN" and "apt-get" in rest:
            assert "--no-install-recommends" in rest
            assert "rm -rf /var/lib/apt/lists/*" in rest
        if name == "RUN" and "pip install" in rest:
            assert "-c constraints.txt" in rest
    assert "PIP_NO_CACHE_DIR=1" in text
    # The last stage is what is built where none is named, and holds no build tools of its own.
    assert [*made][-1] == "cpu"


def test_what_images_are_built_from_is_sent_and_nothing_else() -> None:
    sent = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }
    copied = {
        source
        for text in DOCKERFILES.values()
        for name, rest in instructions(text)
        if name == "COPY" and not rest.startswith("--from")
        for source in rest.split()[:-1]
    }
    assert copied == sent
    assert all((ROOT / source).exists() for source in sent)
