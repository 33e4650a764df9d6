"""Tesseract: finding the program, its languages, and what it reads in a picture."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ingest.parsers import OcrPolicy
from ingest.parsers.tesseract import OcrError, find_tesseract, read_lines
from retrieval.errors import ConfigurationError
from tests.ingest.documents import encoded, picture_of

TESSERACT = find_tesseract(None, ("eng",))
needs_tesseract = pytest.mark.skipif(TESSERACT is None, reason="Tesseract is not installed")


def a_program(folder: Path, script: str) -> str:
    """A program that passes for Tesseract as far as asked."""
    program = folder / "tesseract"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return str(program)


def policy_of(program: str) -> OcrPolicy:
    return OcrPolicy(program=program, version="tesseract 0")


def test_without_tesseract_there_is_no_ocr(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert find_tesseract(None, ("eng",)) is None


def test_a_program_that_was_asked_for_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"^OCR: there is no program '/.*/tess'\. Install Tesseract"):
        find_tesseract(str(tmp_path / "tess"), ("eng",))


def test_a_program_that_is_no_tesseract_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"does not say its version as Tesseract does"):
        find_tesseract(a_program(tmp_path, "echo hello"), ("eng",))


def test_missing_languages_are_named_with_what_brings_them(tmp_path: Path) -> None:
    program = a_program(
        tmp_path,
        'case "$1" in --version) echo "tesseract 5.3.0";; *) echo "List of available languages (2):"; '
        "echo eng; echo osd;; esac",
    )
    found = find_tesseract(program, ("eng",))
    assert found == OcrPolicy(program=program, version="tesseract 5.3.0", languages=("eng",))
    with pytest.raises(
        ConfigurationError,
        match=r"no data for deu, chi_sim \(it has eng, osd\).*tesseract-ocr-deu tesseract-ocr-chi-sim\)",
    ):
        find_tesseract(program, ("eng", "deu", "chi_sim"))


@pytest.mark.parametrize("language", ["--help", "eng;rm", "", "a b"])
def test_what_is_no_language_is_refused(language: str, tmp_path: Path) -> None:
    program = a_program(tmp_path, "echo tesseract 5.3.0")
    with pytest.raises(ConfigurationError, match="is no language"):
        find_tesseract(program, (language,))


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 3", r"Tesseract could not read it \(exit code 3\)"),
        ("kill -9 $$", r"Tesseract could not read it \(signal 9\)"),
        ("cat > /dev/null; echo '<html'", "not of the form that its hOCR has"),
        ("exec sleep 60", r"took longer than 0\.3 seconds"),
    ],
)
def test_a_failure_is_told_in_words(tmp_path: Path, script: str, reason: str) -> None:
    with pytest.raises(OcrError, match=reason):
        read_lines(
            b"P5 1 1 255\n\0",
            dots_per_inch=300,
            policy=policy_of(a_program(tmp_path, script)),
            time_limit_s=0.3,
        )


def test_a_program_that_went_away_is_told_in_words(tmp_path: Path) -> None:
    with pytest.raises(OcrError, match=r"Tesseract cannot be run \(No such file"):
        read_lines(b"", dots_per_inch=300, policy=policy_of(str(tmp_path / "gone")))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends children with their parent")
def test_the_program_ends_with_its_parent(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    program = a_program(tmp_path, f"echo $$ > {told}; exec sleep 60")
    code = (
        "from ingest.parsers import OcrPolicy; from ingest.parsers.tesseract import read_lines; "
        f"read_lines(b'', dots_per_inch=300, policy=OcrPolicy(program={program!r}, version=''))"
    )
    parent = subprocess.Popen([sys.executable, "-c", code])
    while not told.exists() or not told.read_text().strip():
        time.sleep(0.02)
    parent.kill()
    parent.wait()
    pid = int(told.read_text())
    deadline = time.monotonic() + 5
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not is_alive(pid)


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return ") Z " not in Path(f"/proc/{pid}/stat").read_text()


@needs_tesseract
def test_words_are_read_with_their_boxes() -> None:
    assert TESSERACT is not None
    picture = picture_of("Lentils and onions", "boil for an hour.")
    lines = read_lines(encoded(picture, "PPM"), dots_per_inch=150, policy=TESSERACT)
    assert [[word.text for word in line.words] for line in lines] == [
        ["Lentils", "and", "onions"],
        ["boil", "for", "an", "hour."],
    ]
    first = lines[0].words[0]
    assert 75 < first.left < 90 < first.right < 260
    assert 55 < first.top < first.bottom < 120


@needs_tesseract
def test_a_picture_without_text_gives_no_lines() -> None:
    assert TESSERACT is not None
    assert read_lines(encoded(picture_of(), "PPM"), dots_per_inch=150, policy=TESSERACT) == []
