"""The figure of `scale`: latency and recall against the size of the corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_BLUE, _ORANGE, _GREEN, _GREY = "#2563a8", "#d97706", "#2f855a", "#6b7280"


def draw(runs: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write a picture of runs, one for each size."""
    import matplotlib  # noqa: PLC0415  # an extra, for those who draw

    matplotlib.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    runs = sorted(runs, key=lambda run: run["chunks"])
    sizes = [run["chunks"] for run in runs]
    with pyplot.rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure, (left, right) = pyplot.subplots(1, 2, figsize=(10.5, 4.2), layout="constrained")
        _draw_latency(left, sizes, runs)
        _draw_recall(right, sizes, runs)
        for axes in (left, right):
            axes.set_xscale("log")
            axes.set_xticks(sizes, [f"{size:,}" for size in sizes], minor=False)
            axes.minorticks_off()
            axes.set_xlabel("chunks in the collection")
            axes.grid(axis="y", color="#e5e7eb")
            axes.set_axisbelow(True)
        figure.savefig(path, dpi=150)
        pyplot.close(figure)


def _draw_latency(axes: Any, sizes: Sequence[int], runs: Sequence[Mapping[str, Any]]) -> None:
    """Top: the whole search. The dashed lines narrow it to 10 % of the corpus."""
    for selection, colour, name in (
        ("everything", _BLUE, "everything"),
        ("10 % by reader", _ORANGE, "10 % visible"),
    ):
        found = [run["latency"][selection]["whole"] for run in runs]
        axes.plot(sizes, [each["p95"] for each in found], "o-", color=colour, label=f"{name}, p95")
        axes.plot(
            sizes, [each["p50"] for each in found], "o--", color=colour, label=f"{name}, p50", alpha=0.6
        )
    embedding = [run["latency"]["everything"]["embedding"]["p50"] for run in runs]
    axes.plot(sizes, embedding, "o:", color=_GREY, label="of which the question's embedding, p50")
    axes.set_ylim(bottom=0)
    axes.set_ylabel("milliseconds")
    axes.set_title("A hybrid search for the ten best, one client", loc="left")
    axes.legend(frameon=False, fontsize=9)


def _draw_recall(axes: Any, sizes: Sequence[int], runs: Sequence[Mapping[str, Any]]) -> None:
    for kind, colour, name in (
        ("dense_200", _BLUE, "dense, recall@10"),
        ("lexical", _GREEN, "lexical, overlap@10 with exact BM25"),
        ("hybrid", _ORANGE, "hybrid, overlap@10 with exact lists"),
    ):
        rows = [[row for row in run["recall"] if "subject" not in row["selection"]] for run in runs]
        everything = [next(row[kind] for row in of if row["selection"] == "everything") for of in rows]
        worst = [min(row[kind] for row in of) for of in rows]
        axes.plot(sizes, everything, "o-", color=colour, label=name)
        axes.plot(sizes, worst, "o--", color=colour, alpha=0.6)
    axes.plot([], [], "--", color=_GREY, label="dashed: the worst of 100, 10, 1 and 0.1 % visible")
    axes.axhline(0.98, color=_GREY, linewidth=0.8)
    axes.annotate("0.98", (sizes[0], 0.98), xytext=(0, 3), textcoords="offset points", color=_GREY)
    axes.set_ylim(0.9, 1.003)
    axes.set_title("Found of the true ten best (truth from numpy)", loc="left")
    axes.legend(frameon=False, fontsize=9, loc="lower left")
