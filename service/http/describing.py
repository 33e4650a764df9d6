"""The OpenAPI document: how the API describes its problems, which FastAPI would leave out or get wrong."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from service.http.problems import MEDIA_TYPE
from service.http.responses import EVENTS_EXAMPLE, ProblemBody
from service.http.sse import MEDIA_TYPE as EVENTS_MEDIA_TYPE

_WHEN = {
    400: "The body is not JSON, or the cursor is broken.",
    401: "The key is missing, unknown or revoked.",
    403: "The language model is outside, and the collection's passages may not leave the house.",
    404: "It does not exist, or not for this caller.",
    410: "It did exist, and was deleted with its texts.",
    413: "The body is larger than what is accepted.",
    415: "The body was not sent as JSON.",
    422: "The request does not have the right shape, or asks for what cannot be.",
    500: "Something went wrong inside, or the service is not configured rightly.",
    502: "The language model's server is away, refuses, or gives something that is not an answer.",
    503: "The database or a model is away; `Retry-After` says when to try again.",
    504: "The language model took too long.",
}
EVENTS: dict[str, Any] = {
    EVENTS_MEDIA_TYPE: {
        "schema": {
            "type": "string",
            "description": "Server-sent events, each with an id: `started` (`answer_id`), `retrieved` (`looked_at`), "
            "`delta` (`text`: provisional), `citation` (`number` and a citation), `sentence` (`number` and a sentence: "
            "final), `dropped` (a sentence that nothing supports), `usage`, `done` (the body that is sent without "
            "`stream`), or `error` (a problem). `settled` is how much of the deltas' text, in code points, is decided. "
            "Lines that begin with a colon keep the connection alive.",
        },
        "example": EVENTS_EXAMPLE,
    }
}
ALWAYS = (401, 422, 500, 503)
WITH_BODY = (400, 413, 415)


def answered() -> dict[str, Any]:
    """The 200 of a route that answers whole or as a stream of events."""
    return {"description": "The answer; with `stream` as events.", "content": EVENTS}


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with problems of these statuses."""
    return {status: _problem(status) for status in sorted(statuses)}


def _problem(status: int) -> dict[str, Any]:
    example = {
        "type": "urn:footnote:problem:…",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": "what, which, why, and what to do.",
        "instance": "/v1/…",
        "request_id": "6f1c0f0e4b1d4c0f8f0b8c6a51e0a3c2",
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
    }
    schema = {"$ref": "#/components/schemas/ProblemBody"}
    return {
        "description": _WHEN[status],
        "content": {MEDIA_TYPE: {"schema": schema, "example": example}},
    }


class DescribedApp(FastAPI):
    """A FastAPI whose OpenAPI document holds the shape of problems."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            _, definitions = models_json_schema(
                [(ProblemBody, "serialization")], ref_template="#/components/schemas/{model}"
            )
            document.setdefault("components", {}).setdefault("schemas", {}).update(definitions["$defs"])
            self.openapi_schema = document
        return self.openapi_schema
