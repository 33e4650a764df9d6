"""What the audit costs: the same asks and searches with it and without it, in turn, in one process.

    python -m benchmarks.audit_cost [--rounds 20] [--home DIR]

The corpus is `examples/handbook`, small, so that the audit is a larger part of a search than it is anywhere else. Each
question is asked with and without the audit one right after the other, which of them first changes every time, and what
is reported is the ratio of each such pair: whatever else the machine does concerns both. Caches are off. The load
average is part of the report. Reads FOOTNOTE_WEIGHTS_DIR.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.handbook_questions import ANSWERABLE
from retrieval.database import Database
from service.auditing import Audit
from service.desk import Desk
from service.footnote import Footnote
from service.keys import create_key, find_key
from service.settings import Settings, keeping_nothing
from service.wiring import open_footnote

ROOT = Path(__file__).resolve().parents[1]
HANDBOOK = ROOT / "examples" / "handbook"
_WARM_UP = 10
Work = Callable[[Desk, str], Awaitable[object]]


def main() -> int:
    """Run it and print the report."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20, help="how often each question is asked")
    parser.add_argument("--home", type=Path)
    given = parser.parse_args()
    with ExitStack() as stack:
        home = given.home or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="footnote-audit-")))
        ingest = ("ingest", str(HANDBOOK), "--json")
        subprocess.run(  # our own command
            [sys.executable, "-c", "from service.command import main; main()", *ingest],
            env={**os.environ, "FOOTNOTE_HOME": str(home), "PYTHONPATH": str(ROOT)},
            check=True,
            stdout=subprocess.PIPE,
        )
        report = asyncio.run(measure(home, rounds=given.rounds))
    sys.stdout.write(json.dumps(report, indent=2) + "\n")
    return 0


async def measure(home: Path, *, rounds: int) -> dict[str, Any]:
    """The ratios for asks and for searches."""
    settings = keeping_nothing(Settings(home=home))
    async with open_footnote(settings, report=_to_stderr) as footnote:
        desks = [await _desk(footnote, is_on=is_on) for is_on in (True, False)]
        load = os.getloadavg()[0]
        works: dict[str, Work] = {"ask": _ask, "search": _search}
        report = {name: await _compare(work, desks, rounds=rounds) for name, work in works.items()}
        entries = await _count(footnote.database)
    assert entries, "the audit that is measured writes"
    return {"load_average": [round(load, 2), round(os.getloadavg()[0], 2)], **report}


async def _desk(footnote: Footnote, *, is_on: bool) -> Desk:
    key = await create_key(footnote.database, name="audit-cost", principals=[])
    found = await find_key(footnote.database, key.id)
    assert found is not None, "it was just made"
    audit = Audit(footnote.database, questions="hash", retention_days=0, is_on=is_on)
    return Desk(footnote=footnote, audit=audit, caller=found.identity)


async def _ask(desk: Desk, question: str) -> object:
    return await desk.ask(await desk.prepare("default", question))


async def _search(desk: Desk, question: str) -> object:
    return await desk.search("default", question, k=10)


async def _compare(work: Work, desks: Sequence[Desk], *, rounds: int) -> dict[str, Any]:
    """Milliseconds with and without, and the ratio of pairs, with the bounds of its median (95 %)."""
    with_it, without = desks
    questions = list(ANSWERABLE)
    for question in questions[:_WARM_UP]:
        await work(with_it, question)
    spent: list[tuple[float, float]] = []
    for number, question in enumerate(itertools.chain.from_iterable([questions] * rounds)):
        took = {}
        for desk in (with_it, without) if number % 2 else (without, with_it):
            began = time.perf_counter()
            await work(desk, question)
            took[desk is with_it] = 1_000 * (time.perf_counter() - began)
        spent.append((took[True], took[False]))
    pairs = np.array(spent)
    ratios = pairs[:, 0] / pairs[:, 1]
    drawn = np.random.default_rng(0).choice(ratios, size=(2_000, len(ratios)))
    low, high = np.percentile(np.median(drawn, axis=1), [2.5, 97.5])
    return {
        "pairs": len(ratios),
        "with_ms": round(float(np.median(pairs[:, 0])), 2),
        "without_ms": round(float(np.median(pairs[:, 1])), 2),
        "difference_ms": round(float(np.median(pairs[:, 0] - pairs[:, 1])), 2),
        "ratio": round(float(np.median(ratios)), 4),
        "ratio_bounds": [round(float(low), 4), round(float(high), 4)],
    }


async def _count(database: Database) -> int:
    row = await database.fetch_one("SELECT count(*) AS entries FROM audit")
    return 0 if row is None else int(row["entries"])


def _to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
