"""GET /health/live, /health/ready, /metrics, for machines that watch; GET /, for whoever wonders. None needs a key."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from service.http.describing import problems
from service.http.parts import PartsOf
from service.http.responses import AliveBody, ReadyBody, WelcomeBody

router = APIRouter(tags=["health"])


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
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}, **problems(500)},
)
async def metrics(request: Request, parts: PartsOf) -> Response:
    """Requests, answers, the size of every collection, whose names it shows, and what is wrong with its index. Needs
    no key: keep it from strangers at the proxy."""
    parts.metrics.set_sizes(await parts.figures.sizes())
    parts.metrics.set_inspection(parts.watch.latest())
    content, media_type = parts.metrics.expose(request.headers.get("accept", ""))
    return Response(content, media_type=media_type)
