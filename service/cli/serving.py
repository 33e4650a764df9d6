"""`footnote serve` and `footnote worker`."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import typer

from ingest.catalog import SourceRecord
from ingest.reports import Progress
from service.cli.display import IngestProgress, note, one_line
from service.cli.options import run_until_done
from service.logs import LogStyle, configure_logging
from service.schedule import RefreshedSource
from service.settings import load_settings
from service.specs import Report
from service.wiring import open_audit, open_footnote
from service.work_policies import work_policy
from service.working import Reporting, Unwatched, log_refresh, work

_log = logging.getLogger(__name__)


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command("serve")(serve)
    app.command("worker")(worker)


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.", min=0, max=65535)] = 8080,
    log_style: Annotated[
        LogStyle, typer.Option(help="Log lines for people, or one JSON object each.")
    ] = "plain",
) -> int:
    """Answer over HTTP. Every request needs a key: footnote keys create NAME."""
    from service.http.app import serve as serve_http

    return serve_http(load_settings(), host=host, port=port, log_style=log_style)


def worker(
    log_style: Annotated[
        LogStyle, typer.Option(help="Log lines for people, or one JSON object each.")
    ] = "plain",
) -> int:
    """Answer jobs, refresh sources when they are due and send webhooks, until stopped. Several may run side by side.

    Gives way to a service on the same machine (ingest.nice).
    """
    configure_logging(log_style)
    run_until_done(_work_until_stopped(_for_programs() if log_style == "json" else _for_people()))
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Telling:
    """How a worker says what it does."""

    say: Report
    progress: Callable[[SourceRecord], Progress]
    refreshed: Callable[[RefreshedSource], None]


def _for_people() -> _Telling:
    return _Telling(say=note, progress=_progress, refreshed=_report)


def _for_programs() -> _Telling:
    """Log lines and nothing else, so that every line is an object."""
    return _Telling(say=_log.info, progress=lambda _: Unwatched(), refreshed=log_refresh)


async def _work_until_stopped(telling: _Telling) -> None:
    from service.http.problems import problem_of_job

    settings = load_settings()
    async with (
        open_footnote(settings, report=telling.say, nice=settings.ingest.nice) as footnote,
        open_audit(settings, footnote.database) as audit,
        footnote.parser_pool() as pool,
    ):
        reporting = Reporting(
            audit=audit, describe=problem_of_job, progress=telling.progress, report=telling.refreshed
        )
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        telling.say("The worker runs. Stop it with Ctrl-C; what it has finished is kept.")
        await work(footnote, pool, work_policy(settings), reporting, stop=stop)
        telling.say("The worker has stopped.")


def _progress(source: SourceRecord) -> IngestProgress:
    return IngestProgress(source.location)


def _report(refreshed: RefreshedSource) -> None:
    where = one_line(refreshed.source.location)
    if refreshed.report is None:
        note(f"{where}: {refreshed.error}")
        return
    done = refreshed.report
    note(
        f"{where}: {done.added} added, {done.updated} updated, {done.removed} removed, "
        f"{len(done.failed)} failed, {done.seconds:.1f} s"
    )
