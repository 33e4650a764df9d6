"""The tables of `scale`, in Markdown, as docs/performance.md has them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

Run = Mapping[str, Any]


def show(runs: Sequence[Run]) -> None:
    """Print what was measured of each size, smallest first."""
    for title, rows in (
        ("Latency, ms", _latency(runs)),
        ("Throughput", _throughput(runs)),
        ("Recall@10", _recall(runs)),
        ("Lexical candidates (M): overlap@10 with exact BM25", _candidates(runs)),
        ("Bytes a chunk", _sizes(runs)),
        ("Loading, s", _loading(runs)),
    ):
        if rows:
            print(f"\n{title}\n")
            _print(rows)


def _print(rows: Sequence[Mapping[str, object]]) -> None:
    """Rows of the same columns as a table."""
    heads = list(rows[0])
    print("| " + " | ".join(heads) + " |")
    print("|" + "---|" * len(heads))
    for row in rows:
        print("| " + " | ".join(_cell(row[head]) for head in heads) + " |")


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _latency(runs: Sequence[Run]) -> list[dict[str, object]]:
    return [
        {
            "chunks": run["chunks"],
            "looked at": selection,
            "p50": found["whole"]["p50"],
            "p95": found["whole"]["p95"],
            "embedding p50": found["embedding"]["p50"],
            "embedding p95": found["embedding"]["p95"],
            "without embedding p50": found["search"]["p50"],
            "without embedding p95": found["search"]["p95"],
            "load": found["load"],
        }
        for run in runs
        for selection, found in run.get("latency", {}).items()
    ]


def _throughput(runs: Sequence[Run]) -> list[dict[str, object]]:
    return [
        {
            "chunks": run["chunks"],
            "clients": run["throughput"]["clients"],
            "searches a second": run["throughput"]["searches_per_s"],
            "bare psycopg": run["throughput"]["bare_per_s"],
            "ratio": run["throughput"]["ratio"],
            "load": run["throughput"]["load"],
        }
        for run in runs
        if "throughput" in run
    ]


def _recall(runs: Sequence[Run]) -> list[dict[str, object]]:
    return [{"chunks": run["chunks"], **row} for run in runs for row in run.get("recall", ())]


def _candidates(runs: Sequence[Run]) -> list[dict[str, object]]:
    return [{"chunks": run["chunks"], **row} for run in runs for row in run.get("candidates", ())]


def _sizes(runs: Sequence[Run]) -> list[dict[str, object]]:
    return [
        {"chunks": run["chunks"], **{name: size for name, size in run["sizes"].items() if name != "words"}}
        for run in runs
        if "sizes" in run
    ]


def _loading(runs: Sequence[Run]) -> list[dict[str, object]]:
    return [{"chunks": run["chunks"], **run["load_s"]} for run in runs]
