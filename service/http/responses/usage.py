"""What callers thought of answers, and what these cost."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from pydantic import ConfigDict

from service.http.responses.body import Body, moment
from service.usage import Feedback, Rating, UsageRow


class FeedbackBody(Body):
    """What was kept of what you think of an answer."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "answer": "6f0f7c0e-0e0e-4d55-9f3e-6f0b6a1f7f5d",
                    "rating": "up",
                    "comment": "",
                    "created_at": "2026-01-31T09:30:00+00:00",
                }
            ]
        }
    )

    answer: UUID
    rating: Rating
    comment: str
    created_at: datetime


def feedback_as_json(feedback: Feedback) -> dict[str, Any]:
    return {
        "answer": str(feedback.answer_id),
        "rating": feedback.rating,
        "comment": feedback.comment,
        "created_at": moment(feedback.created_at),
    }


_USAGE: dict[str, Any] = {
    "day": "2026-01-31",
    "key": "d3d9446c-6f0e-4d6a-9d5e-0f5a3f3f8f10",
    "name": "intranet",
    "model": "my-model",
    "requests": 118,
    "prompt_tokens": 310_442,
    "completion_tokens": 17_205,
    "money": 0.62,
}


class UsageRowBody(Body):
    """What the answers of a day (UTC) cost, of one key and one model. `name` is the key's; null for other callers."""

    day: date
    key: UUID
    name: str | None
    model: str
    requests: int
    prompt_tokens: int
    completion_tokens: int
    money: float


class UsagesBody(Body):
    """A page of usage, newest day first."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"usage": [_USAGE], "next": None}]})

    usage: list[UsageRowBody]
    next: str | None


def usage_as_json(row: UsageRow) -> dict[str, Any]:
    return row.as_json()
