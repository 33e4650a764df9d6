"""Does the support check tell what a source states from what it does not state, or contradicts?

    python -m benchmarks.support WORK [--write]

Reads what `benchmarks.support_training` left in WORK. The layers were trained on none of these claims, and a claim of
the grounding sets is judged by a regression that saw no claim of its group (which shares a document or a claim): it was
fitted on the other four of five folds. The made claims of squad2-dev and nq-uda ("swapped") come from articles of which
nothing was trained or fitted on. Intervals are bootstrapped over groups.
`--write` fits the regressions on everything but the swapped claims and writes what ships, and the figure in docs.
"""

from __future__ import annotations

import argparse
import pickle
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.support_fitting import Flags, Rows, Table, cross_validated, write_parameters
from benchmarks.support_hidden import HiddenStates
from benchmarks.support_reading import items, readings
from benchmarks.support_swaps import CORRUPTED, FAITHFUL
from generation.verdicts import FEATURES, clashes

FIGURE = Path(__file__).parent.parent / "docs" / "support-reliability.png"
SETS = ("scifact-claims", "wice-claims-dev", "begin-dev", "swapped")
READ_BY_LAYERS = [
    i for i, name in enumerate(FEATURES) if "stated" in name or "contradicted" in name or "stating" in name
]
_RESAMPLES = 400


def load(work: Path) -> Table:
    """Features of all claims that were read."""
    logits = pickle.loads((work / "logits.pickle").read_bytes())
    with HiddenStates(work, work) as states:
        parts = items()
        every = [
            (item, name)
            for name, part in parts.items()
            for item in part
            if all(pair in logits for pair in item.pairs)
        ]
        rows = np.array([item.features(readings(item, states, logits)) for item, _ in every])
    return Table(
        items=[item for item, _ in every],
        rows=rows,
        fitted_on=np.array([name != "testing" for _, name in every]),
    )


def auc(positive: Rows, negative: Rows) -> float:
    """The chance that one of `positive` is above one of `negative`; ties count half."""
    if not len(positive) or not len(negative):
        return float("nan")
    ordered = np.sort(negative)
    below = np.searchsorted(ordered, positive, "left") + np.searchsorted(ordered, positive, "right")
    return float(below.sum() / (2 * len(positive) * len(negative)))


def interval(groups: Sequence[str], score: Rows, target: Flags) -> str:
    """AUC with its 95 % interval, groups resampled."""
    names = sorted(set(groups))
    members = [np.flatnonzero([g == name for g in groups]) for name in names]
    rng = np.random.default_rng(5)
    drawn = []
    for _ in range(_RESAMPLES):
        chosen = np.concatenate([members[i] for i in rng.integers(0, len(names), len(names))])
        drawn.append(auc(score[chosen][target[chosen]], score[chosen][~target[chosen]]))
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return f"{auc(score[target], score[~target]):.3f} [{low:.3f}, {high:.3f}]"


def report(table: Table) -> Rows:
    """Print the tables; returns the support of every claim."""
    stated, contradicted = table.flags("stated"), table.flags("contradicted")
    everything = np.ones(len(stated), dtype=bool)
    others = [i for i in range(len(FEATURES)) if i not in READ_BY_LAYERS]
    scores = {
        "cross-encoder, best sentence": table.rows[:, 0],
        "cross-encoder, together": table.rows[:, 2],
        "compared, without the layers": cross_validated(table, stated, everything, columns=others),
        "the check": cross_validated(table, stated, everything),
    }
    against = {
        "cross-encoder, best sentence": -table.rows[:, 0],
        "compared, without the layers": cross_validated(
            table, contradicted, stated | contradicted, columns=others
        ),
        "the check": cross_validated(table, contradicted, stated | contradicted),
    }
    tested = table.sets != "swapped"
    tested |= ~table.fitted_on
    groups = np.array([item.claim.group for item in table.items])
    for name in SETS:
        chosen = tested & (table.sets == name)
        print(f"\n{name}: {chosen.sum()} claims, {(chosen & stated).sum()} stated")
        for way, score in scores.items():
            print(f"  stated or not, {way}: {interval(groups[chosen], score[chosen], stated[chosen])}")
        if (chosen & contradicted).any():
            both = chosen & (stated | contradicted)
            for way, score in against.items():
                print(
                    f"  contradicted or stated, {way}: {interval(groups[both], score[both], contradicted[both])}"
                )
    probability = scores["the check"]
    denied = np.array([clashes(row) for row in table.rows]) | (against["the check"] >= 0.5)
    support = np.where(denied, 0.4 * probability, probability)
    print("\nsupport, which counts what clashes or is rather contradicted as hardly stated:")
    for name in SETS:
        chosen = tested & (table.sets == name)
        print(f"  {name}: {interval(groups[chosen], support[chosen], stated[chosen])}")
    for threshold in (0.4, 0.5, 0.6):
        _decide(table, tested, support, threshold)
    return support


def _decide(table: Table, tested: Flags, score: Rows, threshold: float) -> None:
    stated = table.flags("stated")
    print(f"\nfrom {threshold}:")
    for name in SETS[:3]:
        chosen = tested & (table.sets == name)
        right, wrong = (_share(score[chosen & which] >= threshold) for which in (stated, ~stated))
        print(f"  {name}: passes {right} of the stated, {wrong} of others")
    chosen = tested & (table.sets == "swapped")
    for kinds, word in ((FAITHFUL, "false alarms"), (CORRUPTED, "caught")):
        by_kind = {kind: _share(score[chosen & (table.kinds == kind)] < threshold) for kind in kinds}
        counted = CORRUPTED[:3] if word == "caught" else FAITHFUL
        print(
            f"  swapped, {word}: {_share(score[chosen & np.isin(table.kinds, counted)] < threshold)} "
            + str(by_kind)
        )


def _share(flags: Flags) -> str:
    return f"{flags.mean():.3f}" if len(flags) else "-"


def reliability(table: Table, probability: Rows) -> tuple[float, list[tuple[float, float, int]]]:
    """Expected calibration error, and by tenth of the probability: mean, share stated, count."""
    stated = table.flags("stated") & (table.sets != "swapped")
    chosen = table.sets != "swapped"
    bins = []
    for low in np.arange(0, 1, 0.1):
        inside = chosen & (probability >= low) & (probability < low + 0.1 + (low > 0.85))
        if inside.any():
            bins.append((float(probability[inside].mean()), float(stated[inside].mean()), int(inside.sum())))
    total = sum(count for *_, count in bins)
    return sum(abs(mean - share) * count for mean, share, count in bins) / total, bins


def draw(bins: Sequence[tuple[float, float, int]], error: float) -> None:
    """The reliability plot."""
    import matplotlib  # noqa: PLC0415  only the figure needs it

    matplotlib.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    figure, (top, bottom) = pyplot.subplots(2, 1, figsize=(5, 6), height_ratios=(3, 1), sharex=True)
    top.plot([0, 1], [0, 1], color="#999999", linewidth=1, label="as said")
    top.plot([mean for mean, *_ in bins], [share for _, share, _ in bins], marker="o", label="as found")
    top.set_ylabel("share of claims that are stated")
    top.set_title(f"Support, cross-validated on three sets (error {error:.3f})")
    top.legend(loc="upper left")
    bottom.bar([mean for mean, *_ in bins], [count for *_, count in bins], width=0.06)
    bottom.set_xlabel("support")
    bottom.set_ylabel("claims")
    figure.tight_layout()
    figure.savefig(FIGURE, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path)
    parser.add_argument("--write", action="store_true")
    arguments = parser.parse_args()
    table = load(arguments.work)
    probability = report(table)
    error, bins = reliability(table, probability)
    print(f"\ncalibration error {error:.3f}:", " ".join(f"{m:.2f}→{s:.2f} ({n})" for m, s, n in bins))
    if arguments.write:
        write_parameters(table)
        draw(bins, error)


if __name__ == "__main__":
    main()
