"""Text in pictures, read by the program Tesseract: finding the program, running it, and what it says.

A picture goes in through a pipe and words come back through another: no shell, no files.
"""

from __future__ import annotations

import ctypes
import math
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from lxml import etree

from ingest.errors import ParseError
from ingest.parsers import OcrPolicy
from ingest.parsers.text import clean, one_line
from retrieval.errors import ConfigurationError

PAGE_TIME_LIMIT_S = 60.0
MOST_PIXELS = 24_000_000
_ASKED_TIME_LIMIT_S = 20.0
_VERSION = re.compile(r"tesseract\s+v?(\S+)")
_LANGUAGE = re.compile(r"[A-Za-z][\w/-]{1,40}")
_LEAST_CONFIDENCE = 25.0
"""Up to which confidence, of 100, a word is a guess at a stain or a leaf."""
_LEAST_MEAN_CONFIDENCE = 40.0
"""Up to which mean confidence a picture holds no text, and its words are all guesses."""
_SURE = 60.0
_SET_DEATH_SIGNAL = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A word that was read. confidence: 0 to 100. left, top, right, bottom: its box in pixels of the picture."""

    text: str
    confidence: float
    left: int
    top: int
    right: int
    bottom: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadLine:
    """A line that was read; its words come in reading order.

    baseline: how far above the foot of its words, in pixels, the letters stand. size: of the type, in pixels.
    turn: by how many quarters it is turned clockwise. block: a number; the lines of one
    block stand below one another.
    """

    words: tuple[Word, ...]
    baseline: float
    size: float
    turn: int
    block: int


class OcrError(ParseError):
    """A picture could not be read; `str(error)` says why, in words that go on from "page 7: "."""


def find_tesseract(program: str | None, languages: Sequence[str]) -> OcrPolicy | None:
    """How to recognise text with the `tesseract` that is installed; None where none is and none was asked for.

    program: the program's name or path; None to look for `tesseract` where programs are.
    languages: by Tesseract's names ("eng", "deu", "chi_sim").
    Raises `ConfigurationError` if a program that was asked for cannot be run, or languages' data are missing.
    """
    path = shutil.which(program or "tesseract")
    if path is None:
        if program is None:
            return None
        raise ConfigurationError(
            f"OCR: there is no program {program!r}. Install Tesseract, or correct its path"
        )
    version = _VERSION.search(_ask(path, "--version"))
    if version is None:
        raise ConfigurationError(f"OCR: {path} does not say its version as Tesseract does. Correct the path")
    _check_languages(path, languages)
    return OcrPolicy(program=path, version=f"tesseract {version[1]}", languages=tuple(languages))


def read_lines(
    picture: bytes, *, dots_per_inch: int, policy: OcrPolicy, time_limit_s: float = PAGE_TIME_LIMIT_S
) -> list[ReadLine]:
    """The lines of a picture (any format that Tesseract reads; PGM is the quickest), in reading order.

    Pages that lie on their side or upside down are read as well; boxes are those in the picture as given. Words that
    are mere guesses are left out. Raises `OcrError`.
    """
    # "1": find the page's orientation, then its columns; "3": the columns alone.
    lines = _read(picture, "1", dots_per_inch, policy, time_limit_s)
    if lines and _mean_confidence(lines) < _SURE:
        lines = max(lines, _read(picture, "3", dots_per_inch, policy, time_limit_s), key=_mean_confidence)
    if _mean_confidence(lines) < _LEAST_MEAN_CONFIDENCE:
        return []
    sure = (
        replace(line, words=tuple(word for word in line.words if word.confidence >= _LEAST_CONFIDENCE))
        for line in lines
    )
    return [line for line in sure if line.words]


def _ask(path: str, *arguments: str) -> str:
    try:
        answer = subprocess.run(  # noqa: S603 (the program that the settings name)
            [path, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_ASKED_TIME_LIMIT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise ConfigurationError(
            f"OCR: {path} cannot be run. Correct the path, or install Tesseract anew"
        ) from exc
    return answer.stdout.decode("utf-8", errors="replace")


def _check_languages(path: str, languages: Sequence[str]) -> None:
    odd = [language for language in languages if not _LANGUAGE.fullmatch(language)]
    if odd or not languages:
        raise ConfigurationError(
            f"OCR: {', '.join(odd) or 'no name'!r} is no language; say for example 'eng' or 'deu'"
        )
    installed = [line.strip() for line in _ask(path, "--list-langs").splitlines()[1:] if line.strip()]
    missing = [language for language in languages if language not in installed]
    if missing:
        packages = " ".join(f"tesseract-ocr-{language.lower().replace('_', '-')}" for language in missing)
        raise ConfigurationError(
            f"OCR: {path} has no data for {', '.join(missing)} (it has {', '.join(installed) or 'none'}). "
            f"Install them (Debian: {packages}), or ask for other languages"
        )


def _read(
    picture: bytes, segmentation: str, dots_per_inch: int, policy: OcrPolicy, time_limit_s: float
) -> list[ReadLine]:
    command = [policy.program, "stdin", "stdout", "--psm", segmentation, "--dpi", str(dots_per_inch)]
    command += ["-l", "+".join(policy.languages), "hocr"]
    try:
        answer = subprocess.run(  # noqa: S603 (the program that the settings name; no shell)
            command,
            input=picture,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            timeout=time_limit_s,
            check=False,
            env={**os.environ, "OMP_THREAD_LIMIT": "1"},
            preexec_fn=_end_with_parent if sys.platform == "linux" else None,
        )
    except subprocess.TimeoutExpired as exc:
        raise OcrError(f"recognising its text took longer than {time_limit_s:g} seconds") from exc
    except OSError as exc:
        raise OcrError(f"Tesseract cannot be run ({exc.strerror})") from exc
    if answer.returncode != 0:
        raise OcrError(f"Tesseract could not read it ({_ending(answer.returncode)})")
    try:
        return list(_lines(answer.stdout))
    except (etree.XMLSyntaxError, KeyError, ValueError, IndexError) as exc:
        raise OcrError("Tesseract's answer is not of the form that its hOCR has") from exc


_C = ctypes.CDLL(None)


def _end_with_parent() -> None:
    _C.prctl(_SET_DEATH_SIGNAL, signal.SIGKILL)


def _ending(exit_code: int) -> str:
    return f"signal {-exit_code}" if exit_code < 0 else f"exit code {exit_code}"


def _lines(page: bytes) -> Iterator[ReadLine]:
    """The lines of Tesseract's hOCR (a page of HTML whose titles hold the figures)."""
    tree = etree.fromstring(
        page, etree.XMLParser(resolve_entities=False, load_dtd=False, no_network=True, huge_tree=True)
    )
    for number, block in enumerate(tree.iterfind(".//{*}div[@class='ocr_carea']")):
        for line in block.iterfind(".//{*}p/{*}span"):
            facts = _facts(line)
            words = tuple(
                word for word in map(_word, line.iterfind("{*}span[@class='ocrx_word']")) if word is not None
            )
            if words:
                turn = -round(float(facts.get("textangle", ["0"])[0]) / 90) % 4
                baseline = -float(facts.get("baseline", ["0", "0"])[1])
                yield ReadLine(
                    words=words, baseline=baseline, size=float(facts["x_size"][0]), turn=turn, block=number
                )


def _word(span: etree._Element) -> Word | None:
    text = one_line(clean("".join(span.itertext())))
    facts = _facts(span)
    left, top, right, bottom = map(int, facts["bbox"])
    if not text or right <= left or bottom <= top:
        return None
    return Word(
        text=text, confidence=float(facts["x_wconf"][0]), left=left, top=top, right=right, bottom=bottom
    )


def _facts(span: etree._Element) -> dict[str, list[str]]:
    """The figures in an element's title: "bbox 1 2 3 4; x_wconf 96"."""
    return {
        name: values
        for name, *values in (fact.split() for fact in span.get("title", "").split(";"))
        if values
    }


def _mean_confidence(lines: Sequence[ReadLine]) -> float:
    """The mean confidence of all characters; 0 where there are none."""
    words = [word for line in lines for word in line.words]
    letters = sum(len(word.text) for word in words)
    return math.fsum(word.confidence * len(word.text) for word in words) / max(1, letters)
