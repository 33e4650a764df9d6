"""What can wait gives way: as far as it is told to, never back again, and nothing else with it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from retrieval import priority
from retrieval.priority import lower_thread

ROOT = Path(__file__).resolve().parents[2]
AUTOGROUP = Path("/proc/self/autogroup")
TELL = """
import json, os, pathlib, subprocess, sys
from retrieval.priority import lower_process
lower_process(int(sys.argv[1]))
lower_process(int(sys.argv[2]))
group = pathlib.Path("/proc/self/autogroup")
told = group.read_text().split() if group.exists() else []
print(json.dumps({
    "nice": os.getpriority(os.PRIO_PROCESS, 0),
    "child": int(subprocess.run(["nice"], stdout=subprocess.PIPE, text=True).stdout),
    "session": told[-1] if told else None,
}))
"""


def lowered(*values: int, leads: bool) -> dict[str, Any]:
    """What a process tells of its priority that has lowered itself, leading a session or not."""
    done = subprocess.run(
        [sys.executable, "-c", TELL, *map(str, values)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        check=True,
        timeout=60,
        start_new_session=leads,
    )
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_a_process_gives_way_with_what_it_starts_and_never_takes_it_back() -> None:
    ours = os.getpriority(os.PRIO_PROCESS, 0)
    told = lowered(12, 7, leads=False)
    assert told["nice"] == told["child"] == max(12, ours)
    assert lowered(0, 0, leads=False)["nice"] == ours


@pytest.mark.skipif(not AUTOGROUP.exists(), reason="this kernel does not share cores out among sessions")
def test_the_session_gives_way_with_the_process_that_leads_it_and_not_with_any_other() -> None:
    ours = _session_nice()
    assert lowered(12, 7, leads=True)["session"] == "12"
    assert lowered(12, 7, leads=False)["session"] == ours
    assert _session_nice() == ours


def _session_nice() -> str | None:
    """None where no session was begun since the machine started: there is no group then."""
    found = re.search(r"nice (-?\d+)", AUTOGROUP.read_text(encoding="ascii"))
    return None if found is None else found[1]


def test_a_process_without_a_group_of_its_session_gives_way_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    nothing = tmp_path / "autogroup"
    nothing.touch()
    monkeypatch.setattr(priority, "_AUTOGROUP", nothing)
    priority._lower_session(12)
    assert nothing.read_text(encoding="ascii") == ""


@pytest.mark.skipif(sys.platform != "linux", reason="only there a thread has a priority of its own")
def test_a_thread_gives_way_alone() -> None:
    seen = []

    def work() -> None:
        lower_thread(19)
        seen.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    ours = os.getpriority(os.PRIO_PROCESS, 0)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [19]
    assert os.getpriority(os.PRIO_PROCESS, 0) == ours
