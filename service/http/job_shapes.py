"""Requests and responses of /v1/jobs, as the OpenAPI document tells them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from service.http.requests import QuestionRequest
from service.http.responses.answers import ANSWER_EXAMPLE, AnswerBody
from service.http.responses.problems import ProblemBody
from service.webhooks.addresses import MAX_URL_CHARACTERS


class JobRequest(QuestionRequest):
    """A question that is answered later."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"question": "How long is parental leave?", "collection": "default"},
                {
                    "question": "How long is parental leave?",
                    "callback_url": "https://hooks.example.com/footnote",
                },
            ]
        }
    )

    callback_url: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=MAX_URL_CHARACTERS,
            description="Where the job is told once it has ended, by a signed POST: an https address of the internet, "
            "or one that the settings allow.",
        ),
    ] = None


class JobsQuery(BaseModel):
    """Which page of the list of jobs."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cursor: Annotated[
        str | None, Field(max_length=200, description="`next` of the page before; without it the first page.")
    ] = None
    limit: Annotated[int, Field(ge=1, le=500)] = 100


class WebhookBody(BaseModel):
    """What became of telling the `callback_url`; `none` until there is something to tell."""

    url: str
    state: Literal["none", "waiting", "delivered", "failed"]
    attempts: int
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    last_status: int | None
    last_error: str | None


class JobBody(BaseModel):
    """A question that is answered later. `answer` has the shape of `POST /v1/ask`, `problem` that of an error."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "7c1c9f0e-3f0a-4a55-9a0e-0f6f5a3f9b11",
                    "state": "done",
                    "position": None,
                    "question": "How long is parental leave?",
                    "collection": "default",
                    "attempts": 1,
                    "created_at": "2026-03-01T09:30:00.103000+00:00",
                    "started_at": "2026-03-01T09:30:00.161000+00:00",
                    "finished_at": "2026-03-01T09:30:00.702000+00:00",
                    "answer": ANSWER_EXAMPLE,
                    "problem": None,
                    "withheld": None,
                    "webhook": {
                        "url": "https://hooks.example.com/footnote",
                        "state": "delivered",
                        "attempts": 1,
                        "next_attempt_at": None,
                        "delivered_at": "2026-03-01T09:30:00.911000+00:00",
                        "last_status": 204,
                        "last_error": None,
                    },
                }
            ]
        }
    )

    id: UUID
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    position: Annotated[int | None, Field(description="Its place among all jobs that wait, from 1.")]
    question: str | None
    collection: str | None
    attempts: Annotated[int, Field(description="How often it was begun.")]
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    answer: AnswerBody | None
    problem: ProblemBody | None
    withheld: Annotated[str | None, Field(description="In a webhook: why the answer is not told.")]
    webhook: WebhookBody | None


class JobsBody(BaseModel):
    """A page of the caller's jobs, newest first, without their answers. `next` is the cursor of the next page."""

    jobs: list[JobBody]
    next: str | None


class WebhookSecretBody(BaseModel):
    """What the webhooks of the caller's jobs, or of a source's runs, are signed with."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"secret": "whsec_" + "5257a869" * 8}]})

    secret: str
