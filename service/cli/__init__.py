"""The command line: `footnote`. Exit status 0: all well; 1: something failed and was reported; 2: wrong usage."""

from __future__ import annotations

import asyncio
import errno
import io
import logging
import os
import platform
import signal
import sys
import tempfile
import traceback
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import Abort, TyperException

from retrieval.errors import ConfigurationError, FootnoteError, InvalidRequestError
from service.cli import (
    admin,
    asking,
    audited,
    configuring,
    doctoring,
    documents,
    evaluating,
    indexes,
    ingesting,
    limiting,
    llms,
    reindexing,
    serving,
    sources,
)
from service.cli.display import fail, is_json, note
from service.release import release

# What a shell shows of a program that Ctrl-C or SIGTERM ended; typer turns the former into its status.
_INTERRUPTED = 128 + signal.SIGINT
_TERMINATED = 128 + signal.SIGTERM

# What the machine lacks, not Footnote: space, files, rights.
_MACHINE = {
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EROFS,
    errno.EIO,
    errno.EMFILE,
    errno.ENFILE,
    errno.EACCES,
    errno.EPERM,
}

app = typer.Typer(
    name="footnote",
    help="Ingest folders of documents and answer questions with a footnote for every sentence.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _tell_release(wanted: bool) -> None:
    if wanted:
        typer.echo(f"Footnote {release()} on Python {platform.python_version()}")
        raise typer.Exit


@app.callback()
def _begin(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", is_eager=True, callback=_tell_release, help="Show which release this is and exit."
        ),
    ] = False,
) -> None:
    pass


ingesting.register(app)
asking.register(app)
documents.register(app)
sources.register(app)
serving.register(app)
doctoring.register(app)
evaluating.register(app)
reindexing.register(app)
indexes.register(app)
llms.register(app)
configuring.register(app)
admin.register(app)
audited.register(app)
limiting.register(app)


def main() -> None:
    """Run the command line and exit."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s", stream=sys.stderr)
    if sys.stdout is None:  # closed by the caller: `>&-`
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115  # for as long as we run
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a character gets its number.
            stream.reconfigure(errors="backslashreplace")
    # An outage is told once, in our own words; the driver and its pool would tell it for every connection.
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit status. A person never sees a traceback of an error that was foreseen."""
    as_json = is_json(arguments)
    try:
        status = app(arguments, standalone_mode=False)
        sys.stdout.flush()
    except TyperException as exc:
        message = exc.format_message().replace("Value error, ", "")  # which is pydantic's word to programmers
        if message.startswith("Usage:"):  # no command was given: that is a question, not an error
            note(message)
            return exc.exit_code
        return fail(message, as_json=as_json, status=exc.exit_code)
    except (InvalidRequestError, ConfigurationError) as exc:
        return fail(str(exc), as_json=as_json, status=2)
    except FootnoteError as exc:
        return fail(str(exc), as_json=as_json, status=1)
    except (KeyboardInterrupt, Abort):
        status = _INTERRUPTED
    except asyncio.CancelledError:
        status = _TERMINATED
    except BrokenPipeError:
        _discard_output()
        return 1
    except Exception as exc:  # noqa: BLE001  # the outermost handler
        if isinstance(exc, OSError):
            _discard_what_cannot_be_written()
        return fail(_explain(exc), as_json=as_json, status=1)
    if status in {_INTERRUPTED, _TERMINATED}:
        return fail(
            "interrupted. What was finished is kept; the same command goes on from there.",
            as_json=as_json,
            status=status,
        )
    return status if isinstance(status, int) else 0


def _discard_output() -> None:
    """Nobody reads it any more (`| head`): what is left in the buffer must not fail again when Python ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _discard_what_cannot_be_written() -> None:
    """Where the output is what failed (a full disk), the rest in its buffer must not fail again when Python ends."""
    try:
        sys.stdout.flush()
    except OSError:
        _discard_output()


def _explain(exc: Exception) -> str:
    if isinstance(exc, OSError) and exc.errno in _MACHINE:
        where = f": '{os.fsdecode(exc.filename)}'" if isinstance(exc.filename, str | bytes | Path) else ""
        return f"this machine did not let Footnote go on: {exc.strerror}{where}. What was finished is kept."
    return (
        f"an unexpected fault ({type(exc).__name__}), which is a bug in Footnote. What was finished is kept. "
        f"Please report it with the traceback in {_keep_traceback(exc)}"
    )


def _keep_traceback(exc: Exception) -> str:
    with tempfile.NamedTemporaryFile(
        "w", prefix="footnote-fault-", suffix=".log", delete=False, encoding="utf-8"
    ) as file:
        file.writelines(traceback.format_exception(exc))
    return file.name
