"""What a person sees: progress and tables on standard error or output, never both in `--json`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Literal

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

from generation.answers import Answer
from ingest.refresh import RefreshReport
from retrieval.records import Hit

# Lists of files that are shown whole; longer ones are cut with a count and a word on how to see the rest.
_SHOWN = 20


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
    """One JSON object on standard output."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, default=_encode) + "\n")


def _encode(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def is_json(arguments: Sequence[str]) -> bool:
    """Whether a command line asks for JSON."""
    return "--json" in arguments


def fail(message: str, *, as_json: bool, status: int) -> int:
    """Tell what went wrong and return the exit status."""
    if as_json:
        print_json({"error": message})
    note(f"error: {message}")
    return status


class IngestProgress:
    """Bars on a terminal, plain lines in a pipe: at most one line a second or every hundred files."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._console = stderr()
        self._bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[chunks]} chunks, {task.fields[failed]} failed"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        self._task = self._bar.add_task(label, total=None, chunks=0, failed=0)
        self._files = self._done = self._chunks = self._failed = 0

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
        self._bar.update(self._task, total=files)
        if not self._console.is_terminal and files:
            note(f"{self._label}: {files} files to take in")

    def finished(
        self, path: str, outcome: Literal["added", "updated", "unchanged", "failed"], chunks: int
    ) -> None:
        self._done += 1
        self._chunks += chunks
        self._failed += outcome == "failed"
        self._bar.update(self._task, advance=1, chunks=self._chunks, failed=self._failed)
        if not self._console.is_terminal and self._done % 100 == 0:
            note(
                f"{self._label}: {self._done} of {self._files} files, {self._chunks} chunks, {self._failed} failed"
            )


def show_report(report: RefreshReport, *, dry_run: bool) -> None:
    """The final table of a run, then what was skipped and what failed, each with its reason."""
    table = Table(title="What would be done" if dry_run else None, show_header=True, header_style="bold")
    for column in ("added", "updated", "removed", "unchanged", "skipped", "failed", "chunks", "seconds"):
        table.add_column(column, justify="right")
    table.add_row(
        *(str(n) for n in (report.added, report.updated, report.removed, report.unchanged)),
        str(len(report.skipped)),
        str(len(report.failed)),
        str(report.chunks),
        f"{report.seconds:.1f}",
    )
    console = stdout()
    console.print(table)
    _show_list(console, "Skipped", [(entry.path, entry.reason) for entry in report.skipped])
    _show_list(console, "Failed", [(entry.path, entry.error) for entry in report.failed])


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


def show_hits(hits: Sequence[Hit]) -> None:
    """Search results, one below the other."""
    console = stdout()
    if not hits:
        console.print("Nothing found.")
    for number, hit in enumerate(hits, start=1):
        passage = hit.passage
        place = one_line(passage.path) + ("" if passage.page is None else f", page {passage.page}")
        console.print(f"{number}. {place}  ({hit.score:.3f})", markup=False, style="bold")
        if passage.headings:
            console.print(f"   {' > '.join(passage.headings)}", markup=False, style="dim")
        console.print(f"   {shorten(passage.text, 300)}", markup=False)


def shorten(text: str, limit: int) -> str:
    """The text on one line, cut at `limit` characters."""
    flat = " ".join(text.split())
    return flat if len(flat) <= limit else flat[: limit - 1].rstrip() + "…"


def show_answer(answer: Answer) -> None:
    """An answer with numbered footnotes; or the refusal and what was looked at."""
    console = stdout()
    if answer.status == "refused":
        console.print(answer.answer, markup=False)
        if answer.looked_at:
            console.print("Looked at:", style="bold")
        for looked in answer.looked_at:
            page = "" if looked.page is None else f", page {looked.page}"
            console.print(f"  {one_line(looked.path)}{page}  ({looked.score:.2f})", markup=False)
        return
    for sentence in answer.sentences:
        marks = "".join(f"[{number + 1}]" for number in sentence.citations)
        doubt = "" if sentence.supported else "  (not supported by the sources)"
        console.print(f"{sentence.text} {marks}{doubt}", markup=False)
    if answer.missing:
        console.print(answer.missing, markup=False, style="italic")
    console.print()
    for number, citation in enumerate(answer.citations, start=1):
        page = "" if citation.page is None else f", page {citation.page}"
        place = f"{one_line(citation.path)}{page}, characters {citation.char_start}–{citation.char_end}"
        console.print(f"[{number}] {place}", markup=False, style="bold")
        console.print(f"    “{shorten(citation.quote, 240)}”", markup=False)


def show_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A plain table on standard output."""
    table = Table(show_header=True, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    stdout().print(table)
