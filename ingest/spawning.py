"""Fresh Python processes that import only what they are handed.

`multiprocessing` has a spawned process import the program's main module first. For a parser that would be the whole
service, in every process and after every crash; and in a script without `if __name__ == "__main__"`, its end.
"""

from __future__ import annotations

from multiprocessing import popen_spawn_posix, spawn
from multiprocessing.context import SpawnContext, SpawnProcess
from types import FunctionType
from typing import Any

# An owner that ends (Ctrl-C) while a process of its own is just starting leaves it an empty pipe to read from: no news.
_END_QUIETLY = (
    "import sys; sys.excepthook = lambda kind, error, trace: "
    "None if issubclass(kind, (EOFError, KeyboardInterrupt)) else sys.__excepthook__(kind, error, trace); "
)


class _SpawnWithoutMain:
    """`multiprocessing.spawn` as its launcher uses it, but silent about the main module and about an early end."""

    def __getattr__(self, name: str) -> Any:
        return getattr(spawn, name)

    def get_command_line(self, **values: int) -> list[str]:
        line: list[str] = spawn.get_command_line(**values)
        program = line.index("-c") + 1
        line[program] = _END_QUIETLY + line[program]
        return line

    def get_preparation_data(self, name: str) -> dict[str, Any]:
        told = dict(spawn.get_preparation_data(name))
        for key in ("init_main_from_name", "init_main_from_path"):
            told.pop(key, None)
        return told


_SPAWN = _SpawnWithoutMain()


class _Popen(popen_spawn_posix.Popen):
    # The standard library's own launcher, which looks `spawn` up among its globals. Nothing global is changed, since
    # processes are started from threads while others run.
    _launch = FunctionType(
        vars(popen_spawn_posix.Popen)["_launch"].__code__,
        {**vars(popen_spawn_posix), "spawn": _SPAWN},
    )


class _Process(SpawnProcess):
    @staticmethod
    def _Popen(process_obj: Any) -> Any:  # noqa: N802 (the name is the standard library's)
        return _Popen(process_obj)


class BareSpawnContext(SpawnContext):
    """The "spawn" way of starting processes, without the program's main module."""

    Process = _Process
