"""Errors in the shape that clients of OpenAI's API read, for the addresses that speak it.

    {"error": {"message", "type", "param", "code"}}

They are the problems of all other addresses in other clothes: `code` is the problem's name, but for the few by which
clients tell what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

_ADDRESSES = ("/v1/chat/", "/v1/models")
_CODES: Mapping[str, str] = MappingProxyType(
    {
        "key-missing": "invalid_api_key",
        "key-refused": "invalid_api_key",
        "not-found": "model_not_found",
        "not-valid": "invalid_request",
    }
)


def speaks_openai(path: str) -> bool:
    """Whether errors at this address have OpenAI's shape."""
    return path.startswith(_ADDRESSES)


def chat_status(status: int) -> int:
    """OpenAI's API answers 400 where a request cannot be met; clients do not know 422."""
    return 400 if status == HTTPStatus.UNPROCESSABLE_ENTITY else status


def chat_error(*, status: int, name: str, message: str, param: str | None = None) -> dict[str, Any]:
    """The body for a problem of this status and name."""
    code = "rate_limit_exceeded" if status == HTTPStatus.TOO_MANY_REQUESTS else _CODES.get(name)
    return {
        "error": {
            "message": message,
            "type": _type(status),
            "param": "model" if name == "not-found" else param,
            "code": code or name.replace("-", "_"),
        }
    }


def _type(status: int) -> str:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "server_error"
    return "rate_limit_error" if status == HTTPStatus.TOO_MANY_REQUESTS else "invalid_request_error"
