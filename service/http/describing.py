"""The OpenAPI document: how the API describes its problems, which FastAPI would leave out or get wrong."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from fastapi import FastAPI
from pydantic.json_schema import models_json_schema

from service.http.chat_errors import chat_error, speaks_openai
from service.http.compatible.bodies import CHUNKS_EXAMPLE, ChatErrorBody
from service.http.problems import MEDIA_TYPE
from service.http.responses.answers import EVENTS_EXAMPLE
from service.http.responses.problems import ProblemBody
from service.http.sse import MEDIA_TYPE as EVENTS_MEDIA_TYPE

_WHEN = {
    400: "The body is not JSON, or not a form; or the cursor is broken; to clients of OpenAI's API also what is a 422 "
    "elsewhere.",
    401: "The key is missing, unknown, revoked or has ended; the token, the session or the link is not accepted.",
    403: "The caller's role does not allow it; a request with a session's cookie comes from a page of another origin; "
    "or the language model is outside, and the collection's passages may not leave the house.",
    404: "It does not exist, or not for this caller.",
    408: "The body was not whole after a minute; of a form, nothing came for a minute.",
    409: "It is there already, still in use, or still at work under the same Idempotency-Key.",
    410: "It did exist, and was deleted with what it held.",
    412: "It has changed since it was seen (`If-Match`).",
    413: "The body is larger than what is accepted.",
    415: "The body was not sent as JSON, or not as a form; or no parser reads a file of this kind.",
    422: "The request does not have the right shape, or asks for what cannot be.",
    429: "A limit of the key is reached: `limit` says which, how much of it, and when there is more, as does "
    "`Retry-After`. Where a key has limits on requests, every response tells what is left (`RateLimit`). Or too many "
    "jobs of the key have not ended yet.",
    500: "Something went wrong inside, or the service is not configured rightly.",
    502: "The language model's server is away, refuses, or gives something that is not an answer.",
    503: "The database, a model or the tokens' issuer is away; or the service has taken on as much as it can, or is "
    "stopping. `Retry-After` says when to try again.",
    504: "The search, the language model or the answer took too long.",
    507: "The service's disk is full.",
}
EVENTS: dict[str, Any] = {
    EVENTS_MEDIA_TYPE: {
        # Before OpenAPI 3.2 the schema of a stream is that of each of its events.
        "schema": {
            "type": "object",
            "properties": {name: {"type": "string"} for name in ("id", "event", "data")},
            "required": ["id", "event", "data"],
            "description": "Server-sent events, each with an id: `started` (`answer_id`), `retrieved` (`looked_at`), "
            "`delta` (`text`: provisional), `citation` (`number` and a citation), `sentence` (`number` and a sentence: "
            "final), `dropped` (a sentence that nothing supports), `usage`, `done` (the body that is sent without "
            "`stream`), or `error` (a problem). `settled` is how much of the deltas' text, in code points, is decided. "
            "Lines that begin with a colon keep the connection alive.",
        },
        "example": EVENTS_EXAMPLE,
    }
}
TAG: dict[str, Any] = {
    "ETag": {"description": "Of what is shown, for If-None-Match and If-Match.", "schema": {"type": "string"}}
}
NOT_MODIFIED: dict[str, Any] = {"description": "It is what the caller has (`If-None-Match`)."}
CHUNKS: dict[str, Any] = {
    EVENTS_MEDIA_TYPE: {
        "schema": {
            "type": "object",
            "properties": {"data": {"type": "string"}},
            "required": ["data"],
            "description": "Chunks as OpenAI's API sends them, each a line `data: …`, of checked sentences alone. One "
            "of the last has the annotations, the last choice `footnote`; `data: [DONE]` is the end. What goes wrong "
            "is told in a chunk with `error`.",
        },
        "example": CHUNKS_EXAMPLE,
    }
}
_HEADERS_OF_LIMITS: dict[str, Any] = {
    name: {"description": description, "schema": {"type": "string"}}
    for name, description in {
        "Retry-After": "Seconds until there is more.",
        "RateLimit-Policy": 'The limits on requests, as in `"minute";q=60;w=60`.',
        "RateLimit": 'What is left of them and for how many seconds, as in `"minute";r=0;t=41`.',
        "RateLimit-Limit": "Of the one that has least left: the limit.",
        "RateLimit-Remaining": "How much is left of it.",
        "RateLimit-Reset": "Seconds until it begins anew.",
    }.items()
}
ALWAYS = (401, 403, 422, 429, 500, 503)
WITH_BODY = (400, 408, 413, 415)


def answered() -> dict[str, Any]:
    """The 200 of a route that answers whole or as a stream of events."""
    return {"description": "The answer; with `stream` as events.", "content": EVENTS}


def chat_errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The same for an address that clients of OpenAI's API call."""
    schema = {"$ref": "#/components/schemas/ChatErrorBody"}
    return {
        status: {
            "description": _WHEN[status],
            "content": {"application/json": {"schema": schema, "example": _chat_example(status)}},
        }
        for status in sorted({*statuses, 422})
    }


def _chat_example(status: int) -> dict[str, Any]:
    return chat_error(status=status, name="…", message="what, which, why, and what to do.")


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
        **({"headers": _HEADERS_OF_LIMITS} if status == HTTPStatus.TOO_MANY_REQUESTS else {}),
        "content": {MEDIA_TYPE: {"schema": schema, "example": example}},
    }


def _forget_422(operations: dict[str, Any]) -> None:
    """FastAPI describes a 422 of its own where none is described; these addresses answer 400 instead."""
    for operation in operations.values():
        operation["responses"].pop("422", None)


class DescribedApp(FastAPI):
    """A FastAPI whose OpenAPI document holds the shapes of errors."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = super().openapi()
            _, definitions = models_json_schema(
                [(ProblemBody, "serialization"), (ChatErrorBody, "serialization")],
                ref_template="#/components/schemas/{model}",
            )
            for path, operations in document["paths"].items():
                if speaks_openai(path):
                    _forget_422(operations)
            document.setdefault("components", {}).setdefault("schemas", {}).update(definitions["$defs"])
            self.openapi_schema = document
        return self.openapi_schema
