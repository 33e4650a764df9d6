"""The cluster on disk: made whole or not at all, checked for its version, opened to its own account alone."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from service.embedded_postgres.account import Account
from service.embedded_postgres.binaries import Binaries
from service.embedded_postgres.errors import EmbeddedPostgresError
from service.embedded_postgres.location import Location
from service.embedded_postgres.ownership import check_folder, write_file
from service.embedded_postgres.programs import run_program
from service.embedded_postgres.server_log import severe_reason

ROLE = "footnote"
DATABASE = "footnote"
_UNFINISHED = "data.new-"
_TIMEOUT_S = 600.0
_LOCALE = ("--encoding=UTF8", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C")
# Sorting and case come from the built-in provider. pg_trgm still asks the C library what a letter is, and under
# LC_CTYPE=C it drops every letter outside ASCII.
_LETTERS = "--lc-ctype=C.UTF-8"


def create_cluster(
    location: Location,
    binaries: Binaries,
    *,
    settings: Mapping[str, str],
    lock_fd: int,
    report: Callable[[str], None],
) -> None:
    """Make the cluster with its role and database beside its place, then rename it there.

    Every program inherits `lock_fd`: whoever comes after a killed process sees that its initdb still writes.
    """
    discard_unfinished(location)
    report(f"setting up PostgreSQL {binaries.version} in {location.folder} for its first use")
    unfinished = location.folder / f"{_UNFINISHED}{secrets.token_hex(4)}"
    try:
        _fill(unfinished, location.account, binaries, settings=settings, lock_fd=lock_fd, report=report)
        unfinished.rename(location.cluster)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    _sync_folder(location.folder)


def discard_unfinished(location: Location) -> None:
    """Delete what a process killed during the first use left behind."""
    for leftover in location.folder.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(leftover)


def check_version(location: Location, binaries: Binaries) -> None:
    """Raise EmbeddedPostgresError if the cluster is none, or one that these programs cannot read."""
    check_folder(location.cluster, location.account)
    try:
        found = (location.cluster / "PG_VERSION").read_text(encoding="ascii").strip()
    except FileNotFoundError as exc:
        raise EmbeddedPostgresError(
            f"{location.cluster} is not a PostgreSQL cluster: the file PG_VERSION is missing. Restore it from a "
            "backup, or move the folder away to begin with an empty one."
        ) from exc
    if found != str(binaries.major):
        raise EmbeddedPostgresError(
            f"the cluster in {location.cluster} was made by PostgreSQL {found}; this Footnote brings PostgreSQL "
            f"{binaries.major}, which cannot read it. Install the Footnote that made it (or "
            f"'embedded-postgres=={found}.*') and export the data, or move the folder away and ingest again."
        )


def write_access_rules(cluster: Path, account: Account) -> None:
    """Let the cluster's account and root in as `footnote`, over the socket, recognised by the kernel; nobody else."""
    names = dict.fromkeys((account.name, *_root_names()))
    lines = [f"{ROLE} {_quoted(name)} {ROLE}\n" for name in names]
    write_file(cluster, "pg_ident.conf", "".join(lines), account)
    write_file(cluster, "pg_hba.conf", f"local all all peer map={ROLE}\n", account)


def _fill(
    folder: Path,
    account: Account,
    binaries: Binaries,
    *,
    settings: Mapping[str, str],
    lock_fd: int,
    report: Callable[[str], None],
) -> None:
    """initdb without its sync, the database by the single-user backend, then one sync of everything."""
    initdb: list[str | Path] = [
        binaries.initdb,
        "-D",
        folder,
        "-U",
        ROLE,
        "--auth-local=peer",
        "--auth-host=reject",
        *_LOCALE,
    ]
    initdb += ["--no-instructions", "--no-sync"]
    try:
        _run([*initdb, _LETTERS], account, lock_fd)
    except EmbeddedPostgresError as exc:
        if "invalid locale name" not in str(exc):
            raise
        report("this system has no locale C.UTF-8: trigram search will know the letters of ASCII only")
        _run(initdb, account, lock_fd)
    single: list[str | Path] = [
        binaries.postgres,
        "--single",
        "-D",
        folder,
        "-c",
        "fsync=off",
        "-c",
        "log_checkpoints=off",
    ]
    _run([*single, "postgres"], account, lock_fd, typed=f"CREATE DATABASE {DATABASE};\n")
    write_access_rules(folder, account)
    if settings.get("fsync") != "off":
        _run([binaries.initdb, "--sync-only", "-D", folder], account, lock_fd)


def _run(argv: Sequence[str | Path], account: Account, lock_fd: int, typed: str = "") -> None:
    status, written = run_program(argv, account, typed=typed, timeout_s=_TIMEOUT_S, inherited=(lock_fd,))
    # A single-user backend ends with 0 whatever became of its statement.
    if status != 0 or "ERROR:" in written:
        reason = severe_reason(written) or f"exit status {status}"
        raise EmbeddedPostgresError(
            f"setting up PostgreSQL failed: {reason}. Nothing of it was kept; start again once the cause is gone."
        )


def _root_names() -> list[str]:
    try:
        return [pwd.getpwuid(0).pw_name]
    except KeyError:
        return []


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _sync_folder(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
