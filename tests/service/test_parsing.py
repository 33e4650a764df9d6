from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from ingest.parsers import ParserPolicy
from retrieval.errors import ConfigurationError, ExtraMissingError
from service.parsing import parser_policy
from service.sections import ParsingSettings

needs_tesseract = pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")


def script(folder: Path, languages: str) -> str:
    """A program that answers as Tesseract does."""
    program = folder / "tesseract"
    program.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = --list-langs ]; then echo "List of available languages:"; '
        f"for l in {languages}; do echo $l; done; else echo 'tesseract 5.3.0'; fi\n"
    )
    program.chmod(0o755)
    return str(program)


def test_without_ocr_pictures_are_left_out() -> None:
    policy = parser_policy(ParsingSettings(ocr="off"))
    assert policy == ParserPolicy()
    assert policy.kind("scan.png") is None


def test_a_program_that_is_named_is_used_and_its_version_is_part_of_the_recipe(tmp_path: Path) -> None:
    policy = parser_policy(
        ParsingSettings(tesseract=script(tmp_path, "deu eng"), ocr_languages=("deu", "eng"))
    )
    assert policy.kind("scan.png") == "image"
    assert "tesseract 5.3.0 deu+eng" in (policy.identity("report.pdf") or "")
    assert "tesseract" not in (policy.identity("report.md") or "")


@pytest.mark.parametrize(
    "settings",
    [
        {"ocr": "on", "tesseract": "no-such-program"},
        {"tesseract": "no-such-program"},
    ],
)
def test_ocr_that_was_asked_for_and_cannot_be_had_is_an_error(settings: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError, match="no-such-program"):
        parser_policy(ParsingSettings.model_validate(settings))


def test_a_missing_language_is_an_error_where_somebody_named_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="deu"):
        parser_policy(ParsingSettings(tesseract=script(tmp_path, "eng"), ocr_languages=("deu",)))


def test_a_tesseract_without_english_is_as_good_as_none_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    script(tmp_path, "osd")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    assert parser_policy(ParsingSettings()).ocr is None
    assert "eng" in caplog.text


@pytest.mark.parametrize("settings", [{"fallback": True}, {"unstructured": [".pdf"]}])
def test_unstructured_has_to_be_installed_to_be_used(
    settings: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ExtraMissingError, match="unstructured"):
        parser_policy(ParsingSettings.model_validate(settings | {"ocr": "off"}))


def test_unstructured_is_not_asked_for_what_it_does_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    with pytest.raises(ConfigurationError, match=r"'\.py'"):
        parser_policy(ParsingSettings(ocr="off", unstructured=(".py",)))
    policy = parser_policy(ParsingSettings(ocr="off", unstructured=(".docx",), fallback=True))
    assert (policy.kind("a.DOCX"), policy.kind("a.pdf"), policy.fallback) == ("unstructured", "pdf", True)
