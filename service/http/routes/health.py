"""GET /health/live, /health/ready, /metrics, for machines that watch. None needs a key.

With a key of `footnote keys create NAME --metrics`, /metrics also shows what is in the index.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from retrieval.errors import DatabaseUnavailableError
from retrieval.records import Scope
from service.http.auth import authenticate
from service.http.browsers import COOKIE
from service.http.describing import problems
from service.http.parts import Parts, PartsOf
from service.http.responses.health import AliveBody, ReadyBody

router = APIRouter(tags=["health"])

_DATABASE_TIMEOUT_S = 2.0


@router.get("/health/live", summary="Whether the process runs", response_model=AliveBody)
async def live() -> JSONResponse:
    """Always 200 while the process runs. Needs no key."""
    return JSONResponse({"alive": True})


@router.get(
    "/health/ready",
    summary="Whether the service can answer",
    response_model=ReadyBody,
    responses={503: {"description": "A part is not ready.", "model": ReadyBody}, **problems(500)},
)
async def ready(parts: PartsOf) -> JSONResponse:
    """Lets the database, the embedder and the reranker work, at most every five seconds. Needs no key."""
    readiness = await parts.readiness.get()
    return JSONResponse(readiness.as_json(), status_code=200 if readiness.ready else 503)


@router.get(
    "/metrics",
    summary="Metrics for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problems(401, 403, 500)},
)
async def metrics(request: Request, parts: PartsOf) -> Response:
    """Requests, answers and what workers have to do. For a key that was made with --metrics also every collection by
    name, its size, and what is wrong with its index: that tells of documents which not everybody may read."""
    sizes = await parts.figures.sizes()
    # Without a database no key can be verified, and that it is away is what matters then.
    watcher = None
    if sizes is not None:
        try:
            watcher = await _watcher(request, parts)
        except (TimeoutError, DatabaseUnavailableError):
            sizes = None
    sources = None if watcher is None else await parts.figures.sources()
    backlog = None if sizes is None else await parts.figures.backlog()
    # From here to the end nothing is awaited: what is set for one caller is shown to that one.
    if watcher is not None:
        sizes = [size for size in sizes or () if watcher.has_collection(size.name)]
        parts.metrics.set_sources([each for each in sources or () if watcher.has_collection(each.collection)])
        if (inspection := parts.watch.latest()) is not None:
            parts.metrics.set_inspection(inspection.of(watcher))
    parts.metrics.backlog.set(backlog)
    parts.metrics.set_sizes(sizes)
    content, media_type = parts.metrics.expose(
        request.headers.get("accept", ""), with_index=watcher is not None
    )
    return Response(content, media_type=media_type)


async def _watcher(request: Request, parts: Parts) -> Scope | None:
    """For whom figures of the index are shown, if at all; raises `KeyRefusedError` where a key is not in force."""
    if not request.headers.get("authorization") and COOKIE not in request.cookies:
        return None
    caller = await parts.patience.wait_for(authenticate(request), timeout_s=_DATABASE_TIMEOUT_S)
    return caller.scope if caller.shows_index_metrics else None
