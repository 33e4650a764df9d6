"""Qdrant's HTTP interface as far as Footnote speaks it, answered by the client's local mode.

It proves what goes over the wire; a real server is tested where FOOTNOTE_TEST_QDRANT_URL names one.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
import uvicorn
from qdrant_client import AsyncQdrantClient, models
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

SERVER_URL = os.environ.get("FOOTNOTE_TEST_QDRANT_URL")
SERVER_KEY = os.environ.get("FOOTNOTE_TEST_QDRANT_API_KEY")
SERVER = pytest.param(
    "qdrant-server", marks=pytest.mark.skipif(not SERVER_URL, reason="FOOTNOTE_TEST_QDRANT_URL is not set")
)

_DONE = {"operation_id": 1, "status": "completed"}


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


@dataclass(slots=True, kw_only=True)
class Wire:
    """What was asked, in the order in which it came.

    upserts: how many points each request brought. at_once: how many of those were on their way together at most.
    shorten: makes a search that does not look at every vector find less than there is, as a graph may.
    """

    created: list[models.CreateCollection] = field(default_factory=list)
    indexed: list[tuple[str, models.PayloadSchemaType]] = field(default_factory=list)
    upserts: list[int] = field(default_factory=list)
    bodies: list[int] = field(default_factory=list)
    queries: list[models.QueryRequest] = field(default_factory=list)
    payloads: list[dict[str, Any]] = field(default_factory=list)
    at_once: int = 0
    shorten: bool = False
    failing: Response | None = None
    _local: AsyncQdrantClient = field(default_factory=lambda: AsyncQdrantClient(":memory:"))
    _under_way: int = 0

    @property
    def app(self) -> ASGIApp:
        """The interface. While `failing` is set, that is the answer to everything that changes points."""
        return Starlette(
            routes=[
                Route("/collections/{name}", self._collection, methods=["GET", "PUT", "DELETE"]),
                Route("/collections/{name}/exists", self._exists, methods=["GET"]),
                Route("/collections/{name}/index", self._index, methods=["PUT"]),
                Route("/collections/{name}/points", self._upsert, methods=["PUT"]),
                Route("/collections/{name}/points/{what}", self._points, methods=["POST"]),
            ]
        )

    async def _collection(self, request: Request) -> Response:
        name = request.path_params["name"]
        if request.method == "PUT":
            wanted = models.CreateCollection.model_validate_json(await request.body())
            self.created.append(wanted)
            made = await self._local.create_collection(
                name, vectors_config=wanted.vectors, sparse_vectors_config=wanted.sparse_vectors
            )
            return _answer(made)
        if request.method == "DELETE":
            return _answer(await self._local.delete_collection(name))
        if not await self._local.collection_exists(name):
            return _not_found(name)
        return _answer((await self._local.get_collection(name)).model_dump(mode="json"))

    async def _exists(self, request: Request) -> Response:
        return _answer({"exists": await self._local.collection_exists(request.path_params["name"])})

    async def _index(self, request: Request) -> Response:
        wanted = models.CreateFieldIndex.model_validate_json(await request.body())
        assert isinstance(wanted.field_schema, models.PayloadSchemaType)
        self.indexed.append((wanted.field_name, wanted.field_schema))
        return _answer(_DONE)

    async def _upsert(self, request: Request) -> Response:
        assert request.query_params["wait"] == "true"
        body = await request.body()
        if self.failing is not None:
            return self.failing
        if not await self._local.collection_exists(request.path_params["name"]):
            return _not_found(request.path_params["name"])
        self._under_way += 1
        self.at_once = max(self.at_once, self._under_way)
        await asyncio.sleep(0.01)
        points = models.PointsList.model_validate_json(body).points
        self.upserts.append(len(points))
        self.bodies.append(len(body))
        await self._local.upsert(request.path_params["name"], points)
        self._under_way -= 1
        return _answer(_DONE)

    async def _points(self, request: Request) -> Response:
        name, what, body = request.path_params["name"], request.path_params["what"], await request.body()
        if not await self._local.collection_exists(name):
            return _not_found(name)
        match what:
            case "query":
                return await self._query(name, models.QueryRequest.model_validate_json(body))
            case "scroll":
                return await self._scroll(name, models.ScrollRequest.model_validate_json(body))
            case "count":
                return _answer((await self._local.count(name, exact=True)).model_dump())
            case "delete" | "payload" if self.failing is not None:
                return self.failing
            case "delete":
                await self._local.delete(name, models.PointIdsList.model_validate_json(body))
            case "payload":
                wanted = models.SetPayload.model_validate_json(body)
                assert wanted.filter is not None
                self.payloads.append(wanted.payload)
                await self._local.set_payload(name, wanted.payload, points=wanted.filter)
            case other:
                return JSONResponse({"status": {"error": f"no such thing: {other}"}}, status_code=400)
        return _answer(_DONE)

    async def _query(self, name: str, asked: models.QueryRequest) -> Response:
        self.queries.append(asked)
        assert asked.params is not None
        limit = asked.limit or 10
        found = await self._local.query_points(
            name,
            query=asked.query,
            using=asked.using,
            query_filter=asked.filter,
            limit=limit // 3 if self.shorten and not asked.params.exact else limit,
            with_payload=asked.with_payload or False,
        )
        return _answer(found.model_dump(mode="json"))

    async def _scroll(self, name: str, asked: models.ScrollRequest) -> Response:
        records, following = await self._local.scroll(
            name,
            scroll_filter=asked.filter,
            limit=asked.limit or 10,
            offset=asked.offset,
            with_payload=bool(asked.with_payload),
            with_vectors=asked.with_vector or False,
        )
        page = [record.model_dump(mode="json") for record in records]
        return _answer({"points": page, "next_page_offset": following})


def _answer(result: Any) -> Response:
    return JSONResponse({"result": result, "status": "ok", "time": 0.0})


def _not_found(name: str) -> Response:
    return JSONResponse({"status": {"error": f"Not found: Collection `{name}`"}}, status_code=404)
