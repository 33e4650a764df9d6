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
from importlib import metadata
from typing import Any

import uvicorn
from fastapi import FastAPI

from retrieval.errors import ConfigurationError
from service.http.broadcast import BroadcastPolicy
from service.http.broadcasts import Broadcasts
from service.http.describing import DescribedApp
from service.http.envelope import Envelope
from service.http.limits import BodyLimit
from service.http.metrics.counters import Metrics
from service.http.metrics.figures import Figures
from service.http.metrics.watch import IndexWatch
from service.http.parts import Parts
from service.http.patience import Patience
from service.http.problems import install_problems, problem_in_stream
from service.http.readiness import ReadinessCheck
from service.http.routes import answers, ask, documents, health, search
from service.keys import list_keys
from service.logs import LogStyle, configure_logging
from service.observing import Observer
from service.settings import Settings
from service.specs import Report
from service.wiring import Footnote, open_footnote

MAX_BODY_BYTES = 1024 * 1024
_DRAIN_S = 30
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
) -> FastAPI:
    """The app. `open` is entered when it starts and left when it stops."""
    metrics = Metrics()
    requests = Observer()
    version = _version()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with (
            open() as footnote,
            Patience() as patience,
            IndexWatch(footnote.database, footnote.store) as watch,
            Broadcasts(broadcast_policy, describe=problem_in_stream) as broadcasts,
        ):
            metrics.caches.read = footnote.cache_figures
            metrics.queues.read = lambda: {**footnote.waiting(), "answers": broadcasts.running}
            footnote.observer.figures = metrics.stages
            requests.tracer = footnote.observer.tracer
            app.state.parts = Parts(
                footnote=footnote,
                metrics=metrics,
                figures=Figures(footnote.database, patience),
                watch=watch,
                readiness=ReadinessCheck(footnote, patience),
                broadcasts=broadcasts,
                patience=patience,
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
    for room in (ask, answers, search, documents, health):
        app.include_router(room.router)
    install_problems(app)
    app.add_middleware(BodyLimit, max_bytes=MAX_BODY_BYTES)
    app.add_middleware(Envelope, metrics=metrics, observer=requests)  # added last, so outermost
    return app


def serve(
    settings: Settings, *, host: str, port: int, report: Report | None = None, log_style: LogStyle = "plain"
) -> int:
    """Serve until SIGINT or SIGTERM, then finish what is running; returns the exit status.

    Raises what `open_footnote` raises, `ConfigurationError` where nobody can listen at `host` and `port`, and
    `KeyboardInterrupt` where it was told to stop before it had started.
    """
    report = report or _to_stderr
    with _listen(host, port) as listener:
        configure_logging(log_style)
        try:
            asyncio.run(_serve(settings, listener, report))
        except asyncio.CancelledError:
            report("Footnote was told to stop before it had started.")
            raise KeyboardInterrupt from None
    return 0


async def _serve(settings: Settings, listener: socket.socket, report: Report) -> None:
    before = _cancel_on_sigterm()  # until the server runs and takes both signals in hand
    try:
        async with open_footnote(settings, report=report) as footnote:
            greeting = f"Footnote {_version()} answers at {_address(listener)} (Ctrl-C stops it)."
            if all(key.revoked_at is not None for key in await list_keys(footnote.database)):
                greeting += (
                    "\nEvery request needs a key; there is none yet. Make one with: footnote keys create NAME"
                )
            await _Server(footnote, greeting, report).serve(sockets=[listener])
            signal.signal(signal.SIGTERM, signal.SIG_IGN)  # told twice, it closes its parts all the same
    finally:
        signal.signal(signal.SIGTERM, before)
    report("Footnote has stopped.")


def _cancel_on_sigterm() -> Any:
    """Have SIGTERM cancel the current task; returns the handler that there was before."""
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None, "it is called from a task"
    return signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(task.cancel))


class _Server(uvicorn.Server):
    """uvicorn, but it says in a sentence what it does, and SIGTERM is a way to end well (status 0)."""

    def __init__(self, footnote: Footnote, greeting: str, report: Report) -> None:
        self._app = create_app(lambda: contextlib.nullcontext(footnote))
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
        self._report(f"Footnote is stopping: what runs is finished, within {_DRAIN_S} s.")
        parts: Parts = self._app.state.parts
        await asyncio.gather(parts.broadcasts.drain(within_s=_DRAIN_ANSWERS_S), super().shutdown(sockets))


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


def _version() -> str:
    try:
        return metadata.version("footnote-service")
    except metadata.PackageNotFoundError:
        return "(not installed)"  # run from a source tree


def _to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()
