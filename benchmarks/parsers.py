"""Every parser on real files: what is read, how fast, and how much of a reference text it finds.

    python -m benchmarks.parsers [--unstructured] [--only EXTENSION ...] [--files] [--json]

Reads documents/dev below FOOTNOTE_TEST_DATA (default ../shared/data), through the product's own worker processes.
Scanned pages are recognised where Tesseract is installed. For files that have a reference text:

recall: the share of the reference's words found in ours, as multisets: a word that stands there three times has to be
found three times. Words are runs of letters and digits after Unicode's compatibility normalisation (NFKC) in lower
case; each Han, Kana or Hangul character is one. Markup is not counted: of a reference in Markdown, HTML tags, comments,
the addresses of links and pictures, rules and the marks of tables, emphasis and headings go first.
order: the Dice coefficient of the two texts' adjacent pairs of words (2 · common / sum), as multisets: what stands in
another order, or only in one of the two, lowers it.
"""

from __future__ import annotations

import argparse
import asyncio
import html
import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Literal

from ingest.errors import NoTextError, ParseError
from ingest.parsers import OcrPolicy, ParserPolicy
from ingest.parsing import ParserPool

DATA = Path(os.environ.get("FOOTNOTE_TEST_DATA", "../shared/data")) / "documents" / "dev"

_EVERY_CHARACTER_A_WORD = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"[{_EVERY_CHARACTER_A_WORD}]|[^\W_{_EVERY_CHARACTER_A_WORD}]+")
_MARKUP: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"<!--.*?-->", re.DOTALL), " "),
    (re.compile(r"!?\[([^\]]*)\]\((?:[^()\s]|\([^()]*\))*(?:\s+\"[^\"]*\")?\)"), r"\1"),
    (re.compile(r"</?[A-Za-z][^<>]*>"), " "),
    (re.compile(r"\\([\\`*_{}\[\]()#+.!|~<>-])"), r"\1"),
)

Outcome = Literal["text", "no text", "refused", "no parser"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What became of one file. characters: of the text; recall, order: None without a reference."""

    file: str
    parser: str
    outcome: Outcome
    reason: str = ""
    seconds: float = 0.0
    characters: int = 0
    recall: float | None = None
    order: float | None = None


def words(text: str) -> list[str]:
    """The words of a text, in order."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).lower())


def without_markup(markdown: str) -> str:
    """A Markdown reference's readable text."""
    for pattern, replacement in _MARKUP:
        markdown = pattern.sub(replacement, markdown)
    return html.unescape(markdown)


def recall(found: Sequence[str], wanted: Sequence[str]) -> float:
    """The share of `wanted` in `found`, as multisets."""
    return (Counter(found) & Counter(wanted)).total() / max(1, len(wanted))


def order(found: Sequence[str], wanted: Sequence[str]) -> float:
    """The Dice coefficient of the adjacent pairs of words."""
    ours, theirs = Counter(pairwise(found)), Counter(pairwise(wanted))
    return 2 * (ours & theirs).total() / max(1, ours.total() + theirs.total())


def reference(path: Path) -> list[str] | None:
    """The words of a file's reference text, where there is one."""
    for suffix, read in ((".md", without_markup), (".txt", str)):
        expected = DATA / "expected" / f"{path.name}{suffix}"
        if expected.exists():
            return words(read(expected.read_text()))
    return None


async def read(pool: ParserPool, policy: ParserPolicy, path: Path) -> Reading:
    """Read one file. What is not read finds nothing of its reference."""
    kind = policy.kind(path.name)
    wanted = reference(path)
    nothing = None if wanted is None else 0.0
    reading = Reading(file=path.name, parser=kind or "none", outcome="text", recall=nothing, order=nothing)
    if kind is None:
        return replace(reading, outcome="no parser", reason=f"{path.name}: {policy.why_not(path.name)}")
    content = await asyncio.to_thread(path.read_bytes)
    started = time.perf_counter()
    try:
        parsed = await pool.parse(content, file_name=path.name)
    except ParseError as error:
        outcome: Outcome = "no text" if isinstance(error, NoTextError) else "refused"
        return replace(reading, outcome=outcome, reason=str(error), seconds=time.perf_counter() - started)
    reading = replace(reading, seconds=time.perf_counter() - started, characters=len(parsed.text))
    if wanted is None:
        return reading
    found = words(parsed.text)
    return replace(reading, recall=recall(found, wanted), order=order(found, wanted))


async def read_all(policy: ParserPolicy, paths: Iterable[Path]) -> list[Reading]:
    """Read files one after the other in one worker; the first of every parser twice, so that no import is timed."""
    readings = []
    warm = set()
    async with ParserPool(policy, workers=1, time_limit_s=300) as pool:
        print(f"parser processes: {await pool.guards()}", file=sys.stderr)
        for path in sorted(paths, key=lambda path: (path.suffix.lower(), path.name)):
            kind = policy.kind(path.name)
            if kind is not None and kind not in warm:
                warm.add(kind)
                await read(pool, policy, path)
            readings.append(await read(pool, policy, path))
    return readings


def tesseract() -> OcrPolicy | None:
    program = shutil.which("tesseract")
    if program is None:
        return None
    said = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    return OcrPolicy(program=program, version=said.stdout.split("\n", 1)[0])


def every_format_through_unstructured(policy: ParserPolicy, paths: Iterable[Path]) -> ParserPolicy:
    suffixes = {path.suffix.lower() for path in paths if policy.kind(path.name) is not None}
    return replace(policy, engines=tuple((suffix, "unstructured") for suffix in sorted(suffixes)))


def table(readings: Sequence[Reading]) -> str:
    """A line for every format and parser, as Markdown."""
    by_format: dict[tuple[str, str], list[Reading]] = defaultdict(list)
    for reading in readings:
        by_format[Path(reading.file).suffix.lower(), reading.parser].append(reading)
    lines = [
        "| format | parser | files | text | no text | refused | ms | references | recall | order |",
        f"|---|---|{'---:|' * 8}",
    ]
    for (suffix, parser), group in sorted(by_format.items()):
        outcomes = Counter(reading.outcome for reading in group)
        refused = outcomes["refused"] + outcomes["no parser"]
        seconds = middle(reading.seconds for reading in group if reading.outcome == "text")
        measured = [reading for reading in group if reading.recall is not None]
        lines.append(
            f"| {suffix} | {parser} | {len(group)} | {outcomes['text']} | {outcomes['no text']} | {refused} "
            f"| {shown(seconds, thousandfold=True)} | {len(measured)} "
            f"| {shown(middle(r.recall for r in measured))} | {shown(middle(r.order for r in measured))} |"
        )
    return "\n".join(lines)


def shown(value: float, *, thousandfold: bool = False) -> str:
    """A share as ".98", seconds as milliseconds; nothing where nothing was measured."""
    if math.isnan(value):
        return ""
    return f"{value * 1000:,.0f}" if thousandfold else f"{value:.3f}"


def middle(values: Iterable[float | None]) -> float:
    known = [value for value in values if value is not None]
    return median(known) if known else float("nan")


def details(readings: Sequence[Reading], *, every_file: bool) -> str:
    lines = []
    for reading in readings:
        if reading.outcome != "text":
            lines.append(f"{reading.outcome}: {reading.reason}")
        elif reading.recall is not None and (every_file or reading.recall < 0.95):
            lines.append(f"recall {reading.recall:.3f}, order {reading.order:.3f}: {reading.file}")
        elif every_file:
            lines.append(f"{reading.characters} characters in {reading.seconds:.3f} s: {reading.file}")
    return "\n".join(lines)


def summary(readings: Sequence[Reading]) -> dict[str, object]:
    return {
        "files": len(readings),
        "outcomes": dict(Counter(reading.outcome for reading in readings)),
        "seconds": round(sum(reading.seconds for reading in readings), 2),
        "references": sum(reading.recall is not None for reading in readings),
        "median_recall": round(middle(reading.recall for reading in readings), 4),
        "median_order": round(middle(reading.order for reading in readings), 4),
    }


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    arguments.add_argument(
        "--unstructured", action="store_true", help="compare with unstructured on the same files"
    )
    arguments.add_argument("--only", nargs="+", default=[], help="extensions, without the dot")
    arguments.add_argument("--files", action="store_true", help="a line for every file")
    arguments.add_argument("--json", action="store_true", help="one JSON object on stdout")
    chosen = arguments.parse_args()
    paths = [
        path
        for path in (DATA / "files").iterdir()
        if not chosen.only or path.suffix.lower().lstrip(".") in chosen.only
    ]
    policies = {"footnote": ParserPolicy(ocr=tesseract())}
    if chosen.unstructured:
        policies["unstructured"] = every_format_through_unstructured(policies["footnote"], paths)
    report = {}
    for name, policy in policies.items():
        readings = asyncio.run(read_all(policy, paths))
        report[name] = {**summary(readings), "readings": [asdict(reading) for reading in readings]}
        if not chosen.json:
            print(f"\n{name}\n{table(readings)}\n\n{details(readings, every_file=chosen.files)}\n")
            print(json.dumps(summary(readings)))
    if chosen.json:
        print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
