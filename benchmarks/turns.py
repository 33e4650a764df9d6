"""Contestants that take turns: on a machine whose speed drifts only ratios of neighbouring runs tell anything."""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """One contestant's runs, in the order in which they were made."""

    seconds: Sequence[float]
    cpu_seconds: Sequence[float]

    @property
    def median_s(self) -> float:
        return statistics.median(self.seconds)

    @property
    def median_cpu_s(self) -> float:
        return statistics.median(self.cpu_seconds)


def take_turns(contestants: Mapping[str, Callable[[], Any]], *, rounds: int) -> dict[str, Timed]:
    """Run each once untimed, then all of them in every round; wall clock and CPU seconds of this process."""
    for run in contestants.values():
        run()
    wall: dict[str, list[float]] = {name: [] for name in contestants}
    cpu: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(rounds):
        for name, run in contestants.items():
            begun, begun_cpu = time.perf_counter(), time.process_time()
            run()
            wall[name].append(time.perf_counter() - begun)
            cpu[name].append(time.process_time() - begun_cpu)
    return {name: Timed(seconds=wall[name], cpu_seconds=cpu[name]) for name in contestants}


def median_ratio(slower: Timed, faster: Timed) -> float:
    """How many times as fast `faster` is: the median over rounds of what was run side by side."""
    return statistics.median(
        theirs / ours for theirs, ours in zip(slower.seconds, faster.seconds, strict=True)
    )


def describe_machine() -> dict[str, Any]:
    """What figures depend on: the processor, what it can do, its cores and what else was running."""
    facts: dict[str, str] = {}
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text().splitlines():
            name, _, value = line.partition(":")
            facts.setdefault(name.strip(), value.strip())
    flags = facts.get("flags", "").split()
    return {
        "cpu": f"{facts.get('model name', 'unknown')}, family {facts.get('cpu family')} model {facts.get('model')}",
        "cores": usable_cores(),
        "instructions": [
            name
            for name in ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8")
            if name in flags
        ],
        "load": [round(each, 1) for each in os.getloadavg()],
    }


def usable_cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def show(figures: Mapping[str, Any], *, as_json: bool) -> None:
    """Print figures: as one JSON object, or a line for each."""
    if as_json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        if isinstance(value, dict):
            print(f"{name}:")
            for part, figure in value.items():
                print(f"    {part}: {figure}")
        else:
            print(f"{name}: {value}")
