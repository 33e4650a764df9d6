"""The HTTP service: `create_app` puts it together, `serve` runs it until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI

from retrieval.errors import ConfigurationError
from service.footnote import Footnote
from service.http.broadcast import BroadcastPolicy
from service.http.broadcasts import Broadcasts
from service.http.browsers import is_loopback
from service.http.crowd import Crowd
from service.http.denials import Denials
from service.http.describing import DescribedApp
from service.http.envelope import Envelope
from service.http.frames import EventFrames
from service.http.limits import BodyLimit
from service.http.mcp.server import McpServer
from service.http.metrics.counters import Metrics
from service.http.metrics.figures import Figures
from service.http.metrics.watch import IndexWatch
from service.http.parts import Parts
from service.http.patience import Patience
from service.http.problems import install_problems, problem_of_job
from service.http.readiness import ReadinessCheck
from service.http.routes import (
    answers,
    ask,
    audited,
    chat,
    collections,
    documents,
    feedback,
    health,
    jobs,
    mcp,
    models,
    page,
    revising,
    revisions,
    search,
    session,
    sources,
    stats,
    usage,
)
from service.http.routes.revising import UPLOADS
from service.keys import list_keys
from service.logs import LogStyle, configure_logging
from service.observing import Observer
from service.pictures import open_pictures
from service.release import release
from service.sessions import OneTimeLink
from service.settings import Settings
from service.specs import Report
from service.wiring import open_audit, open_footnote, open_tokens
from service.work_policies import work_policy
from service.working import Reporting, Unwatched, log_refresh, working

MAX_BODY_BYTES = 1024 * 1024
_MAX_BODY_S = 60.0
_DRAIN_S = 30
_LOOK_EVERY_S = 0.1
_DRAIN_ANSWERS_S = 25
"""Of those, for answers that are told as they come about: what is not complete then ends with an error event."""
_DESCRIPTION = (
    "Answers questions from your own documents, every sentence with the exact place that supports it, or says that "
    "the sources do not answer. Every address under /v1 needs a key; errors are application/problem+json."
)


def create_app(
    open: Callable[[], AbstractAsyncContextManager[Footnote]],  # noqa: A002  # it opens
    *,
    broadcast_policy: BroadcastPolicy = BroadcastPolicy(),  # noqa: B008  # it is frozen
    link: OneTimeLink | None = None,
) -> FastAPI:
    """The app. `open` is entered when it starts and left when it stops.

    link: by which whoever holds the machine signs in; for a service alone that nobody else can reach.
    """
    metrics = Metrics()
    requests = Observer()
    version = release()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            open() as footnote,
            Patience() as patience,
            IndexWatch(footnote.database, footnote.store) as watch,
            open_tokens(footnote.settings) as tokens,
            open_audit(footnote.settings, footnote.database) as audit,
            open_pictures(
                footnote.parser_policy, max_file_bytes=footnote.settings.ingest.max_file_bytes
            ) as pictures,
            Broadcasts(broadcast_policy, telling=EventFrames()) as broadcasts,
            McpServer(version=version) as mcp_server,
        ):
            metrics.caches.read = footnote.cache_figures
            metrics.queues.read = lambda: {**footnote.waiting(), "answers": broadcasts.running}
            footnote.observer.figures = metrics.stages
            requests.tracer = footnote.observer.tracer
            app.state.parts = Parts(
                footnote=footnote,
                audit=audit,
                tokens=tokens,
                link=link,
                metrics=metrics,
                figures=Figures(footnote.database, patience),
                watch=watch,
                readiness=ReadinessCheck(footnote, patience),
                broadcasts=broadcasts,
                mcp=mcp_server.handle,
                crowd=Crowd(footnote.settings.overload.requests_at_once),
                patience=patience,
                pictures=pictures,
                version=version,
            )
            yield

    # The pages at /docs and /redoc load their scripts from elsewhere: a house without internet has no use for them.
    app = DescribedApp(
        title="Footnote",
        version=version,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.include_router(session.open_router)
    for room in (
        session,
        ask,
        answers,
        search,
        jobs,
        documents,
        revisions,
        revising,
        collections,
        sources,
        feedback,
        usage,
        stats,
        audited,
        chat,
        models,
        mcp,
        health,
        page,
    ):
        app.include_router(room.router)
    install_problems(app)
    app.add_middleware(
        BodyLimit, max_bytes=MAX_BODY_BYTES, max_s=_MAX_BODY_S, except_for=frozenset({UPLOADS})
    )
    app.add_middleware(
        Envelope, metrics=metrics, denials=Denials(), observer=requests
    )  # added last, so outermost
    return app


def serve(
    settings: Settings, *, host: str, port: int, report: Report | None = None, log_style: LogStyle = "plain"
) -> int:
    """Serve until SIGINT or SIGTERM, then finish what is running; returns the exit status.

    Raises what `open_footnote` raises, `ConfigurationError` where nobody can listen at `host` and `port`, and
    `KeyboardInterrupt` where it was told to stop before it had started.
    """
    report = report or _to_stderr
    configure_logging(log_style)
    try:
        asyncio.run(_serve(settings, host, port, report))
    except asyncio.CancelledError:
        report("Footnote was told to stop before it had started.")
        raise KeyboardInterrupt from None
    return 0


async def _serve(settings: Settings, host: str, port: int, report: Report) -> None:
    # Before anybody can connect, until the server runs and takes both signals in hand.
    before = _cancel_on_sigterm()
    try:
        with _listen(host, port) as listener:
            await _answer_at(listener, settings, report)
    finally:
        signal.signal(signal.SIGTERM, before)
    report("Footnote has stopped.")


async def _answer_at(listener: socket.socket, settings: Settings, report: Report) -> None:
    async with open_footnote(settings, report=report) as footnote:
        greeting = f"Footnote {release()} answers at {_address(listener)} (Ctrl-C stops it)."
        if all(key.revoked_at is not None for key in await list_keys(footnote.database)):
            greeting += (
                "\nEvery request needs a key; there is none yet. Make one with: footnote keys create NAME"
            )
        link = _one_time_link(settings, listener)
        if link is not None:
            greeting += (
                f"\nIn a browser on this machine, once and within {settings.auth.link_minutes:g} minutes: "
                f"{_address(listener)}/#link={link.token}"
            )
        async with _working(footnote):
            await _Server(footnote, greeting, report, link=link).serve(sockets=[listener])
            # Told twice, it lets its workers end and closes its parts all the same.
            signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _one_time_link(settings: Settings, listener: socket.socket) -> OneTimeLink | None:
    """The link by which whoever starts a service that only this machine can reach looks at it in a browser."""
    if not settings.auth.link_minutes or not is_loopback(listener.getsockname()[0]):
        return None
    return OneTimeLink(seconds=settings.auth.link_minutes * 60)


@asynccontextmanager
async def _working(footnote: Footnote) -> AsyncIterator[None]:
    """Workers beside the server, where the settings have them there."""
    if not footnote.settings.worker.in_serve:
        yield
        return
    settings = footnote.settings
    async with open_audit(settings, footnote.database) as audit, footnote.parser_pool() as pool:
        reporting = Reporting(
            audit=audit, describe=problem_of_job, progress=lambda _: Unwatched(), report=log_refresh
        )
        async with working(footnote, pool, work_policy(settings), reporting):
            yield


def _cancel_on_sigterm() -> Any:
    """Have SIGTERM cancel the current task; returns the handler that there was before."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "it is called from a task"
    return signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(task.cancel))


class _Server(uvicorn.Server):
    """uvicorn, but it says in a sentence what it does, and SIGTERM is a way to end well (status 0)."""

    def __init__(
        self, footnote: Footnote, greeting: str, report: Report, *, link: OneTimeLink | None = None
    ) -> None:
        self._app = create_app(lambda: contextlib.nullcontext(footnote), link=link)
        super().__init__(
            uvicorn.Config(
                self._app,
                log_config=None,
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=_DRAIN_S,
            )
        )
        self._greeting = greeting
        self._report = report

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {
            number: signal.signal(number, self.handle_exit) for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._report(self._greeting)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        parts: Parts = self._app.state.parts
        parts.readiness.stop()
        await self._be_noticed(parts.footnote.settings.overload.stop_delay_s)
        self._report(f"Footnote is stopping: what runs is finished, within {_DRAIN_S} s.")
        await asyncio.gather(parts.broadcasts.drain(within_s=_DRAIN_ANSWERS_S), super().shutdown(sockets))

    async def _be_noticed(self, delay_s: float) -> None:
        """Go on as before while load balancers notice that the service is not ready; Ctrl-C pressed again ends that."""
        if not delay_s:
            return
        self._report(f"Footnote was told to stop, and says for {delay_s:g} s that it is not ready.")
        clock = asyncio.get_running_loop().time
        ends_at = clock() + delay_s
        while not self.force_exit and (left := ends_at - clock()) > 0:  # noqa: ASYNC110  # uvicorn's flag
            await asyncio.sleep(min(_LOOK_EVERY_S, left))


def _listen(host: str, port: int) -> socket.socket:
    """A socket that listens; taken before the models are loaded, so that a port in use is said at once."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][0]
        return socket.create_server((host, port), family=family, backlog=2048)
    except OSError as exc:
        # Of what Python makes of it, only the system's own words; a name that is not known has a negative number.
        reason = os.strerror(exc.errno) if exc.errno is not None and exc.errno > 0 else exc.strerror
        raise ConfigurationError(
            f"cannot listen at host '{host}', port {port}: {reason}. Choose others with --host and --port."
        ) from exc


def _address(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
