"""GET /health/live, /health/ready, /metrics, for machines that watch; GET /, for whoever wonders. None needs a key.

With a key of `footnote keys create NAME --metrics`, /metrics also shows what is in the index.
"""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from retrieval.errors import DatabaseUnavailableError
from service.http.auth import authenticate
from service.http.describing import problems
from service.http.parts import Parts, PartsOf
from service.http.responses import AliveBody, ReadyBody, WelcomeBody

router = APIRouter(tags=["health"])

_DATABASE_TIMEOUT_S = 2.0


@router.get("/", summary="What this is", response_model=WelcomeBody)
async def welcome(parts: PartsOf) -> JSONResponse:
    """Name, version, and where to read on."""
    return JSONResponse(
        {
            "name": "Footnote",
            "version": parts.version,
            "api": "/openapi.json",
            "health": "/health/ready",
            "metrics": "/metrics",
        }
    )


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
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problems(401, 500)},
)
async def metrics(request: Request, parts: PartsOf) -> Response:
    """Requests and answers. For a key that was made with --metrics also every collection by name, its size, and what
    is wrong with its index: that tells of documents which not everybody may read."""
    sizes = await parts.figures.sizes()
    # Without a database no key can be verified, and that it is away is what matters then.
    with_index = False
    if sizes is not None:
        try:
            with_index = await _shows_index(request, parts)
        except (TimeoutError, DatabaseUnavailableError):
            sizes = None
    parts.metrics.set_sizes(sizes)
    if with_index:
        parts.metrics.set_sources(await parts.figures.sources())
        parts.metrics.set_inspection(parts.watch.latest())
    content, media_type = parts.metrics.expose(request.headers.get("accept", ""), with_index=with_index)
    return Response(content, media_type=media_type)


async def _shows_index(request: Request, parts: Parts) -> bool:
    """Whether the caller may see figures of the index; raises `KeyRefusedError` where a key is not in force."""
    authorization = request.headers.get("authorization")
    if not authorization:
        return False
    key = await parts.patience.wait_for(
        authenticate(parts.footnote.database, authorization), timeout_s=_DATABASE_TIMEOUT_S
    )
    return key.shows_index_metrics
