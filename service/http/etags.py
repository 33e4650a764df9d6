"""Entity tags: what a caller has seen of a thing, so that it is not sent again (304) nor changed unseen (412).

A tag is made of what is shown, so two callers may have different tags of one thing, and a tag tells nothing else.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Header
from fastapi.responses import Response

from service.http.refusals import ChangedMeanwhileError

CACHE_CONTROL = "private, no-cache"
IF_MATCH = Annotated[
    str | None,
    Header(
        alias="If-Match",
        description="The `ETag` of what was seen: where it has changed since, nothing is done (412).",
    ),
]
IF_NONE_MATCH = Annotated[
    str | None,
    Header(
        alias="If-None-Match", description="The `ETag` of what is known: where it is the same still, 304."
    ),
]


def tag_of(content: bytes) -> str:
    """The tag of a content."""
    return f'"{hashlib.sha256(content).hexdigest()[:32]}"'


def names(header: str, tag: str) -> bool:
    """Whether an If-None-Match or If-Match header names the tag; weak comparison, as RFC 9110 (13.1.2) has it."""
    tags = [part.strip().removeprefix("W/") for part in header.split(",")]
    return tag in tags or tags == ["*"]


def tagged(
    shape: Mapping[str, Any],
    if_none_match: str | None = None,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """A thing with its tag; 304 without it where the caller has it already."""
    content = as_bytes(shape)
    tag = tag_of(content)
    headers = {"ETag": tag, "Cache-Control": CACHE_CONTROL, **(headers or {})}
    if if_none_match is not None and names(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    return Response(content, status_code=status, headers=headers, media_type="application/json")


def as_bytes(shape: Mapping[str, Any]) -> bytes:
    return json.dumps(shape, ensure_ascii=False, separators=(",", ":")).encode()


def check_unchanged(shape: Mapping[str, Any], if_match: str | None) -> None:
    """Raise `ChangedMeanwhileError` where a caller has named the tag of something else than what is there now."""
    if if_match is not None and not names(if_match, tag_of(as_bytes(shape))):
        raise ChangedMeanwhileError(
            "it has changed since you saw it, so nothing was done. Get it again, and send its ETag as If-Match."
        )
