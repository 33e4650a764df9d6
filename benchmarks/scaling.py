"""Arithmetic to 100 million chunks: storage, memory, time, machines and money, from measured figures and from prices.

    python -m benchmarks.scaling [--set vcpu_hour=0.03 tokens_a_chunk=350 ...]

Prints the tables of docs/scaling.md. Nothing is measured here; each input of `scaling_figures` can be set by its name.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, fields, replace

from benchmarks.scaling_figures import Assumed, Measured
from benchmarks.scaling_tables import tables


def _replaced(m: Measured, a: Assumed, settings: Sequence[str]) -> tuple[Measured, Assumed]:
    for setting in settings:
        name, _, value = setting.partition("=")
        if name in {field.name for field in fields(m)}:
            m = replace(m, **{name: float(value)})
        elif name in {field.name for field in fields(a)}:
            a = replace(a, **{name: float(value)})
        else:
            raise SystemExit(f"'{name}' is no input. Inputs: {', '.join([*asdict(m), *asdict(a)])}")
    return m, a


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--set", nargs="+", default=[], metavar="NAME=VALUE")
    m, a = _replaced(Measured(), Assumed(), parser.parse_args().set)
    for table in tables(m, a):
        print(f"{table.name}\n\n{table}\n")


if __name__ == "__main__":
    main()
