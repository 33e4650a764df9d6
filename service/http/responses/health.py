"""How the service is."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict

from service.http.responses.body import Body


class AliveBody(Body):
    """The process runs."""

    alive: Literal[True]


class PartBody(Body):
    """Whether a part does its work now."""

    ready: bool
    detail: str


class ReadyBody(Body):
    """Whether the service can answer now, part by part: database, embedder, reranker."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "ready": False,
                    "parts": {
                        "database": {"ready": False, "detail": "no answer within 2 s"},
                        "embedder": {"ready": True, "detail": "answered in 6 ms"},
                        "reranker": {"ready": True, "detail": "answered in 9 ms"},
                    },
                }
            ]
        }
    )

    ready: bool
    parts: dict[str, PartBody]
