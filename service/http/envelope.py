"""What surrounds every request: its id, its figures, its log line, and the last word on exceptions."""

from __future__ import annotations

import logging
import re
import time
import uuid
from http import HTTPStatus
from urllib.parse import quote

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.denials import Denials
from service.http.metrics.counters import Metrics
from service.http.problems import fault
from service.limits import Standing
from service.logs import REQUEST_ID
from service.observing import Observer, RequestRecord
from service.traceparent import HEADER as TRACEPARENT
from service.traceparent import read_traceparent

logger = logging.getLogger("footnote.requests")

REQUEST_ID_HEADER = "X-Request-ID"
_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_DENIED = frozenset({401, 403})
_NO_ROUTE = "(none)"
# Asked every few seconds by machines: their lines would drown the others.
_QUIET = frozenset({"/health/live", "/health/ready", "/metrics"})


class Envelope:
    """The outermost layer of the app. Takes a caller's own request id where that is a plain word, else makes one."""

    def __init__(self, app: ASGIApp, *, metrics: Metrics, denials: Denials, observer: Observer) -> None:
        self._app = app
        self._metrics = metrics
        self._denials = denials
        self._observer = observer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get(REQUEST_ID_HEADER, "")
        request_id = given if _SANE_ID.fullmatch(given) else uuid.uuid4().hex
        status = 0
        scope.setdefault("state", {})

        async def send_enveloped(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[REQUEST_ID_HEADER] = request_id
                headers["X-Content-Type-Options"] = "nosniff"
                headers.setdefault("Cache-Control", "no-store")
                headers.update(_standing(scope))
            await send(message)

        token = REQUEST_ID.set(request_id)
        started = time.perf_counter()
        self._metrics.request_began()
        caller = read_traceparent(Headers(scope=scope).get(TRACEPARENT, ""))
        with self._observer.request(scope["method"], parent=caller) as record:
            try:
                await self._app(scope, receive, send_enveloped)
            except Exception:
                logger.exception("a fault that nobody foresaw")
                if status:
                    raise  # Half a response is out: the server has to cut the connection.
                await fault(Request(scope))(scope, receive, send_enveloped)
            finally:
                self._note(scope, status, time.perf_counter() - started, record)
                REQUEST_ID.reset(token)

    def _note(self, scope: Scope, status: int, seconds: float, record: RequestRecord) -> None:
        """`status` 0 means that the request was cut off before it had an answer."""
        route = getattr(scope.get("route"), "path", _NO_ROUTE)
        self._metrics.request_ended(route=route, method=scope["method"], status=status, seconds=seconds)
        shown = quote(scope["path"])[:200] if route == _NO_ROUTE else route
        if status in _DENIED:
            self._note_denial(scope, status, shown)
        milliseconds = round(seconds * 1000, 1)
        _describe(record, method=scope["method"], route=route, status=status)
        logger.log(
            logging.DEBUG if route in _QUIET else logging.INFO,
            "%s %s %d %.1f ms",
            scope["method"],
            shown,
            status,
            milliseconds,
            extra={
                "method": scope["method"],
                "route": route,
                "status": status,
                "milliseconds": milliseconds,
                "key": getattr(Request(scope).state, "key_prefix", None),
                "stages": {name: round(took * 1000, 1) for name, took in record.stage_seconds.items()},
            },
        )

    def _note_denial(self, scope: Scope, status: int, shown: str) -> None:
        """What was mounted beside the routes may deny without saying why."""
        said = Request(scope).state
        self._denials.note(
            method=scope["method"],
            route=shown,
            status=status,
            reason=getattr(said, "problem", "unknown"),
            prefix=getattr(said, "key_prefix", None),
            peer=(scope.get("client") or ("unknown",))[0],
        )


def _standing(scope: Scope) -> dict[str, str]:
    """What is left of the caller's limits, where there are any (`service.http.admission`)."""
    standing: Standing | None = scope.get("state", {}).get("standing")
    return {} if standing is None else standing.headers()


def _describe(record: RequestRecord, *, method: str, route: str, status: int) -> None:
    """Say of a request's span what semantic conventions have for it; of its address no more than the route."""
    span = record.span
    span.rename(method if route == _NO_ROUTE else f"{method} {route}")
    span.note("http.request.method", method)
    span.note("http.route", route)
    span.note("http.response.status_code", status)
    if status == 0 or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        record.error = str(status) if status else "cut off"
