"""Priority: what can wait gives way, on the cores of its machine, to what somebody waits for.

A nice value, from 0 (like everything else) to 19 (gives way to all), is what a thread of Linux and a process elsewhere
has; threads and processes that are started later inherit it. It is only ever raised here: lowering it takes privileges.

Linux hands the cores out among sessions first (autogroup, sched(7)) and looks at nice values within each, so that a
process of another terminal counts as much as a whole service. A session has a nice value, too, but only whoever leads
one may change it here: what else runs in a shell's session is nobody's business. Cgroups with a share of their own
(systemd's CPUWeight, containers) come before both.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

_AUTOGROUP = Path("/proc/self/autogroup")
_ATTEMPTS, _PAUSE_S = 5, 0.12
"""Linux takes such a change from ordinary users ten times a second, of all of them together."""


def lower_thread(nice: int) -> None:
    """Have the calling thread, and what it starts, give way; nothing where threads have no priority of their own."""
    if sys.platform == "linux":
        _lower(threading.get_native_id(), nice)


def lower_process(nice: int) -> None:
    """Have this process give way, and its session where it leads one.

    On Linux that is the calling thread with what it starts from now on: threads that run already stay as they are.
    """
    if nice <= 0:
        return
    _lower(0, nice)
    if sys.platform == "linux" and os.getsid(0) == os.getpid():
        _lower_session(nice)


def _lower(thread: int, nice: int) -> None:
    if os.getpriority(os.PRIO_PROCESS, thread) < nice:
        os.setpriority(os.PRIO_PROCESS, thread, nice)


def _lower_session(nice: int) -> None:
    with suppress(
        OSError
    ):  # a kernel without autogroups, a /proc that is not to be written to: the nice value holds
        told = re.search(r"nice (-?\d+)", _AUTOGROUP.read_text(encoding="ascii"))
        if told is None or int(told[1]) >= nice:
            return
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                _AUTOGROUP.write_text(str(nice), encoding="ascii")
            except BlockingIOError:
                if attempt == _ATTEMPTS:
                    return  # others have been changing theirs all the time; the nice value of the process holds
                time.sleep(_PAUSE_S)
            else:
                return
