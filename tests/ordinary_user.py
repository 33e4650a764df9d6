"""An ordinary user's rights, for tests that root runs: to root, no folder is closed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

NOBODY = 65534


@contextmanager
def folder_for_all() -> Iterator[Path]:
    """A folder that an ordinary user can reach and owns; pytest's own are closed to all but the one who runs it."""
    folder = Path(tempfile.mkdtemp(prefix="footnote-test-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        for directory, names, _ in os.walk(folder):
            for name in names:  # before they are entered: a closed folder would be passed over
                (Path(directory) / name).chmod(0o755)
        shutil.rmtree(folder)


@contextmanager
def ordinary_user() -> Iterator[None]:
    """What runs inside has no more rights than an ordinary user, also where root runs the tests."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
