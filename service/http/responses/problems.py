"""Errors, as `service.http.problems` makes them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from service.limits import LimitName


class WrongFieldBody(BaseModel):
    """What is wrong with which field of the body, the query or the path."""

    model_config = ConfigDict(populate_by_name=True)

    in_: Annotated[str, Field(alias="in")]
    field: str
    message: str


class LimitBody(BaseModel):
    """A limit that is reached: how much of it was taken, and in how many seconds there is more."""

    model_config = ConfigDict(title="Limit")

    name: LimitName
    limit: float
    used: float
    retry_after_s: int


class ProblemBody(BaseModel):
    """An error (RFC 9457). Tell problems apart by `type`; `errors` is there for requests of the wrong shape alone, and
    `limit` where one is reached."""

    model_config = ConfigDict(title="Problem")

    type: str
    title: str
    status: int
    detail: str
    instance: str
    request_id: str | None
    trace_id: str | None
    errors: list[WrongFieldBody] | None = None
    limit: LimitBody | None = None
