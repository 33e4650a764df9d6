"""What a person sees: progress and tables on standard error or output, never both in `--json`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from generation.answers import Rewriting
from ingest.reports import Fate, Manifest, RefreshReport
from service.footnote import Found

# Lists of files that are shown whole; longer ones are cut with a count and a word on how to see the rest.
_SHOWN = 20
# Other places of a passage that are shown.
_PLACES = 3
# In a pipe, which may be a log.
_SECONDS_BETWEEN_LINES = 5.0


def stderr() -> Console:
    """A console on standard error; plain where that is no terminal."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


def stdout() -> Console:
    """A console on standard output; plain where that is no terminal."""
    return Console(highlight=False, soft_wrap=True)


def note(line: str) -> None:
    """A line for the person at the terminal, on standard error."""
    stderr().print(line, markup=False)


def print_json(value: Any) -> None:
    """One JSON object on standard output, in UTF-8 whatever the terminal's setting."""
    line = json.dumps(value, ensure_ascii=False, default=_encode) + "\n"
    sys.stdout.buffer.write(line.encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()


def _encode(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def is_json(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for JSON."""
    return "--json" in arguments


def fail(message: str, *, as_json: bool, status: int) -> int:
    """Tell what went wrong and return the exit status."""
    note(f"error: {message}")
    if as_json:
        with suppress(OSError):  # that the output cannot be written may be what went wrong
            print_json({"error": message})
    return status


def count(number: int, noun: str) -> str:
    """ "1 file", "2 files"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


class IngestProgress:
    """Bars on a terminal, a plain line every few seconds in a pipe."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._console = stderr()
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn(
                "{task.fields[chunks]:,} chunks ({task.fields[rate]:.0f}/s), {task.fields[failed]} failed"
            ),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(label, total=None, chunks=0, rate=0.0, failed=0)
        self._files = self._done = self._chunks = self._failed = 0
        self._started = self._told = time.monotonic()

    def __enter__(self) -> IngestProgress:
        self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bar.stop()

    def planned(self, *, files: int) -> None:
        self._files = files
        self._started = self._told = time.monotonic()
        self._bar.update(self._task, total=files)
        if not self._console.is_terminal and files:
            note(f"{self._label}: {count(files, 'file')} to take in")

    def finished(self, path: str, fate: Fate, chunks: int) -> None:
        self._done += 1
        self._chunks += chunks
        self._failed += fate == "failed"
        now = time.monotonic()
        rate = self._chunks / max(now - self._started, 1e-3)
        self._bar.update(self._task, advance=1, chunks=self._chunks, rate=rate, failed=self._failed)
        if not self._console.is_terminal and now - self._told >= _SECONDS_BETWEEN_LINES:
            self._told = now
            left = (now - self._started) / self._done * (self._files - self._done)
            note(
                f"{self._label}: {self._done:,} of {self._files:,} files, {self._chunks:,} chunks "
                f"({rate:.0f} a second), {self._failed:,} failed, {_duration(left)} left"
            )


def _duration(seconds: float) -> str:
    """ "40 s", "12 min", "3 h 20 min"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60} min"


def show_report(report: RefreshReport, *, dry_run: bool) -> None:
    """The final table of a run, then what was skipped and what failed, each with its reason."""
    figures = {
        "added": report.added,
        "updated": report.updated,
        "renamed": report.renamed,
        "removed": report.removed,
        "unchanged": report.unchanged,
        "skipped": len(report.skipped),
        "failed": len(report.failed),
        "chunks": report.chunks,
        "seconds": f"{report.seconds:.1f}",
    }
    console = stdout()
    if dry_run:
        console.print("What would be done; nothing was:")
    if console.is_terminal:
        show_table(list(figures), [list(figures.values())])
    else:
        console.print(", ".join(f"{value} {name}" for name, value in figures.items()))
    if report.manifest is not None:
        _show_manifest(console, report.manifest)
    _show_list(console, "Skipped", [(entry.path, entry.reason) for entry in report.skipped])
    _show_list(console, "Failed", [(entry.path, entry.error) for entry in report.failed])


def _show_manifest(console: Console, manifest: Manifest) -> None:
    """Every path that a plan touches, one a line, by what would become of it."""
    lines = [
        *(f"add     {one_line(path)}" for path in manifest.added),
        *(f"update  {one_line(path)}" for path in manifest.updated),
        *(f"rename  {one_line(before)} → {one_line(after)}" for before, after in manifest.renamed),
        *(f"remove  {one_line(path)}" for path in manifest.removed),
    ]
    for line in lines:
        console.print(f"  {line}", markup=False)


def _show_list(console: Console, title: str, entries: Sequence[tuple[str, str]]) -> None:
    if not entries:
        return
    console.print(f"{title}:", style="bold")
    for path, reason in entries[:_SHOWN]:
        console.print(f"  {one_line(path)}: {reason}", markup=False)
    if len(entries) > _SHOWN:
        console.print(f"  … and {len(entries) - _SHOWN} more; --json lists them all")


def one_line(path: str) -> str:
    """A path fit for one line of a terminal: control characters as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in path)


def show_found(found: Found) -> None:
    """Search results, one below the other."""
    console = stdout()
    show_searched(console, found.searched)
    if not found.hits:
        console.print("Nothing found.")
    for number, hit in enumerate(found.hits, start=1):
        passage = hit.passage
        place = place_of(passage.path, passage.page)
        console.print(f"{number}. {place}  ({hit.score:.3f})", markup=False, style="bold")
        if passage.headings:
            console.print(f"   {' > '.join(passage.headings)}", markup=False, style="dim")
        console.print(f"   {shorten(passage.text, 300)}", markup=False)
        if hit.also_at:
            others = "; ".join(place_of(place.path, place.page) for place in hit.also_at[:_PLACES])
            more = len(hit.also_at) - _PLACES
            console.print(
                f"   also in {others}{f' and {more} more' if more > 0 else ''}", markup=False, style="dim"
            )


def show_searched(console: Console, searched: Rewriting | None) -> None:
    """What was searched for in place of the question, or why nothing else was."""
    if searched is None:
        return
    if searched.outcome == "rewritten":
        texts = (*searched.queries.texts, *searched.queries.hypothetical)
        console.print(
            f"Searched for: {'; '.join(shorten(text, 200) for text in texts)}", markup=False, style="dim"
        )
    if searched.why is not None:
        console.print(searched.why, markup=False, style="dim")


def shorten(text: str, limit: int) -> str:
    """The text on one line, cut at `limit` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def place_of(path: str, page: int | None) -> str:
    """A path and, where the text has pages, the page."""
    return one_line(path) + ("" if page is None else f", page {page}")


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table on a terminal; in a pipe plain lines, their cells separated by tabs, without a heading."""
    console = stdout()
    cells = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if not console.is_terminal:
        for row in cells:
            sys.stdout.write("\t".join(row) + "\n")
        return
    table = Table(show_header=True, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in cells:
        table.add_row(*row)
    console.print(table)
