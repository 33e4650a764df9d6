"""Qdrant's HTTP interface as far as Footnote speaks it, answered by the client's local mode.

It proves what goes over the wire; a real server is tested where FOOTNOTE_TEST_QDRANT_URL names one.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from qdrant_client import AsyncQdrantClient, models
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.types import ASGIApp


@asynccontextmanager
async def serve(app: ASGIApp) -> AsyncIterator[str]:
    """Serve `app` on a free port of this machine; yields its address."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(
            uvicorn.Config(app, log_level="error", lifespan="off", ws="none", timeout_graceful_shutdown=1)
        )
        task = asyncio.create_task(server.serve([listening]))
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        await task


def qdrant_app() -> tuple[ASGIApp, list[str]]:
    """The interface, and the list of payload fields that were asked to be indexed."""
    local = AsyncQdrantClient(":memory:")
    indexed: list[str] = []

    def answer(result: Any) -> JSONResponse:
        return JSONResponse({"result": result, "status": "ok", "time": 0.0})

    async def collection(request: Request) -> JSONResponse:
        name = request.path_params["name"]
        if request.method == "PUT":
            wanted = models.CreateCollection.model_validate_json(await request.body())
            assert isinstance(wanted.vectors, models.VectorParams)
            return answer(await local.create_collection(name, vectors_config=wanted.vectors))
        if request.method == "DELETE":
            return answer(await local.delete_collection(name))
        return answer((await local.get_collection(name)).model_dump(mode="json"))

    async def exists(request: Request) -> JSONResponse:
        return answer({"exists": await local.collection_exists(request.path_params["name"])})

    async def index(request: Request) -> JSONResponse:
        wanted = models.CreateFieldIndex.model_validate_json(await request.body())
        assert wanted.field_schema == models.PayloadSchemaType.KEYWORD
        indexed.append(wanted.field_name)
        return answer({"operation_id": 1, "status": "completed"})

    async def points(request: Request) -> JSONResponse:
        name, body = request.path_params["name"], await request.body()
        if not await local.collection_exists(name):
            return JSONResponse({"status": {"error": f"Not found: Collection `{name}`"}}, status_code=404)
        match request.path_params.get("what", "upsert"):
            case "upsert":
                assert request.query_params["wait"] == "true"
                await local.upsert(name, models.PointsBatch.model_validate_json(body).batch)
            case "query":
                asked = models.QueryRequest.model_validate_json(body)
                assert asked.params == models.SearchParams(exact=True)
                found = await local.query_points(
                    name,
                    query=asked.query,
                    query_filter=asked.filter,
                    limit=asked.limit or 10,
                    with_payload=asked.with_payload or False,
                )
                return answer(found.model_dump(mode="json"))
            case "scroll":
                page_wanted = models.ScrollRequest.model_validate_json(body)
                records, following = await local.scroll(
                    name,
                    limit=page_wanted.limit or 10,
                    offset=page_wanted.offset,
                    with_payload=bool(page_wanted.with_payload),
                    with_vectors=bool(page_wanted.with_vector),
                )
                page = [record.model_dump(mode="json") for record in records]
                return answer({"points": page, "next_page_offset": following})
            case "delete":
                await local.delete(name, models.PointIdsList.model_validate_json(body))
            case "payload":
                wanted = models.SetPayload.model_validate_json(body)
                assert wanted.filter is not None
                await local.set_payload(name, wanted.payload, points=wanted.filter)
            case "count":
                return answer((await local.count(name, exact=True)).model_dump())
            case other:
                return JSONResponse({"status": {"error": f"no such thing: {other}"}}, status_code=400)
        return answer({"operation_id": 1, "status": "completed"})

    routes = [
        Route("/collections/{name}", collection, methods=["GET", "PUT", "DELETE"]),
        Route("/collections/{name}/exists", exists, methods=["GET"]),
        Route("/collections/{name}/index", index, methods=["PUT"]),
        Route("/collections/{name}/points", points, methods=["PUT"]),
        Route("/collections/{name}/points/{what}", points, methods=["POST"]),
    ]
    return Starlette(routes=routes), indexed
