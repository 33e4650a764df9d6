"""The command line: `footnote`. Exit status 0: all well; 1: something failed and was reported; 2: wrong usage."""

from __future__ import annotations

import logging
import sys
import tempfile
import traceback

import typer
from typer.exceptions import Abort, TyperException

from retrieval.errors import ConfigurationError, FootnoteError, InvalidRequestError
from service.cli import admin, asking, documents, ingesting, serving, sources
from service.cli.display import fail, is_json, note

# What a shell shows of a program that Ctrl-C ended; typer turns the interrupt into this status.
_INTERRUPTED = 130

app = typer.Typer(
    name="footnote",
    help="Ingest folders of documents and answer questions with a footnote for every sentence.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
ingesting.register(app)
asking.register(app)
documents.register(app)
sources.register(app)
serving.register(app)
admin.register(app)


def main() -> None:
    """Run the command line and exit."""
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(message)s", stream=sys.stderr)
    # An outage is told once, in our own words; the driver and its pool would tell it for every connection.
    logging.getLogger("psycopg").setLevel(logging.CRITICAL)
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit status. A person never sees a traceback of an error that was foreseen."""
    as_json = is_json(arguments)
    try:
        status = app(arguments, standalone_mode=False)
    except TyperException as exc:
        message = exc.format_message()
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
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as exc:  # noqa: BLE001  # the outermost handler: a fault of ours, kept for whoever mends it
        return fail(
            f"an unexpected fault ({type(exc).__name__}), which is a bug in Footnote. What was finished is kept. "
            f"Please report it with the traceback in {_keep_traceback(exc)}",
            as_json=as_json,
            status=1,
        )
    if status == _INTERRUPTED:
        return fail(
            "interrupted. What was finished is kept; the same command goes on from there.",
            as_json=as_json,
            status=_INTERRUPTED,
        )
    return status if isinstance(status, int) else 0


def _keep_traceback(exc: Exception) -> str:
    with tempfile.NamedTemporaryFile(
        "w", prefix="footnote-fault-", suffix=".log", delete=False, encoding="utf-8"
    ) as file:
        file.writelines(traceback.format_exception(exc))
    return file.name
